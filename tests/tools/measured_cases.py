"""bench: latencies at a rate, the files and pages that it leaves, a run beside an older one."""

import html.parser
import json
import os
import pathlib
import signal
import sys
import time

from sandbox import Case

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))

from hlog_reader import read_hgrm, read_hlog  # noqa: E402

RANKS = ("p50", "p90", "p99", "p99_9", "p99_99", "max")


class Page(html.parser.HTMLParser):
    """What a page shows, and what it would fetch."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.fetched, self.open, self.texts = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.fetched += [value for name, value in attrs if name in ("src", "href", "data")]
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another one"

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts)


class Measured(Case):
    def setUp(self):
        super().setUp()
        self.kept = self.work / "measured"

    def page(self):
        page = Page((self.kept / "report.html").read_text(encoding="utf-8"))
        self.assertEqual((page.open, page.fetched), ([], []))
        self.assertNotIn("script", [tag for tag, _ in page.tags])
        return page

    def report(self, name):
        return json.loads((self.kept / f"{name}.json").read_text(encoding="utf-8"))


class Latency(Measured):
    def test_latencies_at_a_rate_stand_beside_the_limit_of_the_machine(self):
        report = self.ok("bench", "latency", "--rate", "20k/s", "--for", "200ms", "--json").json
        self.assertEqual((report["bench"], report["rate_per_s"], report["events"]),
                         ("latency", 20000, 4000))
        self.assertTrue(report["verified"])
        self.assertGreater(report["achieved_per_s"], 0)
        for kind in ("response_ns", "service_ns", "idle_late_ns", "limit_ns"):
            values = [report[kind][rank] for rank in RANKS]
            self.assertEqual(values, sorted(values), kind)
            self.assertGreater(values[-1], 0, kind)
        for rank in RANKS:
            # An event is sent when it was to be, or later.
            self.assertGreaterEqual(report["response_ns"][rank] * 1.001,
                                    report["service_ns"][rank])
            self.assertGreaterEqual(report["limit_ns"][rank], report["idle_late_ns"][rank])
        self.assertIsInstance(report["cautions"], list)
        self.assertEqual(list(self.rings.iterdir()), [])

    def test_what_waited_behind_a_late_event_says_so(self):
        # The sender stands still for 300 ms. What it was to send meanwhile comes late: each of
        # these thousands of events has that in its response, and few in their service.
        process = self.start("bench", "latency", "--rate", "10k/s", "--for", "2s", "--json",
                             "--save", self.kept)
        warm_up, stop_s = 2001, 0.3

        def stream():
            return next((path.name for path in self.rings.glob("bench-*")
                         if path.name.endswith("-0")), None)

        name = self.wait_until("a stream", stream)
        self.wait_for_end(warm_up + 100, name)
        sender = int(name.split("-")[1])
        os.kill(sender, signal.SIGSTOP)
        begin = time.monotonic()
        self.wait_until("time to pass", lambda: time.monotonic() - begin > stop_s)
        os.kill(sender, signal.SIGCONT)
        report = self.end(process, by=None).json
        self.assertGreaterEqual(report["response_ns"]["max"], stop_s * 1e9)
        self.assertGreater(report["late_share"], 0)
        _, intervals = read_hlog((self.kept / "latency-64B-10000.hlog").read_text())
        late = {"response": 0, "service": 0}
        for tag, _, _, _, histogram in intervals:
            if tag in late:
                late[tag] += sum(count for value, count in histogram.counts.items()
                                 if value > 100e6)
        self.assertGreaterEqual(late["response"], (stop_s - 0.1) * 10_000)
        self.assertLess(late["service"], late["response"] / 2)

    def test_refuses_what_is_no_open_loop(self):
        for words in (("--rate", "max"), ("--rate", "1G/s"), ("--for", "0"), ("--for", "1h"),
                      ("--size", "23"), ("--size", "70000")):
            ran = self.run_any("bench", "latency", *words)
            self.assertEqual(ran.code, 2, ran)
            self.assertIn(words[0], ran.errors)


class Kept(Measured):
    def test_histograms_hold_every_latency_and_the_page_needs_nothing_else(self):
        self.ok("bench", "latency", "--rate", "20k/s", "--for", "200ms", "--save", self.kept)
        ran = self.ok("bench", "pingpong", "-n", "20000", "--save", self.kept)
        self.assertIn("pingpong-32B.hlog", ran.errors)
        self.ok("bench", "throughput", "--events", "1000", "--runs", "2", "--save", self.kept,
                "-q")
        for name, counts in (("latency-64B-20000",
                              {"response": 4000, "service": 4000, "idle_late": 4000}),
                             ("pingpong-32B",
                              {"rtt": 20000, "bare_rtt": 20000, "floor_rtt": 20000})):
            report = self.report(name)
            start, intervals = read_hlog((self.kept / f"{name}.hlog").read_text())
            self.assertLess(abs(time.time() - start), 600)
            found = {}
            for tag, _, length_s, most_ms, histogram in intervals:
                self.assertGreater(length_s, 0)
                count, most = found.get(tag, (0, 0))
                found[tag] = (count + sum(histogram.counts.values()), max(most, most_ms))
            for tag, count in counts.items():
                key = f"{tag}_ns"
                self.assertEqual(found[tag][0], count, tag)
                self.assertAlmostEqual(found[tag][1], report[key]["max"] / 1e6, places=2)
                rows, footer = read_hgrm((self.kept / f"{name}.{tag}.hgrm").read_text())
                self.assertEqual(footer["Total count"], count)
                median = next(value for value, share, _ in rows if share >= 0.5)
                self.assertLessEqual(abs(median - report[key]["p50"]), 2 + median / 100, tag)
        page = self.page()
        curves = [attrs for tag, attrs in page.tags
                  if tag == "path" and attrs.get("class", "").startswith("curve")]
        self.assertEqual(len(curves), 6)
        for words in ("latency-64B-20000", "pingpong-32B", "throughput-8B-1to1", "99.99 %",
                      "processor", "kernel", "times the limit", "floor rtt"):
            self.assertIn(words, page.text.replace("floor_rtt", "floor rtt"))
        for caution in self.report("pingpong-32B")["cautions"]:
            self.assertIn(caution, page.text)

    def test_a_caution_of_one_report_alone_stands_beside_it(self):
        self.ok("bench", "latency", "--rate", "20k/s", "--for", "50ms", "--save", self.kept)
        name = next(self.kept.glob("latency*.json"))
        later = json.loads(name.read_text())
        later["cautions"] = [*later["cautions"], "Somebody compiled meanwhile."]
        (self.kept / "latency-64B-later.json").write_text(json.dumps(later))
        self.ok("bench", "latency", "--rate", "10k/s", "--for", "50ms", "--save", self.kept)
        page = self.page()
        self.assertEqual(page.text.count("Somebody compiled meanwhile."), 1)
        for caution in later["cautions"][:-1]:
            self.assertGreaterEqual(page.text.count(caution), 1)

    def test_a_suite_stands_on_the_page_beside_its_targets(self):
        self.ok("bench", "suite", "--quick", "--runs", "1", "--rows", "round_trip_32", "--save",
                self.kept)
        page = self.page()
        for words in ("round_trip_32_p99", "target", "× floor", "the figures mean nothing"):
            self.assertIn(words, page.text)

    def test_what_lies_there_beside_is_text_and_never_markup(self):
        self.kept.mkdir()
        evil = {"bench": "latency", "machine": "<script>alert(1)</script>"}
        (self.kept / "evil.json").write_text(json.dumps(evil))
        (self.kept / "cut.json").write_text('{"bench": "lat')
        (self.kept / "other.json").write_text("[1, 2]")
        self.ok("bench", "throughput", "--events", "1000", "--runs", "1", "--save", self.kept)
        page = self.page()
        self.assertIn("<script>alert(1)</script>", page.text)
        self.assertIn("Written by another version", page.text)
        self.assertNotIn("cut", page.text)
        self.assertEqual([path for path in self.kept.iterdir() if ".part-" in path.name], [])

    def test_a_place_that_cant_be_written_is_told_before_anything_is_measured(self):
        place = self.work / "file"
        place.write_text("")
        self.refused(4, "bench", "pingpong", "-n", "1000000000", "--save", place / "below",
                     names=[place])


class Compared(Measured):
    WORDS = ("bench", "throughput", "--events", "2000", "--runs", "3")

    def older(self, **changes):
        """A report of before, in which figures are multiplied."""
        report = self.ok(*self.WORDS, "--json").json
        for key in ("events_per_s", "events_per_s_min", "events_per_s_max", "bytes_per_s"):
            report[key] *= changes.get("faster", 1)
        for key, value in changes.items():
            if key in report:
                report[key] = value
        path = self.work / "older.json"
        path.write_text(json.dumps(report))
        return path

    def test_what_was_faster_before_is_worse_now(self):
        path = self.older(faster=1000)
        ran = self.run_any(*self.WORDS, "--compare", path, "--save", self.kept)
        self.assertEqual(ran.code, 6, ran)
        self.assertRegex(ran.text, r"(?m)^events_per_s +\d+ +\d+ +0\.\d\d +worse$")
        self.assertRegex(ran.text, r"(?m)^floor_rtt_ns +\d+ +\d+ +\d+\.\d\d *$")
        self.assertIn("WORSE: ", ran.lines[-1])
        self.assertIn(f"Compared with {path}", self.page().text)

    def test_what_was_slower_before_is_better_now(self):
        path = self.older(faster=0.001)
        report = self.ok(*self.WORDS, "--compare", path, "--json").json
        rows = {row["figure"]: row for row in report["compared"]["rows"]}
        self.assertEqual(rows["events_per_s"]["verdict"], "better")
        self.assertEqual(rows["floor_rtt_ns"]["verdict"], "shown")
        self.assertEqual(report["compared"]["worse"], 0)
        self.assertTrue(report["compared"]["same_machine"])

    def test_older_curves_are_drawn_beside_the_new_ones(self):
        words = ("bench", "latency", "--rate", "20k/s", "--for", "100ms", "--save", self.kept)
        self.ok(*words)
        path = self.kept / "latency-64B-20000.json"
        self.run_any(*words, "--compare", path)
        dashed = [attrs for tag, attrs in self.page().tags if attrs.get("class") == "curve older"]
        self.assertEqual(len(dashed), 2)

    def test_another_benchmark_other_options_and_other_machines_are_told(self):
        path = self.older(size_bytes=4096)
        ran = self.refused(2, *self.WORDS, "--compare", path, names=[path, "size_bytes"])
        self.assertIn("4096", ran.errors)
        self.refused(2, "bench", "pingpong", "-n", "1000000000", "--compare", path, names=[path])
        self.refused(4, *self.WORDS, "--compare", self.work / "nowhere", names=["nowhere"])
        path.write_text("no json")
        self.refused(2, *self.WORDS, "--compare", path, names=[path])
        path = self.older(machine="an abacus", faster=0.001)
        self.assertIn("another machine: an abacus", self.ok(*self.WORDS, "--compare", path).text)

"""record, replay, verify, and inspect of what they leave."""

import fcntl
import json
import os
import re
import signal
import threading
import time

from sandbox import Case


class Record(Case):
    def test_record_then_replay_gives_the_same_events(self):
        self.make_journaled()
        self.ok("pub", "s", "--size", "100", "-n", "1000", "--type", "5")
        live = self.ok("tail", "s", "-e", "--format", "digest").text
        ran = self.record_all()
        self.assertEqual(ran.text, "")
        self.assertIn("backend ", ran.errors)
        self.assertIn("recorded 1,000 events, durable below sequence 1000", ran.errors)
        self.assertEqual(self.ok("replay", "s", "--speed", "max", "--format", "digest").text, live)
        summary = self.ok("inspect", self.journal_of(), "--json").json
        self.assertEqual((summary["kind"], summary["stream"]), ("journal", "s"))
        self.assertEqual((summary["first_seq"], summary["end_seq"]), (0, 1000))
        self.assertTrue(summary["clean_close"])
        self.assertIsNone(summary["writer_pid"])
        self.assertTrue(self.ok("verify", "s", "--json").json["sound"])

    def test_record_prints_json_lines(self):
        self.make_journaled()
        self.ok("pub", "s", "x")
        process = self.start_recorder("--json")
        self.wait_until("durability", lambda: self.reader("journal")["seq"] == 1)
        lines = self.end(process).json_lines
        self.assertEqual((lines[0]["event"], lines[0]["first_seq"]), ("started", 0))
        self.assertIn(lines[0]["backend"], ("io_uring", "pwrite"))
        self.assertTrue(lines[0]["backend_reason"])
        self.assertEqual((lines[-1]["event"], lines[-1]["durable_seq"], lines[-1]["clean"]),
                         ("ended", 1, True))

    def test_record_works_without_io_uring(self):
        self.make_journaled()
        self.ok("pub", "s", "x", "-n", "100")
        process = self.start_recorder("--backend", "pwrite", "--buffered", "--sync", "interval=1ms")
        self.wait_until("durability", lambda: self.reader("journal")["seq"] == 100)
        self.assertIn("backend pwrite", self.end(process).errors)
        self.assertEqual(len(self.payloads("replay", "s", "--speed", "max")), 100)

    def test_record_killed_goes_on_in_its_successor(self):
        self.make_journaled()
        for part in range(3):
            self.ok("pub", "s", "--size", "64", "-n", "200", "--type", part)
            process = self.start_recorder()
            self.wait_until("some durability", lambda: self.reader("journal")["seq"] > part * 200)
            self.kill(process)
            self.assertEqual(self.reader("journal")["state"], "STOPPED")
        live = self.ok("tail", "s", "-e", "--format", "digest").text
        self.record_all()
        self.assertEqual(self.ok("replay", "s", "--speed", "max", "--format", "digest").text, live)
        self.ok("verify", "s")

    def test_record_shows_its_status_on_a_terminal(self):
        self.make_journaled()
        self.ok("pub", "s", "x")
        publisher = self.start("pub", "s", "y", "--repeat", "--rate", "100/s")
        self.wait_for_end(3)

        def remove_later():
            self.wait_until("durability", lambda: self.reader("journal")["seq"] > 150)
            self.run_any("rm", "s", "--yes", "--force")

        remover = threading.Thread(target=remove_later)
        remover.start()
        code, shown = self.on_terminal("record", "s", "--segment", "1MiB")
        remover.join()
        self.assertEqual(code, 0, shown)
        self.assertRegex(shown, r"\r[^\n]*durable below #\d+")
        self.assertIn("stream 's' was removed", shown)
        self.assertIn("the journal is closed", shown)
        publisher.wait(timeout=60)
        self.assertEqual(publisher.returncode, 4)

    def test_record_into_a_named_directory(self):
        self.make()
        self.ok("pub", "s", "x")
        process = self.start("record", "s", "--segment", "1MiB", "--to", self.work / "elsewhere")
        self.wait_until("the journal", lambda: (self.reader("journal") or {}).get("seq") == 1)
        self.end(process)
        self.assertEqual(self.payloads("replay", self.work / "elsewhere"), ["x"])

    def test_pub_durable_waits_for_a_recorder_that_is_just_starting(self):
        self.make_journaled()
        publisher = self.start("pub", "s", "x", "--durable", "--timeout", "60s")
        process = self.start_recorder()
        self.end(publisher, by=None)
        self.assertGreaterEqual(self.reader("journal")["seq"], 1)
        self.end(process)

    def test_pub_durable_waits_for_the_journal(self):
        self.make_journaled()
        process = self.start_recorder()
        report = self.ok("pub", "s", "x", "y", "--durable", "--json").json
        self.assertTrue(report["durable"])
        self.assertGreaterEqual(self.reader("journal")["seq"], 2)
        self.assertIn("durable", self.ok("pub", "s", "z", "--durable", "--timeout", "50s").text)
        self.end(process)


class Restart(Case):
    def test_restart_continues_the_sequence_after_the_ring_is_gone(self):
        self.make_journaled()
        self.ok("pub", "s", "before", "before too")
        self.record_all()
        self.ok("rm", "s", "--yes")
        again = self.ok("create", "s", "--capacity", "1MiB", "--journal", "--json").json
        self.assertEqual(again["first_seq"], 2)
        self.ok("pub", "s", "after")
        self.record_all()
        lines = self.ok("replay", "s", "--json").json_lines
        self.assertEqual([(line["seq"], line["data"]) for line in lines],
                         [(0, "before"), (1, "before too"), (2, "after")])


class Replay(Case):
    def setUp(self):
        super().setUp()
        self.make_journaled()

    def fill(self, *words):
        self.ok("pub", "s", *words)
        self.record_all()

    def test_replay_positions(self):
        self.fill("a", "b", "c", "d", "e")
        times = [line["time_ns"] for line in self.ok("replay", "s", "--json").json_lines]
        for words, expected in (((), "abcde"), (("--from", "2"), "cde"), (("--from", "5"), ""),
                                (("--from", "-2"), "de"), (("--from", "+1", "--to", "-1"), "bcd"),
                                (("--to", "2"), "ab"), (("--from", "@" + times[3]), "de"),
                                (("--to", "@" + times[3]), "abc"), (("--from", "@-1h"), "abcde"),
                                (("--from", "end"), ""), (("-n", "2"), "ab")):
            shown = "".join(self.payloads("replay", "s", "--speed", "max", *words))
            self.assertEqual(shown, expected, words)

    def test_replay_takes_a_directory_and_a_type(self):
        self.ok("pub", "s", "one", "--type", "1")
        self.fill("two", "--type", "2")
        self.assertEqual(self.payloads("replay", self.journal_of(), "--type", "2"), ["two"])

    def test_replay_keeps_its_pace(self):
        self.fill("x", "-n", "5", "--rate", "20/s")
        times = [int(line["time_ns"])
                 for line in self.ok("replay", "s", "--speed", "max", "--json").json_lines]
        span_s = (times[-1] - times[0]) / 1e9
        self.make(stream="copy")
        for speed, words in ((1, ("--into", "copy")), (1, ("--speed", "1x")),
                             (2, ("--speed", "2x")), (0.5, ("--speed", "0.5x"))):
            begin = time.monotonic()
            ran = self.ok("replay", "s", *words)
            self.assertGreaterEqual(time.monotonic() - begin, 0.99 * span_s / speed)
            self.assertRegex(ran.errors,
                             rf"at {speed}x, late by .* \(p50\), .* \(p99\), .* at most")
        # To a screen or a pipe without pauses.
        self.assertNotIn("late by", self.ok("replay", "s").errors)

    def test_replay_cuts_idle_times(self):
        self.fill("x", "y", "--rate", "1/s")
        self.make(stream="copy")
        # The pause that is cut is a quarter of an hour: uncut, this would not end in time.
        report = self.ok("replay", "s", "--into", "copy", "--speed", "0.001x", "--gap-cap", "10ms",
                         "--json").json
        self.assertEqual(report["events"], 2)
        self.assertGreaterEqual(int(report["elapsed_ns"]), 10 * 10**6)

    def test_replay_into_a_stream(self):
        self.ok("pub", "s", "with a key", "--key", "77")
        self.fill("--size", "50", "-n", "500", "--type", "3")
        self.make(stream="copy")
        report = self.ok("replay", "s", "--into", "copy", "--speed", "max", "--json").json
        self.assertEqual((report["events"], report["lost_events"]), (501, 0))
        self.assertEqual((report["first_seq"], report["next_seq"]), (0, 501))
        self.assertEqual(self.ok("tail", "copy", "-e", "--format", "digest").text,
                         self.ok("replay", "s", "--speed", "max", "--format", "digest").text)
        original = self.ok("replay", "s", "-n", "1", "--json").json
        copy = self.ok("tail", "copy", "-n", "1", "--from", "start", "--json").json
        self.assertEqual(copy["key"], "77")
        self.assertEqual(copy["event_time_ns"], original["time_ns"])

    def test_replay_follows_a_running_journal(self):
        recorder = self.start_recorder()
        self.ok("pub", "s", "first", "--durable")
        follower = self.start("replay", "s", "--follow", "--format", "raw")
        self.assertEqual(self.read_line(follower), "first")
        self.ok("pub", "s", "second")
        self.assertEqual(self.read_line(follower), "second")
        self.end(follower)
        self.end(recorder)

    def test_replay_ends_at_what_was_there(self):
        recorder = self.start_recorder()
        self.ok("pub", "s", "first", "--durable")
        self.make(stream="copy")
        self.ok("replay", "s", "--into", "copy", "--speed", "max")
        self.assertEqual(self.end_sequence("copy"), 1)
        self.end(recorder)

    def test_replay_into_its_own_stream_is_refused(self):
        self.fill("x", "y")
        for journal in ("s", self.journal_of()):
            self.refused(2, "replay", journal, "--into", "s", names=["s"])
        self.assertEqual(self.end_sequence(), 2)

    def test_replay_in_rounds_moves_event_times_on(self):
        self.fill("a", "b", "c")
        self.make(stream="copy")
        report = self.ok("replay", "s", "--into", "copy", "--speed", "max", "--loop", "3",
                         "--json").json
        self.assertEqual((report["events"], report["rounds"]), (9, 3))
        copies = self.ok("tail", "copy", "-e", "--json").json_lines
        times = [int(line["event_time_ns"]) for line in copies]
        self.assertEqual(len(times), 9)
        self.assertEqual(times, sorted(times))
        self.assertGreater(times[3], times[2])
        self.assertEqual(self.payloads("tail", "copy", "-e"), list("abc" * 3))
        self.assertEqual(self.payloads("replay", "s", "--loop", "2"), list("abcabc"))
        # Without an end it goes on until it is told to stop.
        endless = self.start("replay", "s", "--loop", "0", "--format", "raw")
        for letter in "abcabcabc":
            self.assertEqual(self.read_line(endless), letter)
        endless.stdout.close()
        self.assertEqual(endless.wait(timeout=60), 0)
        self.refused(2, "replay", "s", "--loop", "2", "--follow", names=["--follow"])

    def test_replay_with_new_times_or_the_original_ones(self):
        self.fill("x")
        self.make(stream="copy")
        self.ok("replay", "s", "--into", "copy", "--times", "new")
        self.ok("replay", "s", "--into", "copy", "--times", "original")
        first, second = self.ok("tail", "copy", "-e", "--json").json_lines
        self.assertIsNone(first.get("event_time_ns"))
        self.assertEqual(second["event_time_ns"],
                         self.ok("replay", "s", "--json").json["time_ns"])
        self.refused(2, "replay", "s", "--times", "new", names=["--into"])

    def test_replay_chooses_by_types_and_keys(self):
        self.ok("pub", "s", "a1", "--type", "1", "--key", "7")
        self.ok("pub", "s", "b1", "--type", "2", "--key", "7")
        self.fill("c1", "--type", "1", "--key", "eight")
        self.assertEqual(self.payloads("replay", "s", "--type", "1"), ["a1", "c1"])
        self.assertEqual(self.payloads("replay", "s", "--type", "1", "--type", "2"),
                         ["a1", "b1", "c1"])
        self.assertEqual(self.payloads("replay", "s", "--key", "7"), ["a1", "b1"])
        self.assertEqual(self.payloads("replay", "s", "--key", "eight", "--key", "7", "--type",
                                       "1"), ["a1", "c1"])

    def test_replay_interrupted_is_130(self):
        self.fill("x", "y", "--rate", "1/s")
        replay = self.start("replay", "s", "--speed", "0.001x", "--format", "raw")
        self.assertEqual(self.read_line(replay), "x")
        self.end(replay, by=signal.SIGINT, code=130)

    def test_replay_ends_well_when_the_pipe_is_closed(self):
        self.fill("--size", "1KiB", "-n", "900")
        replay = self.start("replay", "s", "--speed", "max", "--format", "raw")
        self.read_line(replay)
        replay.stdout.close()
        self.assertEqual(replay.wait(timeout=60), 0)

    def test_replay_reports_a_gap_of_the_journal_with_3(self):
        self.ok("rm", "s", "--yes")
        self.make("--capacity", "64KiB", "--max-event", "4KiB", "--journal")
        self.ok("pub", "s", "kept")
        self.record_all()
        # Nobody records while the ring is lapped.
        self.ok("pub", "s", "--size", "1KiB", "-n", "500")
        ran = self.end(self.start_recorder(), code=3)
        self.assertIn("lost before they were journaled", ran.errors)
        shown = self.run_any("replay", "s", "--speed", "max", "--json")
        self.assertEqual(shown.code, 3, shown)
        sequence = 0
        for line in shown.json_lines:
            self.assertEqual(line.get("gap_first_seq", line.get("seq")), sequence)
            sequence += line.get("gap_events", 1)
        self.assertEqual(sequence, 501)
        report = self.ok("verify", "s", "--json").json
        self.assertEqual(report["gaps"], 1)


class Look(Case):
    def setUp(self):
        super().setUp()
        self.make_journaled()
        self.ok("pub", "s", "zero", "one", "two", "--type", "4")
        self.record_all()

    def test_inspect_prints_one_event_of_ring_or_journal(self):
        from_ring = self.ok("inspect", "s", "--record", "1", "--json").json
        self.assertEqual((from_ring["seq"], from_ring["data"]), (1, "one"))
        self.assertIn("6f 6e 65", self.ok("inspect", "s", "--record", "1", "--hex").text)
        self.ok("rm", "s", "--yes")
        self.assertEqual(self.ok("inspect", "s", "--record", "1", "--json").json, from_ring)
        self.assertEqual(self.ok("inspect", self.journal_of(), "--record", "1", "--json").json,
                         from_ring)

    def test_inspect_describes_segments(self):
        segments = self.ok("inspect", self.journal_of(), "--segments", "--json").json["segments"]
        self.assertEqual(segments[0]["path"], str(self.segments_of()[0]))
        self.assertEqual((segments[0]["first_seq"], segments[0]["end_seq"]), (0, 3))
        one = self.ok("inspect", self.segments_of()[0], "--json").json
        self.assertEqual((one["kind"], one["state"]), ("segment", segments[0]["state"]))
        self.assertRegex(self.ok("inspect", self.journal_of(), "--segments").text,
                         r"(?m)^ *1  \w+ +0 +3 ")

    def test_inspect_describes_a_stream(self):
        publisher = self.start("pub", "s", "x", "--repeat", "--rate", "1/s", "--name", "ticker")
        self.wait_for_end(4)
        stream = self.ok("inspect", "s", "--json").json
        self.assertEqual((stream["kind"], stream["end_seq"] >= 4), ("stream", True))
        self.assertEqual([(one["name"], one["pid"], one["alive"]) for one in stream["publishers"]],
                         [("ticker", publisher.pid, True)])
        self.assertEqual((stream["journal"]["state"], stream["journal"]["durable_seq"]),
                         ("stopped", 3))
        self.assertIn("ticker", self.ok("inspect", "s").text)
        by_path = self.ok("inspect", self.rings / "s", "--json").json
        self.assertEqual(by_path["id"], stream["id"])
        self.end(publisher)

    def test_repair_shows_its_plan_and_acts_only_when_asked(self):
        self.assertIn("nothing to repair", self.ok("repair", "s").text)
        self.record_all()  # another segment behind the damaged one
        before = len(self.segments_of())
        recorder = self.start_recorder()
        # It has its role in the ring a moment before it has the journal.
        self.wait_until("the journal to be opened", lambda: len(self.segments_of()) > before)
        segment = self.segments_of()[0]
        data = segment.read_bytes()
        self.patch(segment, data.index(b"one"), b"0ne")
        damaged = segment.read_bytes()
        shown = self.run_any("repair", "s")
        self.assertEqual(shown.code, 3, shown)
        self.assertRegex(shown.text, r"1\. mend_batches .*\n +bytes \[4096, 8192\) of .*\n"
                                     r" +lost: 3 events, \[0, 3\)\n +kept as ")
        self.assertIn("nothing has been changed", shown.text)
        self.assertEqual(segment.read_bytes(), damaged)
        self.refused(13, "repair", "s", "--apply", names=[self.journal_of()])
        self.end(recorder)
        done = self.ok("repair", "s", "--apply", "--json")
        step = done.json["steps"][0]
        self.assertEqual((done.json["applied"], done.json["lost_events"]), (True, 3))
        self.assertEqual((step["kind"], step["first_seq"], step["end_seq"]),
                         ("mend_batches", 0, 3))
        with open(step["kept"], "rb") as kept:
            self.assertEqual(kept.read(), damaged)
        self.ok("verify", "s")
        lines = self.run_any("replay", "s", "--speed", "max", "--json").json_lines
        self.assertEqual([(one["gap_first_seq"], one["gap_events"]) for one in lines], [(0, 3)])
        self.assertIn("nothing to repair", self.ok("repair", "s", "--apply").text)

    def test_compress_makes_sealed_segments_smaller_and_nothing_else(self):
        if self.run_any("compress", "s").code == 1:
            self.skipTest("this build has no zstd")
        self.assertIn("nothing to compress", self.ok("compress", "s").text)
        self.ok("pub", "s", "the same again and again", "-n", "5000")
        self.record_all()
        self.record_all()
        before = self.ok("replay", "s", "--speed", "max", "--format", "digest").text
        bench = self.ok("bench", "compress", "s", "--json").json
        self.assertGreater(bench["ratio"], 1)
        self.assertGreater(bench["read_compressed_events_per_s"], 0)
        self.assertEqual([one.name for one in self.journals.iterdir()], ["s"])
        report = self.ok("compress", "s", "--level", "6", "--json").json
        self.assertGreaterEqual(report["compressed_segments"], 1)
        self.assertLess(report["stored_bytes"], report["raw_bytes"])
        self.assertEqual(self.ok("replay", "s", "--speed", "max", "--format", "digest").text,
                         before)
        self.ok("verify", "s")
        self.assertEqual(self.payloads("replay", "s", "--speed", "max", "--from", "4000",
                                       "-n", "1"), ["the same again and again"])
        # The header of a compressed segment stands twice.
        self.patch(self.segments_of()[1], 100, b"?")
        self.assertEqual(self.run_any("verify", "s").code, 3)
        self.assertIn("no event is lost", self.ok("repair", "s", "--apply").text)
        self.assertEqual(self.ok("replay", "s", "--speed", "max", "--format", "digest").text,
                         before)
        self.refused(2, "compress", "s", "--level", "77")
        self.refused(4, "compress", "nobody", names=["nobody"])

    def test_verify_says_the_same_with_any_number_of_jobs(self):
        alone = self.ok("verify", "s", "--jobs", "1", "--json").json
        self.assertEqual(self.ok("verify", "s", "-j", "7", "--json").json, alone)
        self.assertEqual(self.ok("verify", "s").errors, "")  # no bar where nobody looks
        self.refused(2, "verify", "s", "--jobs", "0")
        self.refused(2, "verify", "s", "--jobs", "many")

    def test_verify_of_several(self):
        self.make(stream="sound")
        self.make_journaled(stream="other")
        self.ok("pub", "other", "x")
        self.record_all("other")
        # A stream without a journal, and what is none, isn't meant by a pattern.
        (self.journals / "letters").mkdir()
        reports = self.ok("verify", "*", "--json").json_lines
        self.assertEqual([report["journal"] for report in reports],
                         [str(self.journal_of(stream)) for stream in ("other", "s")])
        self.assertEqual(self.ok("verify", "s", self.journal_of("other")).text.count("sound:"), 2)
        self.refused(4, "verify", "x*", names=["no journal", "'x*'"])
        self.refused(4, "verify", "s", "nobody", names=["nobody"])
        segment = self.segments_of("other")[0]
        self.patch(segment, segment.stat().st_size // 2, b"\x07")
        self.patch(segment, 80, b"\x07")
        ran = self.run_any("verify", "other", "s")
        self.assertEqual(ran.code, 3, ran)
        self.assertRegex(ran.text, r"(?s)damaged.*\n\njournal .*sound:")

    def test_verify_shows_a_bar_on_a_terminal(self):
        # Under this lease whoever opens the file waits for the holder, who is sent a signal.
        before = signal.signal(signal.SIGIO, lambda *_: None)
        self.addCleanup(signal.signal, signal.SIGIO, before)
        journal = self.work / ("deep-" * 20) / "journal"
        journal.parent.mkdir()
        self.journal_of().rename(journal)
        segment = next(journal.glob("*.seg"))
        held = os.open(segment, os.O_RDONLY | os.O_CLOEXEC)
        self.addCleanup(os.close, held)
        try:
            fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError as refusal:
            self.skipTest(f"no lease is to be had on this file system: {refusal}")

        def hold_it_up():
            self.wait_until("verify to open the segment",
                            lambda: fcntl.fcntl(held, fcntl.F_GETLEASE) != fcntl.F_WRLCK)
            # What takes no second shows no bar.
            shown_from = time.monotonic() + 1
            self.wait_until("a second to pass", lambda: time.monotonic() > shown_from)
            fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_UNLCK)

        # Meanwhile Ctrl-C ends another one at once, as a shell's 130.
        interrupted = self.start("verify", journal)
        self.wait_until("it to open the segment",
                        lambda: fcntl.fcntl(held, fcntl.F_GETLEASE) != fcntl.F_WRLCK)
        self.end(interrupted, by=signal.SIGINT, code=-signal.SIGINT)
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        holder = threading.Thread(target=hold_it_up)
        holder.start()
        code, shown = self.on_terminal("verify", journal)
        holder.join()
        self.assertEqual(code, 0, shown)
        # It goes before the report comes.
        self.assertRegex(shown, r"\rverifying[^\n]*\[#*-*\] +\d+%[^\n]*\r\033\[Kjournal ")
        # How far it is is to be seen, however long the path; and a line that reached the edge
        # couldn't be taken away.
        bars = re.findall(r"\r(verifying[^\r\033]*)", shown)
        self.assertLess(max(map(len, bars)), 80, bars)
        self.assertTrue(all(bar.endswith(" left") for bar in bars), bars)

    def test_verify_finds_a_damaged_byte(self):
        self.assertIn("sound", self.ok("verify", self.journal_of()).text)
        segment = self.segments_of()[0]
        data = segment.read_bytes()
        self.patch(segment, data.index(b"one"), b"0ne")
        ran = self.run_any("verify", "s")
        self.assertEqual(ran.code, 3, ran)
        self.assertRegex(ran.text, r"(?m)^DAMAGE .*damaged_batch")
        report = self.run_any("verify", "s", "--json").json
        self.assertFalse(report["sound"])
        finding = next(one for one in report["findings"] if one["damage"])
        self.assertEqual((finding["segment"], finding["first_seq"]), (1, 0))
        self.refused(3, "replay", "s", "--speed", "max", names=[str(self.journal_of())])
        error = json.loads(self.run_any("replay", "s", "--json").errors)["error"]
        self.assertEqual(error["code"], "corrupt")


class Bench(Case):
    def test_bench_journal_runs_every_row_and_reads_all_back(self):
        # Rows that flush: their time is the disk's, and that of who else uses it.
        report = self.ok("bench", "journal", "--quick", "--json", deadline_s=280).json
        self.assertTrue(report["verified"])
        self.assertEqual(sorted(report["rows"]),
                         ["ack", "bulk", "first_lap", "group", "latency", "latency_beside",
                          "many", "recovery", "replay", "seek", "small"])
        seek = report["rows"]["seek"]
        # None: a kernel that doesn't count them.
        self.assertIn((seek["reads_first"], seek["reads_later"]), [(3, 2), (None, None)])
        self.assertGreater(report["rows"]["bulk"]["ratio"]["median"], 0)
        self.assertTrue(report["rows"]["ack"]["durable_write"])

    def test_bench_journal_runs_the_rows_that_it_is_asked_for(self):
        report = self.ok("bench", "journal", "--quick", "--rows", "ack,replay", "--json",
                         deadline_s=280).json
        self.assertEqual(sorted(report["rows"]), ["ack", "replay"])

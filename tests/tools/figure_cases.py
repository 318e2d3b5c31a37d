"""The figures that lag and inspect show: statistics, who holds publishers up."""

import os
import signal

from sandbox import Case

SMALL = ("--capacity", "64KiB")  # 2048 events of eight bytes


class Figures(Case):
    def inspect(self, stream="s"):
        return self.ok("inspect", stream, "--json").json

    def test_inspect_counts_by_slot_and_in_all(self):
        self.make("--capacity", "1MiB", "--single")
        reader = self.start("tail", "s", "--policy", "gate", "--name", "r", "--from", "start")
        self.wait_for_reader("r")
        self.ok("pub", "s", "x", "-n", "7")
        self.wait_until("seven events read", lambda: self.reader("r")["seq"] == 7)
        document = self.inspect()
        counts = document["readers"][0]["counts"]
        self.assertEqual((counts["events"], counts["bytes"]), (7, 7 * 32))
        self.assertIsInstance(counts["sleep_ns"], str)
        self.assertEqual(document["all_publishers"]["events"], 7)
        self.assertEqual(document["ring_bytes_written"], 7 * 32)
        self.assertEqual((document["publisher_attaches"], document["reader_attaches"]), (1, 1))
        self.wait_until("the reader to sleep",
                        lambda: self.inspect()["readers"][0]["counts"]["sleeps"] > 0)
        text = self.ok("inspect", "s").text
        self.assertRegex(text, r"(?m)^PUBLISHER +EVENTS +RING-BYTES .* EVICTED$")
        self.assertRegex(text, r"(?m)^all 1 +7 +224 B ")
        self.assertRegex(text, r"(?m)^r +7 +224 B +0 ")
        self.end(reader)
        self.assertEqual(self.inspect()["all_readers"]["events"], 7)

    def test_a_count_of_zero_is_nothing(self):
        self.make(*SMALL)
        self.ok("pub", "s", "x", "-n", "0")
        self.ok("pub", "s", "--size", "8", "-n", "0")
        self.ok("sample", "s", "-n", "0")
        self.assertEqual(self.inspect()["end_seq"], 0)
        self.ok("pub", "s", "x")
        self.assertEqual(self.ok("tail", "s", "--from", "start", "-n", "0").text, "")

    def test_inspect_counts_losses(self):
        self.make(*SMALL)
        reader = self.start("tail", "s", "--name", "late", "--policy", "skip", "--delay", "1h",
                            "--from", "start")
        self.wait_for_reader("late")
        self.ok("pub", "s", "x")
        self.wait_until("the first event to be read", lambda: self.reader("late")["seq"] == 1)
        self.kill(reader)
        self.ok("pub", "s", "x", "-n", "5000")
        ran = self.ok("tail", "s", "-e", "--policy", "skip", "--from", "start", "--format", "raw")
        self.assertEqual(self.inspect()["all_readers"]["events"], 1 + len(ran.lines))

    def test_lag_names_who_holds_a_publisher_up(self):
        self.make(*SMALL)
        reader = self.start("tail", "s", "--policy", "gate", "--name", "stuck", "--delay", "1h")
        self.wait_for_reader("stuck")
        self.assertEqual(self.ok("lag", "s", "--json").json["holders"], [])
        publisher = self.start("pub", "s", "x", "-n", "3000", "--name", "feed")

        def held():
            holders = self.ok("lag", "s", "--json").json["holders"]
            return holders if holders and holders[0]["held_up"] else None

        holder = self.wait_until("the publisher to be held up", held)[0]
        self.assertEqual(
            list(holder), ["stream", "kind", "slot", "name", "pid", "room_bytes", "held_up"])
        self.assertEqual((holder["kind"], holder["name"], holder["pid"]),
                         ("reader", "stuck", reader.pid))
        self.assertLess(holder["room_bytes"], 64)
        self.assertEqual(list(holder["held_up"][0]),
                         ["publisher", "pid", "held_ns", "by_kind", "by_slot"])
        self.assertEqual(holder["held_up"][0]["publisher"], "feed")
        self.assertGreater(int(holder["held_up"][0]["held_ns"]), 0)
        text = self.ok("lag", "s").text
        self.assertRegex(
            text, rf"s: publisher 'feed' \(pid {publisher.pid}\) has been held up for [\d.]+ \w+ "
                  rf"by reader 'stuck' \(pid {reader.pid}\)")
        self.assertRegex(text, rf"s: reader 'stuck' \(pid {reader.pid}\) holds publishers back: "
                               r"room for \d+ B is left")

        def counts():
            return self.inspect()["publishers"][0]["counts"]

        self.wait_until("the publisher to sleep", lambda: counts()["sleeps"] > 0)
        self.assertGreater(counts()["refused_claims"], 0)
        self.kill(reader)
        self.end(publisher, by=None)
        self.assertEqual(self.ok("lag", "s", "--json").json["holders"], [])

    def test_lag_shows_no_control_characters_of_a_holder(self):
        self.make(*SMALL)
        reader = self.start("tail", "s", "--policy", "gate", "--name", "a\033[2J", "--delay", "1h")
        self.wait_for_reader("a\033[2J")
        self.start("pub", "s", "x", "-n", "3000", "--name", "b\033[2J")
        self.wait_until("a held publisher",
                        lambda: "has been held up" in self.ok("lag", "s").text)
        self.assertNotIn("\033", self.ok("lag", "s").text)
        self.kill(reader)

    def test_tail_that_may_be_evicted_is_told_so(self):
        self.make(*SMALL)
        reader = self.start("tail", "s", "--policy", "evict", "--evict-after", "20ms", "--name",
                            "silent", "--from", "start", "--format", "raw")
        self.wait_for_reader("silent")
        self.assertEqual(self.reader("silent")["policy"], "evict")
        self.assertFalse(self.reader("silent")["evicted"])
        os.kill(reader.pid, signal.SIGSTOP)
        self.ok("pub", "s", "x", "-n", "5000")
        self.assertTrue(self.reader("silent")["evicted"])
        self.assertRegex(self.ok("lag", "s").text, r"(?m)^s +silent +\d+ +evicted ")
        os.kill(reader.pid, signal.SIGCONT)
        self.wait_until("the reader to go on", lambda: self.reader("silent")["seq"] == 5000)
        document = self.inspect()
        self.assertEqual(document["evicted_readers"], 1)
        self.assertEqual(document["readers"][0]["counts"]["evictions"], 1)
        self.assertEqual(document["all_publishers"]["evicted_readers"], 1)
        ran = self.end(reader, code=3)
        self.assertIn("'silent' was evicted from 's' at sequence 0", ran.errors)
        lost = self.inspect()["all_readers"]["lost_events"]
        self.assertGreater(lost, 0)
        self.assertEqual(len([line for line in ran.lines if line == "x"]) + lost, 5000)

    def test_tail_evict_after_wants_its_policy_and_a_sound_time(self):
        self.make()
        self.refused(2, "tail", "s", "--policy", "gate", "--evict-after", "2s",
                     names=["--evict-after", "gate"])
        self.refused(2, "tail", "s", "--policy", "evict", "--evict-after", "0s",
                     names=["0 ns"])
        self.refused(2, "tail", "s", "--policy", "evict", "--evict-after", "soon",
                     names=["soon"])

    def test_tail_filters_by_type_key_and_partition(self):
        self.make()
        for number in range(1, 9):
            self.ok("pub", "s", f"e{number}", "--type", str(number % 3), "--key", str(number))
        self.ok("pub", "s", "named", "--key", "EURUSD")
        self.ok("pub", "s", "keyless", "--type", "2")
        tail = ("tail", "s", "-e")
        self.assertEqual(self.payloads(*tail, "--type", "1"), ["e1", "e4", "e7"])
        self.assertEqual(self.payloads(*tail, "--type", "1", "--type", "2"),
                         ["e1", "e2", "e4", "e5", "e7", "e8", "keyless"])
        self.assertEqual(self.payloads(*tail, "--key", "3", "--key", "EURUSD"), ["e3", "named"])
        self.assertEqual(self.payloads(*tail, "--partition", "1/4", "--key", "1", "--key", "5",
                                       "--key", "6"), ["e1", "e5"])
        self.assertEqual(self.payloads(*tail, "--type", "2", "--partition", "0/2"), ["e2", "e8"])
        self.assertEqual(
            self.payloads("tail", "s", "--from", "start", "--to", "3", "--type", "77"), [])

    def test_tail_bad_filters_are_2(self):
        self.make()
        for partition in ("4/4", "1", "a/b", "1/0", "/", "-1/4"):
            self.refused(2, "tail", "s", "--partition=" + partition, names=[partition])
        self.refused(2, "tail", "s", "--type", "65536", names=["65536"])

    def test_lag_shows_filters_and_latencies(self):
        self.make()
        self.make("--capacity", "1MiB", "--publish-time", "off", stream="timeless")
        readers = [self.start("tail", stream, "--policy", "gate", "--name", "r", "--from", "start",
                              "--type", "3") for stream in ("s", "timeless")]
        for stream in ("s", "timeless"):
            self.wait_for_reader("r", stream)
            self.assertIsNone(self.reader("r", stream)["latency"])
            self.ok("pub", stream, "x", "y", "--type", "3")
            self.ok("pub", stream, "z")
            self.wait_until("all to be read", lambda: self.reader("r", stream)["seq"] == 3)
        row = self.reader("r")
        self.assertEqual(row["filter"], "types 3")
        self.assertEqual(list(row["latency"]),
                         ["samples", "p50_ns", "p99_ns", "max_ns", "mean_ns", "ahead_samples"])
        self.assertIn(row["latency"]["samples"], (1, 2))
        self.assertGreater(int(row["latency"]["max_ns"]), 0)
        self.assertLessEqual(int(row["latency"]["p50_ns"]), int(row["latency"]["max_ns"]))
        self.assertIsNone(self.reader("r", "timeless")["latency"])
        counts = self.inspect()["readers"][0]["counts"]
        self.assertEqual((counts["events"], counts["filtered_events"]), (2, 1))
        self.assertRegex(self.ok("lag", "s").text, r"(?m) P50 +P99 +MAX +STATE$")
        for reader in readers:
            self.end(reader)

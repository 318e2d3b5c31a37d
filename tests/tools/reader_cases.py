"""tail and lag."""

import base64
import json
import re
import signal

from sandbox import Case

SMALL = ("--capacity", "64KiB", "--max-event", "4KiB")


class Tail(Case):
    def publish_letters(self):
        self.make()
        self.ok("pub", "s", stdin=b"a\nb\nc\nd\ne\n")

    def letters(self, *words):
        return "".join(self.payloads("tail", "s", "-e", *words))

    def test_tail_positions_by_sequence(self):
        self.publish_letters()
        for words, expected in (((), "abcde"), (("--from", "start"), "abcde"),
                                (("--from", "end"), ""), (("--from", "2"), "cde"),
                                (("--from", "5"), ""), (("--from", "+1"), "bcde"),
                                (("--from", "-2"), "de"), (("--from", "-99"), "abcde"),
                                (("--from", "#3"), "de"), (("--to", "2"), "ab"),
                                (("--to", "-1"), "abcd"), (("--from", "1", "--to", "3"), "bc"),
                                (("--from", "3", "--to", "3"), ""),
                                (("--from", "+1", "-n", "2"), "bc"), (("--to", "end"), "abcde")):
            self.assertEqual(self.letters(*words), expected, words)

    def test_ways_of_waiting(self):
        self.make()
        for wait in ("adaptive", "futex", "yield", "spin"):
            self.ok("pub", "s", wait, "--wait", wait)
            self.assertEqual(self.payloads("tail", "s", "--from", "-1", "-n", "1", "--wait", wait),
                             [wait])
        for verb in ("pub", "tail"):
            self.refused(2, verb, "s", "--wait", "for-ever", names=("--wait", "adaptive"))

    def test_tail_positions_by_time(self):
        self.make()
        for letter in "abc":
            self.ok("pub", "s", letter)
        events = self.ok("tail", "s", "-e", "--json").json_lines
        second = events[1]
        self.assertEqual(self.letters("--from", "@" + second["time_ns"]), "bc")
        self.assertEqual(self.letters("--from", "@" + second["time"]), "bc")
        self.assertEqual(self.letters("--to", "@" + second["time_ns"]), "a")
        self.assertEqual(self.letters("--from", "@-1h"), "abc")
        self.assertEqual(self.letters("--from", "@-1ns"), "")
        self.assertEqual(self.letters("--to", "@-1h"), "")
        # Without -e it ends too: the time has passed.
        self.assertEqual(self.payloads("tail", "s", "--from", "start", "--to", "@-1ns"),
                         ["a", "b", "c"])

    def test_tail_by_time_needs_times(self):
        self.make("--capacity", "64KiB", "--publish-time", "off")
        self.refused(2, "tail", "s", "--from", "@-1h", names=["s"])

    def test_tail_follows_live_until_it_is_told_to_stop(self):
        self.make()
        self.ok("pub", "s", "old")
        for policy in ("gate", "skip"):
            reader = self.start("tail", "s", "--policy", policy, "--name", policy,
                                "--format", "raw")
            self.wait_for_reader(policy)
            self.ok("pub", "s", f"new to {policy}")
            self.assertEqual(self.read_line(reader), f"new to {policy}")
            self.end(reader, by=signal.SIGINT)

    def test_tail_observer_leaves_no_trace(self):
        self.make()
        reader = self.start("tail", "s", "--from", "start", "--format", "raw")
        self.ok("pub", "s", "seen")
        self.assertEqual(self.read_line(reader), "seen")
        self.assertEqual(self.ok("lag", "s", "--json").json["readers"], [])
        self.end(reader)

    def test_tail_json_is_one_object_per_event(self):
        self.make()
        self.ok("pub", "s", 'say "hi"\t\\', "--type", "9")
        self.ok("pub", "s", stdin=b"\xff\x00\n")
        text, binary = self.ok("tail", "s", "-e", "--json").json_lines
        self.assertEqual(list(text),
                         ["stream", "seq", "time", "time_ns", "type", "size_bytes", "data"])
        self.assertEqual(text["data"], 'say "hi"\t\\')
        self.assertIsInstance(text["time_ns"], str)
        self.assertRegex(text["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")
        self.assertEqual(base64.b64decode(binary["data_b64"]), b"\xff\x00")
        self.assertNotIn("data", binary)

    def test_tail_text_is_safe_on_a_terminal(self):
        self.make()
        self.ok("pub", "s", stdin=b"\033[31mred\r\n")
        self.ok("pub", "s", "two\nlines")
        ran = self.ok("tail", "s", "-e")
        self.assertNotIn("\033", ran.text)
        self.assertEqual(len(ran.lines), 2, ran)
        self.assertIn("0x1b5b33316d7265640d", ran.lines[0])
        self.assertIn("two\\nlines", ran.lines[1])
        self.assertRegex(ran.lines[1], r"^\d\d:\d\d:\d\d\.\d{9}Z  #1  ")

    def test_tail_hex_and_digest(self):
        self.make()
        self.ok("pub", "s", "hello", "hello", "world", "--type", "3")
        self.assertIn("0000  68 65 6c 6c 6f ", self.ok("tail", "s", "-e", "--format", "hex").text)
        digests = [line.split() for line in self.ok("tail", "s", "-e", "--format", "digest").lines]
        self.assertEqual([digest[:3] for digest in digests],
                         [["0", "3", "5"], ["1", "3", "5"], ["2", "3", "5"]])
        self.assertEqual(digests[0][3], digests[1][3])
        self.assertNotEqual(digests[0][3], digests[2][3])

    def test_tail_chooses_by_type(self):
        self.make()
        for number in (1, 2, 1):
            self.ok("pub", "s", f"of {number}", "--type", number)
        self.assertEqual(self.payloads("tail", "s", "-e", "--type", "1"), ["of 1", "of 1"])

    def test_tail_ends_well_when_the_pipe_is_closed(self):
        self.make()
        self.ok("pub", "s", "first")
        busy = self.start("tail", "s", "--from", "start", "--format", "raw")
        self.assertEqual(self.read_line(busy), "first")
        busy.stdout.close()
        self.ok("pub", "s", "second")
        self.assertEqual(busy.wait(timeout=60), 0, "closed while events come")
        idle = self.start("tail", "s", "--from", "start", "--format", "raw")
        self.assertEqual(self.read_line(idle), "first")
        idle.stdout.close()
        self.assertEqual(idle.wait(timeout=60), 0, "closed while nothing comes")

    def test_tail_that_is_too_slow_is_told_the_exact_gap(self):
        self.make(*SMALL)
        reader = self.start("tail", "s", "--policy", "skip", "--name", "late", "--json")
        self.wait_for_reader("late")
        reader.send_signal(signal.SIGSTOP)
        self.ok("pub", "s", "--size", "1KiB", "-n", "1000")
        reader.send_signal(signal.SIGCONT)
        self.wait_until("its end", lambda: self.reader("late")["seq"] == 1000)
        self.wait_until("its lines", lambda: self.reader("late")["lost_events"] > 0)
        ran = self.end(reader, code=3)
        next_sequence = 0
        for line in ran.json_lines:
            if "gap_first_seq" in line:
                self.assertEqual(line["gap_first_seq"], next_sequence)
                next_sequence += line["gap_events"]
            else:
                self.assertEqual(line["seq"], next_sequence)
                next_sequence += 1
        self.assertEqual(next_sequence, 1000)

    def test_tail_that_gates_misses_nothing(self):
        self.make(*SMALL)
        reader = self.start("tail", "s", "--policy", "gate", "--name", "slow", "--rate", "2000/s",
                            "-n", "500", "--format", "digest")
        self.wait_for_reader("slow")
        self.ok("pub", "s", "--size", "1KiB", "-n", "500")
        ran = self.end(reader, by=None)
        self.assertEqual([int(line.split()[0]) for line in ran.lines], list(range(500)))

    def test_tail_timeout_is_5(self):
        self.make()
        self.refused(5, "tail", "s", "--timeout", "50ms", names=["s", "50.0 ms"])

    def test_tail_interrupted_before_its_end_is_130(self):
        self.make()
        reader = self.start("tail", "s", "-n", "5", "--policy", "gate", "--name", "r")
        self.wait_for_reader("r")
        self.end(reader, code=130)


class OneLog(Case):
    """What has left the ring is read from the journal, by whoever asks for it."""

    COUNT = 2000  # of 1 KiB, through a ring of 64 KiB

    def publish_many(self):
        self.make(*SMALL, "--journal")
        self.recorder = self.start_recorder()
        self.ok("pub", "s", "--size", "1KiB", "-n", self.COUNT)

    def sequences(self, *words):
        return [line["seq"] for line in self.ok("tail", "s", "-e", "--json", *words).json_lines]

    def test_one_log_every_position_reaches_into_the_journal(self):
        self.publish_many()
        everything = list(range(self.COUNT))
        self.assertEqual(self.sequences(), everything)
        self.assertEqual(self.sequences("--from", "@-1h"), everything)
        self.assertEqual(self.sequences("--from", "3", "--to", "7"), [3, 4, 5, 6])
        self.assertEqual(self.sequences("--from", "+1500", "-n", "2"), [1500, 1501])
        self.assertEqual(self.sequences("--from", "-1990", "-n", "1"), [10])
        self.assertEqual(self.sequences("--from", "-2"), [1998, 1999])
        self.assertEqual(self.sequences("--from", "start", "--durable"), everything)
        line = self.ok("tail", "s", "--from", "700", "-n", "1", "--json").json_lines[0]
        time_ns = line["time_ns"]
        self.assertEqual(self.sequences("--from", "@" + time_ns, "-n", "1"), [700])
        self.assertEqual(self.sequences("--to", "@" + time_ns), everything[:700])
        self.refused(12, "tail", "s", "--from", str(self.COUNT + 5), names=("s", "2005"))
        # The recorder goes, the journal stays.
        self.end(self.recorder)
        self.assertEqual(self.sequences("--from", "1234", "-n", "1"), [1234])

    def test_one_log_what_is_nowhere_is_refused_or_told(self):
        self.make(*SMALL, "--journal")
        self.ok("pub", "s", "--size", "1KiB", "-n", "500")
        self.refused(11, "tail", "s", "--from", "3", names=["s"])
        recorder = self.start_recorder()
        self.ok("pub", "s", "--size", "1KiB", "-n", "500")
        self.refused(11, "tail", "s", "--from", "3", names=["s"])
        first = self.sequences()[0]
        self.assertGreater(first, 3)
        self.end(recorder)

    def test_one_log_damage_is_an_error_or_an_exact_gap(self):
        self.make(*SMALL, "--journal")
        recorder = self.start_recorder()
        for payload in ("before", "damaged", "behind"):
            self.ok("pub", "s", payload, "--durable")
        self.ok("pub", "s", "--size", "1KiB", "-n", "500", "--durable")
        self.end(recorder)
        segment = self.segments_of()[0]
        self.patch(segment, segment.read_bytes().index(b"damaged"), b"D")
        for words in ((), ("--on-damage", "stop")):
            ran = self.run_any("tail", "s", "--from", "start", "-e", "--format", "raw", *words)
            self.assertEqual((ran.code, ran.lines), (3, ["before"]), ran)
            self.assertIn("events [1, ", ran.errors)
            self.assertIn("tail s --on-damage skip", ran.errors)
        ran = self.run_any("tail", "s", "--from", "start", "-e", "--json", "--on-damage", "skip")
        self.assertEqual(ran.code, 3, ran)
        gaps = [line for line in ran.json_lines if "gap_first_seq" in line]
        self.assertEqual([(gap["gap_first_seq"], gap["gap_events"], gap["gap_kind"])
                          for gap in gaps], [(1, 1, "lost")])
        self.assertEqual([line["seq"] for line in ran.json_lines if "seq" in line],
                         [0, *range(2, 503)])
        ran = self.run_any("tail", "s", "--from", "start", "-n", "2", "--on-damage", "skip")
        self.assertIn("1 events were journaled and are lost to damage: [1, 2)", ran.errors)
        self.assertEqual(self.payloads("tail", "s", "--from", "2", "-n", "1"), ["behind"])

    def test_one_log_a_slow_reader_spills_and_misses_nothing(self):
        self.make(*SMALL, "--journal")
        recorder = self.start_recorder()
        count = 1000  # whose lines fit into a pipe
        reader = self.start("tail", "s", "--policy", "spill", "--name", "late", "--format",
                            "digest", "-n", count)
        self.wait_for_reader("late")
        reader.send_signal(signal.SIGSTOP)
        self.ok("pub", "s", "--size", "1KiB", "-n", count - 1)
        self.assertEqual(self.reader("late")["seq"], 0)
        reader.send_signal(signal.SIGCONT)
        self.wait_until("it to be there", lambda: self.reader("late")["seq"] == count - 1)
        self.wait_until("it to be in the ring", lambda: self.reader("late")["source"] == "ring")
        self.assertEqual(self.reader("late")["lost_events"], 0)
        self.ok("pub", "s", "x")
        ran = self.end(reader, by=None)
        self.assertEqual([int(line.split()[0]) for line in ran.lines], list(range(count)))
        self.end(recorder)

    def test_one_log_lag_shows_who_spills(self):
        self.make(*SMALL, "--journal")
        recorder = self.start_recorder()
        reader = self.start("tail", "s", "--policy", "spill", "--name", "slow", "--rate", "20/s")
        self.wait_for_reader("slow")
        self.ok("pub", "s", "--size", "1KiB", "-n", str(self.COUNT))
        self.wait_until("it to spill", lambda: self.reader("slow")["source"] == "journal")
        row = self.reader("slow")
        self.assertEqual((row["policy"], row["state"]), ("spill", "SPILLING"))
        self.assertGreater(row["lag_events"], 100)
        self.assertRegex(self.ok("lag", "s").text, r"(?m)^s +slow .* spill .* SPILLING$")
        watch = self.start("lag", "s", "--reader", "slow", "--watch", "200ms", "--json")
        self.wait_until("it to catch up", lambda: json.loads(self.read_line(watch))["readers"][0][
            "state"] == "CATCHING-UP")
        ran = self.run_any("lag", "s", "--fail-above", "1h")
        self.assertEqual(ran.code, 6, ran)
        self.end(watch)
        self.end(reader)
        self.end(recorder)

    def test_one_log_spill_without_a_journal_or_a_recorder(self):
        self.make()
        self.refused(2, "tail", "s", "--policy", "spill", names=["s"])
        self.refused(2, "tail", "s", "--durable", names=["s"])
        self.make_journaled(stream="j")
        self.refused(18, "tail", "j", "--policy", "spill", names=["j"])

    def test_one_log_durable_waits_and_says_why(self):
        self.make_journaled()
        recorder = self.start_recorder()
        reader = self.start("tail", "s", "--from", "start", "--durable", "--format", "raw")
        self.ok("pub", "s", "one", "--durable")
        self.assertEqual(self.read_line(reader), "one")
        self.kill(recorder)
        self.ok("pub", "s", "two")
        self.assertIn("no journal writer runs", self.read_line(reader, reader.stderr))
        recorder = self.start_recorder()
        self.assertEqual(self.read_line(reader), "two")
        self.end(reader)
        self.end(recorder)


class Lag(Case):
    def test_lag_of_each_reader_in_events_bytes_and_time(self):
        self.make()
        reader = self.start("tail", "s", "--policy", "gate", "--name", "stuck", "--delay", "1h")
        self.wait_for_reader("stuck")
        self.ok("pub", "s", "x", "-n", "10")
        # It pauses after the first one.
        self.wait_until("the first event to be read", lambda: self.reader("stuck")["seq"] == 1)
        row = self.reader("stuck")
        self.assertEqual(
            list(row),
            ["stream", "reader", "pid", "policy", "source", "seq", "end_seq", "lag_events",
             "lag_bytes", "lag_ns", "read_events", "lost_events", "room_ratio", "latency",
             "filter", "evicted", "state", "urgency"])
        self.assertEqual((row["pid"], row["policy"]), (reader.pid, "gate"))
        self.assertEqual((row["end_seq"], row["lag_events"]), (10, 9))
        self.assertEqual(row["lag_bytes"], 9 * 32)
        self.assertIsInstance(row["lag_ns"], str)
        self.assertGreater(int(row["lag_ns"]), 0)
        old = self.wait_until("100 ms to pass", lambda: int(self.reader("stuck")["lag_ns"]) > 10**8)
        self.assertTrue(old)
        self.assertEqual(self.reader("stuck")["state"], "LAGGING")
        self.assertRegex(self.ok("lag", "s").text,
                         r"(?m)^s +stuck +\d+ +gate +1 +10 +9 +288 B +[\d.]+ \w+ .* LAGGING$")
        self.assertEqual(len(self.ok("lag", "--reader", "stuck").lines), 2)

    def test_lag_fail_above_is_6(self):
        self.make()
        reader = self.start("tail", "s", "--policy", "gate", "--name", "stuck", "--delay", "1h")
        self.wait_for_reader("stuck")
        self.ok("lag", "s", "--fail-above", "0ev")
        self.ok("pub", "s", "x", "-n", "10")
        self.wait_until("the first event to be read", lambda: self.reader("stuck")["seq"] == 1)
        self.ok("lag", "s", "--fail-above", "9ev")
        self.ok("lag", "s", "--fail-above", "10h")
        for limit in ("8ev", "1ns"):
            ran = self.run_any("lag", "s", "--fail-above", limit)
            self.assertEqual(ran.code, 6, ran)
            self.assertIn("s/stuck is ", ran.errors)
        watching = self.run_any("lag", "s", "--watch", "10ms", "--fail-above", "8ev")
        self.assertEqual(watching.code, 6, watching)
        self.kill(reader)

    def test_lag_shows_no_control_characters_of_names(self):
        self.make()
        name = "red\033[31m"
        reader = self.start("tail", "s", "--policy", "gate", "--name", name)
        self.wait_for_reader(name)
        self.assertIn("red?[31m", self.ok("lag", "s").text)
        self.assertNotIn("\033", self.ok("lag", "s").text)
        self.assertNotIn("\033", self.ok("inspect", "s").text)
        self.end(reader)

    def test_lag_names_the_journal_that_publishers_are_held_for(self):
        refused = self.run_any("create", "s", *SMALL, "--journal-missing", "hold")
        self.assertEqual(refused.code, 2, refused)
        self.assertIn("--journal --journal-missing hold", refused.errors)
        made = self.ok("create", "s", *SMALL, "--journal", "--journal-missing", "hold", "--json")
        self.assertEqual(made.json["journal_missing"], "hold")
        self.assertEqual(self.ok("ls", "--json").json["streams"][0]["journal_missing"], "hold")
        self.assertIn("stopped, hold", self.ok("ls").text)
        self.assertEqual(self.ok("inspect", "s", "--json").json["journal"]["missing"], "hold")
        self.assertIn("publishers wait while nobody records", self.ok("inspect", "s").text)

        full = self.run_any("pub", "s", "--size", "1KiB", "-n", "500", "--timeout", "50ms")
        self.assertEqual(full.code, 5, full)
        self.assertEqual(full.errors.count("nobody records stream 's': it waits when the ring is "
                                           "full; tailrace record s"), 1, full)
        waiting = self.start("pub", "s", "--size", "1KiB", "-n", "500")
        self.wait_until("it to be held", lambda: self.held_up())
        held = self.held_up()[0]
        self.assertEqual((held["by_kind"], held["by_slot"]), ("journal", None))
        ran = self.ok("lag", "s")
        self.assertRegex(ran.text, r"s: publisher 'pub' \(pid \d+\) has been held up for .* by the "
                                   r"journal, which nobody records \(tailrace record s\)")
        self.assertIn("publishers wait when it is full", ran.errors)
        self.assertEqual(self.run_any("lag", "s", "--fail-above", "1h").code, 6)
        self.assertEqual(self.reader("journal")["unrecorded_events"], 0)

        dropping = self.run_any("record", "s", "--journal-lag", "drop")
        self.assertEqual(dropping.code, 2, dropping)
        self.assertIn("--journal-missing hold", dropping.errors)
        recorder = self.start_recorder()
        self.end(waiting, by=None)
        self.wait_until("it to catch up", lambda: self.reader("journal")["lag_events"] == 0)
        self.end(recorder)
        # Every one, from the first on; what the first publisher could is there too.
        kept = self.end_sequence()
        self.assertGreater(kept, 500)
        report = self.ok("verify", "s", "--json").json
        self.assertEqual((report["sound"], report["events"]), (True, kept), report)

    def held_up(self):
        holders = self.ok("lag", "s", "--json").json["holders"]
        return holders[0]["held_up"] if holders else []

    def test_lag_a_stream_that_nobody_records_is_no_quiet_state(self):
        self.make(*SMALL, "--journal")
        self.end(self.start_recorder())
        said = self.ok("pub", "s", "--size", "1KiB", "-n", "10")
        self.assertEqual(said.errors.count("nobody records stream 's'"), 1, said)
        # Nothing has left the ring yet.
        ran = self.ok("lag", "s")
        self.assertRegex(ran.errors, r"s/journal: nobody records; the ring still holds 10 events "
                                     r"that no journal has, for about \d.*; tailrace record s")
        row = self.reader("journal")
        self.assertEqual((row["lost_events"], row["unrecorded_events"], row["state"]),
                         (0, 0, "STOPPED"))
        self.assertTrue(0.5 < row["room_ratio"] < 1, row)
        for limit in ("1000ev", "1h"):
            self.assertEqual(self.run_any("lag", "s", "--fail-above", limit).code, 6)

        self.ok("pub", "s", "--size", "1KiB", "-n", "500")
        row = self.reader("journal")
        self.assertGreater(row["unrecorded_events"], 400)
        self.assertEqual(row["lost_events"], row["unrecorded_events"])
        self.assertEqual(row["room_ratio"], 0)
        ran = self.run_any("lag", "s", "--fail-above", "1h")
        self.assertEqual(ran.code, 6, ran)
        self.assertIn("are lost already", ran.errors)
        listed = self.ok("ls", "--color", "always").text
        self.assertRegex(listed, r"\033\[31mstopped, \d+ lost")
        self.assertEqual(self.ok("ls", "--json").json["streams"][0]["unrecorded_events"],
                         row["unrecorded_events"])

        # A recorder that comes notes the loss, and all is quiet.
        recorder = self.start_recorder()
        self.wait_until("it to catch up", lambda: self.reader("journal")["lag_events"] == 0)
        after = self.reader("journal")
        self.assertEqual((after["unrecorded_events"], after["lost_events"]),
                         (0, row["lost_events"]))
        self.ok("lag", "s", "--fail-above", "1h")
        self.assertNotIn("nobody records", self.ok("pub", "s", "x", "--durable").errors)
        self.end(recorder, code=3)  # events were lost
        # All is recorded: a service that is started anew alarms nobody.
        self.ok("lag", "s", "--fail-above", "1h")

    def test_lag_shows_who_was_killed(self):
        self.make()
        reader = self.start("tail", "s", "--policy", "gate", "--name", "victim")
        self.wait_for_reader("victim")
        self.kill(reader)
        self.assertEqual(self.reader("victim")["state"], "STOPPED")

    def test_lag_watch_tells_a_stalled_reader(self):
        self.make()
        reader = self.start("tail", "s", "--policy", "gate", "--name", "r", "--delay", "1h")
        self.wait_for_reader("r")
        self.ok("pub", "s", "x", "-n", "5")
        watch = self.start("lag", "s", "--watch", "20ms", "--json")

        def is_stalled():
            row = json.loads(self.read_line(watch))["readers"][0]
            return row["state"] == "STALLED" and row["trend_events_per_s"] == 0

        self.wait_until("STALLED", is_stalled)
        self.end(watch, by=signal.SIGINT)
        self.kill(reader)

    def test_lag_watch_as_text_has_a_trend(self):
        self.make_journaled()
        watch = self.start("lag", "--watch", "s")
        self.assertRegex(self.read_line(watch), r"^STREAM .* TREND +STATE$")
        self.end(watch)
        watch = self.start("lag", "s", "--watch", "10ms")
        self.assertRegex(self.read_line(watch), r"^STREAM .* TREND +STATE$")
        watch.stdout.close()
        self.assertEqual(watch.wait(timeout=60), 0)

    def test_lag_of_an_unknown_reader_is_4(self):
        self.make()
        self.refused(4, "lag", "s", "--reader", "nobody", names=["nobody"])

    def test_lag_without_names_shows_all_streams(self):
        self.make_journaled(stream="a")
        self.make_journaled(stream="b")
        rows = self.ok("lag", "--json").json["readers"]
        self.assertEqual([(row["stream"], row["reader"]) for row in rows],
                         [("a", "journal"), ("b", "journal")])
        self.assertTrue(all(re.fullmatch(r"\d+", row["lag_ns"]) for row in rows))

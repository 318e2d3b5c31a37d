"""tail and replay of several streams at once, by names and patterns; --count-only."""

import json
import os
import pathlib
import re
import signal
import time

from sandbox import Case

LETTERS = "abcdefghijklmnopqrst"


def stop(process):
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)


class Merged(Case):
    def publish_in_turns(self, *streams, journaled=False):
        """A letter at a time, to one stream after the other."""
        options = ("--capacity", "64KiB", "--max-event", "4KiB")
        for stream in streams:
            self.make(*options, *(("--journal",) if journaled else ()), stream=stream)
        for index, letter in enumerate(LETTERS):
            self.ok("pub", streams[index % len(streams)], letter)

    def test_what_is_there_comes_in_order_of_publish_time(self):
        self.publish_in_turns("eu-a", "eu-b", "eu-c")
        self.make(stream="us")
        self.ok("pub", "us", "elsewhere")
        self.assertEqual("".join(self.payloads("tail", "eu-*", "-e")), LETTERS)
        self.assertEqual("".join(self.payloads("tail", "eu-c", "eu-[ab]", "-e", "-n", "7")),
                         LETTERS[:7])
        rows = self.ok("tail", "eu-*", "-e", "--json").json_lines
        self.assertEqual([row["stream"] for row in rows], ["eu-a", "eu-b", "eu-c"] * 6 +
                         ["eu-a", "eu-b"])
        self.assertEqual([row["seq"] for row in rows], [index // 3 for index in range(20)])
        shown = self.ok("tail", "us", "eu-*", "-e", "-n", "2").lines
        self.assertRegex(shown[0], r"^eu-a  \d\d:\d\d:.*#0  a$")
        self.assertRegex(shown[1], r"^eu-b  ")
        self.assertRegex(self.ok("tail", "us", "eu-a", "-e").lines[-1], r"^us    \d\d:.*elsewhere$")
        shown = self.ok("tail", "eu-?", "-e", "-n", "2", "-f", r"%t:%v\n").lines
        self.assertEqual(shown, ["eu-a:a", "eu-b:b"])

    def test_one_stream_prints_as_before_however_it_is_named(self):
        self.publish_in_turns("eu-a")
        self.assertEqual(self.ok("tail", "eu-*", "-e").text, self.ok("tail", "eu-a", "-e").text)
        self.assertEqual(self.ok("tail", "eu-a", "eu-a", "-e").text,
                         self.ok("tail", "eu-a", "-e").text)
        self.assertRegex(self.ok("tail", "eu-a", "-e").lines[0], r"^\d\d:")

    def test_what_is_published_meanwhile_comes_as_it_is_seen(self):
        self.publish_in_turns("eu-a", "eu-b")
        tail = self.start("tail", "eu-a", "eu-b", "--from", "start", "--json")
        rows = [json.loads(self.read_line(tail)) for _ in LETTERS]
        self.assertEqual("".join(row["data"] for row in rows), LETTERS)
        for stream in ("eu-b", "eu-a", "eu-a", "eu-b"):
            self.ok("pub", stream, "live")
            self.assertEqual(json.loads(self.read_line(tail))["stream"], stream)
        # The others go on when one is removed, and it ends with the last.
        self.ok("rm", "eu-b", "--yes")
        self.ok("pub", "eu-a", "more")
        self.assertEqual(json.loads(self.read_line(tail))["data"], "more")
        self.ok("rm", "eu-a", "--yes")
        ended = self.end(tail, by=None)
        self.assertIn("'eu-b'", ended.errors)
        self.assertIn("'eu-a'", ended.errors)

    def test_a_filter_and_an_end_hold_for_each(self):
        self.publish_in_turns("eu-a", "eu-b")
        self.ok("pub", "eu-b", "keyed", "--key", "7")
        self.assertEqual(self.payloads("tail", "eu-*", "-e", "--key", "7"), ["keyed"])
        self.assertEqual(self.payloads("tail", "eu-*", "--to", "1"), ["a", "b"])
        self.assertEqual(self.payloads("tail", "eu-*", "--from", "-1", "-e"), ["s", "keyed"])
        self.assertEqual(self.payloads("tail", "eu-*", "-e", "-n", "0"), [])
        self.refused(5, "tail", "eu-a", "eu-b", "--timeout", "10ms", names=["2 streams"])

    def test_gaps_are_told_in_their_place_with_their_stream(self):
        for stream in ("eu-a", "eu-b"):
            self.make("--capacity", "64KiB", "--max-event", "4KiB", stream=stream)
        slow = self.start("tail", "eu-*", "--from", "start", "--policy", "skip", "--name", "r",
                          "--rate", "20/s", "-n", "5", "--json")
        self.wait_for_reader("r", "eu-b")
        # Stopped, it is lapped however long the publisher takes.
        stop(slow)
        self.ok("pub", "eu-b", "--size", "1KiB", "-n", "400")
        slow.send_signal(signal.SIGCONT)
        rows = self.end(slow, by=None, code=3).json_lines
        gap = next(row for row in rows if "gap_first_seq" in row)
        self.assertEqual(gap["stream"], "eu-b")
        behind = rows[rows.index(gap) + 1]
        self.assertEqual(behind["seq"], gap["gap_first_seq"] + gap["gap_events"])

    def test_words_that_cannot_be(self):
        self.publish_in_turns("eu-a", "eu-b")
        self.refused(4, "tail", "us-*", "-e", names=["us-*"])
        self.refused(4, "tail", "us-*", "--to", "3", names=["us-*"])
        self.refused(4, "tail", "eu-a", "eu-x", names=["eu-x"])
        self.refused(2, "tail", "eu-*", "--cursor", "c", names=["--cursor"])
        self.refused(4, "rm", "us-*", "--yes", names=["us-*"])
        self.ok("rm", "eu-*", "--yes")
        self.assertEqual(self.ok("ls", "--json").json["streams"], [])

    def test_replay_of_several_journals(self):
        self.publish_in_turns("eu-a", "eu-b", journaled=True)
        self.record_all("eu-a")
        self.record_all("eu-b")
        self.assertEqual("".join(self.payloads("replay", "eu-*")), LETTERS)
        self.assertEqual("".join(self.payloads("replay", "eu-a", self.journal_of("eu-b"))), LETTERS)
        shown = self.payloads("replay", "eu-*", "--from", "-2", "--to", "9")
        self.assertEqual("".join(shown), "qr")
        rows = self.ok("replay", "eu-*", "--json", "-n", "2").json_lines
        self.assertEqual([row["stream"] for row in rows], ["eu-a", "eu-b"])
        self.ok("rm", "eu-*", "--yes")
        self.assertEqual("".join(self.payloads("replay", "eu-*")), LETTERS)  # their rings are gone
        self.refused(2, "replay", "eu-*", "--step", names=["--step", "one journal"])
        self.refused(2, "replay", "eu-*", "--speed", "1x", names=["--speed"])
        self.ok("rm", "eu-*", "--journal", "--yes")
        self.assertEqual(list(self.journals.iterdir()), [])


class Followed(Case):
    """Who follows a pattern sees streams come and go."""

    def row(self, tail):
        row = json.loads(self.read_line(tail))
        return row["stream"], row["seq"], row["data"]

    def start_with_one(self, *options):
        self.make(stream="eu-a")
        self.ok("pub", "eu-a", "a")
        tail = self.start("tail", "eu-*", "--from", "start", "--json", *options)
        self.assertEqual(self.row(tail), ("eu-a", 0, "a"))
        return tail

    def test_a_stream_that_comes_later_joins_with_its_first_event(self):
        tail = self.start_with_one()
        self.make(stream="us")
        self.ok("pub", "us", "elsewhere")
        for life in ("first life", "second life"):
            self.make(stream="eu-b")
            self.ok("pub", "eu-b", life, "more")
            self.assertEqual(self.row(tail), ("eu-b", 0, life))
            self.assertEqual(self.row(tail), ("eu-b", 1, "more"))
            self.ok("rm", "eu-b", "--yes")
            self.read_errors_until(tail, "'eu-b' was removed")
        self.ok("rm", "eu-a", "--yes")
        self.make(stream="eu-c")
        self.ok("pub", "eu-c", "c")
        self.assertEqual(self.row(tail), ("eu-c", 0, "c"))
        self.assertIn("stream 'eu-c' has come", self.end(tail, by=signal.SIGINT).errors)

    def test_a_pattern_of_none_waits_for_the_first(self):
        tail = self.start("tail", "eu-*", "-n", "1")
        self.read_errors_until(tail, "no stream has a name like 'eu-*' yet")
        self.make(stream="eu-a")
        self.ok("pub", "eu-a", "a")
        self.assertRegex(self.end(tail, by=None).text, r"^eu-a  .*#0  a\n$")
        self.refused(5, "tail", "us-*", "-q", "--timeout", "10ms", names=["'us-*'"])

    def test_a_journal_of_before_is_not_read_again(self):
        self.make_journaled(stream="eu-b")
        self.ok("pub", "eu-b", "old", "older")
        self.record_all("eu-b")
        self.ok("rm", "eu-b", "--yes")
        tail = self.start_with_one()
        self.make_journaled(stream="eu-b")
        self.ok("pub", "eu-b", "new")
        self.assertEqual(self.row(tail), ("eu-b", 2, "new"))
        self.end(tail)

    def test_what_was_written_over_before_it_joined_is_a_gap(self):
        tail = self.start_with_one("-n", "3")
        stop(tail)
        self.make("--capacity", "64KiB", "--max-event", "4KiB", stream="eu-b")
        self.ok("pub", "eu-b", "--size", "1KiB", "-n", "400")
        tail.send_signal(signal.SIGCONT)
        rows = self.end(tail, by=None, code=3).json_lines
        self.assertEqual((rows[0]["stream"], rows[0]["gap_first_seq"]), ("eu-b", 0))
        self.assertEqual(rows[1]["seq"], rows[0]["gap_events"])

    def test_one_that_can_not_be_read_is_told_once_and_tried_again(self):
        tail = self.start_with_one()
        stop(tail)
        self.make(stream="eu-b")
        control = self.rings / "eu-b" / "control"
        sound = control.read_bytes()
        control.write_bytes(b"#!/bin/sh\n" * 2000)
        tail.send_signal(signal.SIGCONT)
        self.read_errors_until(tail, str(control))
        self.ok("pub", "eu-a", "b")
        self.assertEqual(self.row(tail), ("eu-a", 1, "b"))
        control.write_bytes(sound)
        self.ok("pub", "eu-b", "at last")
        self.assertEqual(self.row(tail), ("eu-b", 0, "at last"))
        self.assertNotIn(str(control), self.end(tail).errors)

    def test_counts_go_on_when_a_stream_comes_again(self):
        self.make(stream="eu-a")
        self.ok("pub", "eu-a", "a")
        tail = self.start("tail", "eu-*", "--from", "start", "--count-only", "--json", "-n", "3",
                          "--policy", "skip", "--name", "r")
        self.wait_for_reader("r", "eu-a")
        for number in (1, 2):
            self.make(stream="eu-b")
            self.read_errors_until(tail, "'eu-b' has come")
            self.ok("pub", "eu-b", "b")
            self.ok("rm", "eu-b", "--yes", "--force")
            if number == 1:
                self.read_errors_until(tail, "'eu-b' was removed")
        rows = {row["stream"]: row["events"] for row in self.end(tail, by=None).json_lines}
        self.assertEqual(rows, {"eu-a": 1, "eu-b": 2})


class Idle(Case):
    """Who has nothing to read leaves the core to others."""

    def wakes_a_second(self, process):
        def wakes():
            status = (pathlib.Path("/proc") / str(process.pid) / "status").read_text()
            return int(re.search(r"(?m)^voluntary_ctxt_switches:\s+(\d+)", status).group(1))

        def let_pass(seconds):
            until = time.monotonic() + seconds
            self.wait_until("time to pass", lambda: time.monotonic() > until)

        let_pass(1)  # the first second is not idle yet
        before, since = wakes(), time.monotonic()
        let_pass(1)
        return (wakes() - before) / (time.monotonic() - since)

    def test_it_rests_however_many_streams_it_reads(self):
        for stream in ("eu-a", "eu-b", "eu-c"):
            self.make(stream=stream)
            self.ok("pub", stream, "x")
        for words, most in ((("eu-a",), 100), (("eu-a", "eu-b", "eu-c"), 100), (("eu-*",), 100),
                            (("eu-*", "--policy", "skip"), 40)):
            tail = self.start("tail", *words, "--from", "start", "--format", "raw")
            self.assertEqual(self.read_line(tail), "x")
            self.assertLess(self.wakes_a_second(tail), most, words)
            self.ok("pub", "eu-a", "woken")
            while self.read_line(tail) != "woken":
                pass
            self.end(tail)
            for stream in ("eu-a", "eu-b", "eu-c"):
                self.ok("rm", stream, "--yes")
                self.make(stream=stream)
                self.ok("pub", stream, "x")


class Counts(Case):
    def publish(self):
        self.make()
        self.ok("pub", "s", "--size", "100", "-n", "50")
        self.ok("pub", "s", "keyed", "--key", "7")

    def test_counts_instead_of_printing(self):
        self.publish()
        counted = self.ok("tail", "s", "-e", "--count-only", "--json").json
        self.assertEqual((counted["stream"], counted["events"], counted["payload_bytes"]),
                         ("s", 51, 5005))
        self.assertEqual((counted["first_seq"], counted["next_seq"], counted["lost_events"]),
                         (0, 51, 0))
        self.assertGreater(counted["published_per_s"], 0)
        self.assertGreater(int(counted["elapsed_ns"]), 0)
        ran = self.ok("tail", "s", "-e", "--count-only")
        self.assertRegex(ran.text, r"^s  51 events  4\.9 KiB  published over .*/s\n$")
        self.assertEqual(ran.errors, "")
        counted = self.ok("tail", "s", "-e", "--count-only", "--key", "7", "--json").json
        self.assertEqual((counted["events"], counted["published_ns"]), (1, None))
        counted = self.ok("tail", "s", "-e", "--count-only", "-n", "7", "--json").json
        self.assertEqual(counted["events"], 7)
        self.assertIn("0 events", self.ok("tail", "s", "--count-only", "-n", "0").text)

    def test_of_a_journal_and_of_several_streams(self):
        self.make_journaled()
        self.ok("pub", "s", "a", "b")
        self.record_all()
        self.assertEqual(self.ok("replay", "s", "--count-only", "--json").json["events"], 2)
        self.assertRegex(self.ok("replay", "s", "--count-only").text, r"^s  2 events  2 B  ")
        self.make(stream="t")
        self.ok("pub", "t", "c")
        rows = self.ok("tail", "?", "-e", "--count-only", "--json").json_lines
        self.assertEqual([(row["stream"], row["events"]) for row in rows], [("s", 2), ("t", 1)])
        lines = self.ok("tail", "?", "-e", "--count-only").lines
        self.assertRegex(lines[-1], r"^all  3 events  3 B  ")

    def test_until_it_is_stopped(self):
        self.make()
        counting = self.start("tail", "s", "--count-only", "--policy", "gate", "--name", "c")
        self.wait_for_reader("c")
        self.ok("pub", "s", "--size", "100", "-n", "30")
        self.wait_until("its place", lambda: self.reader("c")["seq"] == 30)
        self.assertIn("30 events", self.end(counting, by=signal.SIGINT).text)

    def test_a_loss_counts_as_one(self):
        self.make("--capacity", "64KiB", "--max-event", "4KiB")
        slow = self.start("tail", "s", "--from", "start", "--policy", "skip", "--name", "r",
                          "--rate", "20/s", "--count-only", "--json", "-n", "3")
        self.wait_for_reader("r")
        # Stopped, it is lapped however long the publisher takes.
        stop(slow)
        self.ok("pub", "s", "--size", "1KiB", "-n", "400")
        slow.send_signal(signal.SIGCONT)
        ran = self.end(slow, by=None, code=3)
        self.assertEqual(ran.json["events"], 3)
        self.assertGreater(ran.json["lost_events"], 0)

    def test_with_what_says_how_to_print_it_is_refused(self):
        self.publish()
        self.refused(2, "tail", "s", "--count-only", "-f", "%v", names=["--count-only"])
        self.refused(2, "tail", "s", "--count-only", "--format", "raw", names=["--count-only"])
        self.refused(2, "replay", "s", "--count-only", "--into", "t", names=["--count-only"])

    def test_a_line_on_the_terminal(self):
        self.make()
        self.ok("pub", "s", "--size", "10", "-n", "20")
        code, shown = self.on_terminal("tail", "s", "--from", "start", "--rate", "10/s",
                                       "--count-only", "-n", "12")
        self.assertEqual(code, 0, shown)
        self.assertRegex(shown, r"\r(\x1b\[K)?s  \d+ events  \d+ B  .*/s")
        self.assertRegex(shown.splitlines()[-1], r"s  12 events")

"""tail and replay of several streams at once, by names and patterns; --count-only."""

import json
import os
import signal

from sandbox import Case

LETTERS = "abcdefghijklmnopqrst"


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
        tail = self.start("tail", "eu-*", "--from", "start", "--json")
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
        self.refused(5, "tail", "eu-*", "--timeout", "10ms", names=["2 streams"])

    def test_gaps_are_told_in_their_place_with_their_stream(self):
        for stream in ("eu-a", "eu-b"):
            self.make("--capacity", "64KiB", "--max-event", "4KiB", stream=stream)
        slow = self.start("tail", "eu-*", "--from", "start", "--policy", "skip", "--name", "r",
                          "--rate", "20/s", "-n", "5", "--json")
        self.wait_for_reader("r", "eu-b")
        self.ok("pub", "eu-b", "--size", "1KiB", "-n", "400")
        rows = self.end(slow, by=None, code=3).json_lines
        gap = next(row for row in rows if "gap_first_seq" in row)
        self.assertEqual(gap["stream"], "eu-b")
        behind = rows[rows.index(gap) + 1]
        self.assertEqual(behind["seq"], gap["gap_first_seq"] + gap["gap_events"])

    def test_words_that_cannot_be(self):
        self.publish_in_turns("eu-a", "eu-b")
        self.refused(4, "tail", "us-*", names=["us-*"])
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
        slow.send_signal(signal.SIGSTOP)
        os.waitpid(slow.pid, os.WUNTRACED)
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

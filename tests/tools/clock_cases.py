"""A publisher's clock that is wrong: it spoils no look by time, and is told."""

import struct
import time

from sandbox import Case

NS_PER_S = 1_000_000_000
YEAR_NS = 365 * 86400 * NS_PER_S
EVENT_BYTES = 32  # a header, the publish time and a letter
TIME_OFFSET_BYTES = 16


class Ahead(Case):
    def make_with_a_year_ahead(self):
        """Events a to e; what published b was a year ahead."""
        self.make_journaled()
        self.ok("pub", "s", *"abcde")
        with open(self.rings / "s" / "events", "r+b") as events:
            events.seek(EVENT_BYTES + TIME_OFFSET_BYTES)
            publish_time_ns, = struct.unpack("<Q", events.read(8))
            self.assertLess(abs(publish_time_ns - time.time_ns()), 3600 * NS_PER_S)
            events.seek(EVENT_BYTES + TIME_OFFSET_BYTES)
            events.write(struct.pack("<Q", publish_time_ns + YEAR_NS))

    def looks_by_time(self, *words):
        """What is there from an hour ago, from in an hour, and before that."""
        soon = f"@{time.time_ns() + 3600 * NS_PER_S}"
        return ["".join(self.payloads(*words, *where))
                for where in (("--from", "@-1h"), ("--from", soon),
                              ("--from", "start", "--to", soon))]

    def test_one_that_is_a_year_ahead_spoils_no_look_by_time(self):
        self.make_with_a_year_ahead()
        self.record_all()
        for words in (("tail", "s", "-e"), ("replay", "s", "--speed", "max")):
            self.assertEqual(self.looks_by_time(*words), ["abcde", "", "abcde"], words)

    def test_ranges_that_meet_at_a_time_share_nothing_and_leave_nothing_out(self):
        self.make_with_a_year_ahead()
        self.record_all()
        events = self.ok("replay", "s", "--speed", "max", "--json").json_lines
        times = [event["time_ns"] for event in events]
        for words in (("tail", "s", "-e"), ("replay", "s", "--speed", "max")):
            for middle in times:
                before = self.payloads(*words, "--from", "start", "--to", f"@{middle}")
                behind = self.payloads(*words, "--from", f"@{middle}")
                self.assertEqual("".join(before + behind), "abcde", (words, middle))

    def test_a_replay_at_its_own_pace_does_not_wait_for_it(self):
        self.make_with_a_year_ahead()
        self.record_all()
        self.assertEqual(self.payloads("replay", "s"), list("abcde"))

    def test_it_is_told(self):
        self.make_journaled(stream="well")
        self.ok("pub", "well", "x")
        self.assertNotIn("ahead", self.ok("lag", "well").errors)
        self.make_with_a_year_ahead()
        told = self.run_any("lag", "s").errors
        self.assertIn("1 of the last 5 events carry publish times ahead", told)
        clocks = self.run_any("lag", "--json").json["clocks"]
        self.assertEqual([clock["stream"] for clock in clocks], ["s"])
        rows = [check for check in self.run_any("doctor", "--json").json["checks"]
                if check["name"] == "publish times"]
        self.assertEqual(len(rows), 1, rows)
        self.assertIn("stream 's'", rows[0]["value"])
        self.assertEqual(rows[0]["verdict"], "warn")

"""trim: the oldest segments go by hand, beside a recorder and alone, and nothing else goes."""

import fcntl
import os
import signal
import struct

from sandbox import Case


class Trim(Case):
    def make_segments(self, segments=5):
        """About so many segments of 1 MiB, still being recorded."""
        self.make_journaled("--segment", "1MiB")
        recorder = self.start_recorder()
        for _ in range(segments):
            self.ok("pub", "s", "--size", "4000", "-n", "250", "--durable")
        return recorder

    def looked(self):
        return self.ok("inspect", self.journal_of(), "--segments", "--json").json

    def is_asked(self):
        return (self.journal_of() / "TRIM").exists()

    def check_sound(self, first):
        verified = self.ok("verify", self.journal_of(), "--json").json
        self.assertEqual((verified["sound"], verified["first_seq"]), (True, first))
        self.assertEqual(verified["findings"], [])
        shown = self.ok("replay", self.journal_of(), "-n", "1", "--json").json
        self.assertEqual(shown["seq"], first)

    def test_a_plan_changes_nothing(self):
        self.end(self.make_segments())
        before = self.looked()
        plan = self.ok("trim", "s", "--keep-events", "400", "--json").json
        self.assertEqual((plan["applied"], plan["first_seq"], plan["kept_end_seq"]),
                         (False, 0, before["end_seq"]))
        self.assertEqual(plan["kept_first_seq"], plan["end_seq"])
        self.assertGreater(plan["segments"], 1)
        self.assertLessEqual(plan["end_seq"], before["end_seq"] - 400)
        ran = self.ok("trim", "s", "--keep-events", "400")
        self.assertIn(f"[0, {plan['end_seq']})", ran.text)
        self.assertIn("--yes", ran.errors)
        self.assertEqual(self.looked()["first_seq"], 0)
        self.assertEqual(len(self.segments_of()), len(before["segments"]))
        # More than there is: all stays.
        self.assertIn("nothing", self.ok("trim", "s", "--keep-events", "99999", "--yes").text)
        self.check_sound(0)

    def test_beside_a_recorder_it_is_the_recorder_that_does_it(self):
        recorder = self.make_segments()
        done = self.ok("trim", "s", "--before", "600", "--yes", "--json").json
        first = done["kept_first_seq"]
        self.assertEqual((done["applied"], done["end_seq"]), (True, first))
        self.assertTrue(0 < first <= 600, done)
        self.assertFalse(self.is_asked())
        self.wait_until("the files to go",
                        lambda: len(self.segments_of()) == len(self.looked()["segments"]))
        self.check_sound(first)
        # It goes on: what is published now is recorded, and what it holds goes with the rest.
        self.ok("pub", "s", "--size", "4000", "-n", "300", "--durable")
        ran = self.ok("trim", "s", "--before", "end", "--yes")
        self.assertIn("the newest segments stay", ran.text)
        self.ok("pub", "s", "last", "--durable")
        self.end(recorder)
        last = self.looked()
        self.assertGreater(last["first_seq"], first)
        self.check_sound(last["first_seq"])
        self.assertEqual(self.payloads("replay", "s", "--from", "-1"), ["last"])

    def test_of_a_journal_alone(self):
        self.end(self.make_segments())
        self.ok("rm", "s", "--yes")
        end = self.looked()["end_seq"]
        ran = self.ok("trim", self.journal_of(), "--before", "@-0s", "--yes")
        self.assertIn("removed   [0, ", ran.text)
        first = self.looked()["first_seq"]
        self.assertGreater(first, 800)
        self.check_sound(first)
        self.assertTrue(self.looked()["clean_close"])
        # The stream that is made anew goes on behind it.
        self.make_journaled("--segment", "1MiB")
        self.ok("pub", "s", "x")
        self.record_all()
        self.assertEqual(self.looked()["end_seq"], end + 1)

    def test_a_cursor_that_holds_stops_it(self):
        self.end(self.make_segments())
        self.ok("cursor", "set", self.journal_of(), "night", "--to", "300")
        plan = self.ok("trim", self.journal_of(), "--before", "end", "--json").json
        self.assertEqual([row["cursor"] for row in plan["cursors"]], ["night"])
        self.assertEqual(plan["cursors"][0]["lost_events"], plan["end_seq"] - 300)
        self.ok("cursor", "hold", self.journal_of(), "night", "--max", "1GiB")
        held = self.ok("trim", self.journal_of(), "--before", "end", "--yes", "--json").json
        self.assertEqual((held["stopped_by"], held["stopped_name"]), ("cursor", "night"))
        self.assertTrue(0 < held["kept_first_seq"] <= 300, held)
        self.check_sound(held["kept_first_seq"])
        self.refused(13, "trim", self.journal_of(), "--before", "end", "--yes", names=["night"])
        self.ok("cursor", "hold", self.journal_of(), "night", "--max", "off")
        self.ok("trim", self.journal_of(), "--before", "end", "--yes")
        self.assertEqual(self.looked()["first_seq"], plan["end_seq"])

    def test_a_segment_that_somebody_reads_stops_it(self):
        self.end(self.make_segments())
        reader = self.start("replay", self.journal_of(), "--from", "400", "--speed", "0.0001x")
        self.wait_until("its segment", lambda: any(
            one["leased"] for one in
            self.ok("inspect", self.journal_of(), "--segments", "--json").json["segments"]))
        held = self.ok("trim", self.journal_of(), "--before", "end", "--yes", "--json").json
        self.assertEqual(held["stopped_by"], "reader")
        self.assertLessEqual(held["kept_first_seq"], 400)
        ran = self.refused(13, "trim", self.journal_of(), "--before", "end", "--yes")
        self.assertIn(".seg", ran.errors)
        self.kill(reader)
        self.ok("trim", self.journal_of(), "--before", "end", "--yes")

    def test_killed_it_leaves_the_rest_to_the_recorder(self):
        recorder = self.make_segments()
        recorder.send_signal(signal.SIGSTOP)
        trim = self.start("trim", "s", "--before", "600", "--yes")
        self.wait_until("the request", self.is_asked)
        self.kill(trim)
        self.check_sound(0)
        recorder.send_signal(signal.SIGCONT)
        self.wait_until("the recorder", lambda: not self.is_asked())
        self.assertGreater(self.looked()["first_seq"], 0)
        self.check_sound(self.looked()["first_seq"])
        self.end(recorder)

    def test_killed_with_the_recorder_it_leaves_the_rest_to_the_next_trim(self):
        recorder = self.make_segments()
        recorder.send_signal(signal.SIGSTOP)
        trim = self.start("trim", "s", "--before", "600", "--yes")
        self.wait_until("the request", self.is_asked)
        self.kill(trim)
        self.kill(recorder)
        self.check_sound(0)
        self.ok("trim", "s", "--before", "300", "--yes")
        self.assertFalse(self.is_asked())
        self.check_sound(self.looked()["first_seq"])

    def test_who_does_not_answer_is_named_and_the_request_taken_back(self):
        self.end(self.make_segments())
        with open(self.journal_of() / "LOCK", "r+b", buffering=0) as lock:
            held = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
            fcntl.fcntl(lock, fcntl.F_OFD_SETLK, held)
            ran = self.refused(5, "trim", "s", "--before", "600", "--yes", "--timeout", "100ms",
                               names=[self.journal_of()])
            self.assertIn("taken back", ran.errors)
        self.assertFalse(self.is_asked())
        self.check_sound(0)

    def test_bad_words(self):
        self.refused(4, "trim", "nowhere", "--before", "3", names=["nowhere"])
        self.make_journaled()
        self.ok("pub", "s", "a")
        self.record_all()
        ran = self.refused(2, "trim", "s", "--yes")
        self.assertIn("--before", ran.errors)
        self.refused(2, "trim", "s", "--before", "yesterday", names=["--before", "yesterday"])
        self.refused(2, "trim", "s", "--keep-bytes", "much", names=["--keep-bytes", "much"])

"""cursor, tail --cursor, and lag's rows of cursors that nobody reads by."""

import signal

from sandbox import Case

SMALL = ("--capacity", "64KiB", "--max-event", "4KiB")


class Cursor(Case):
    def row(self, name):
        return self.reader(name)

    def publish(self, letters):
        self.ok("pub", "s", stdin="\n".join(letters).encode() + b"\n")

    def read(self, *words):
        return "".join(self.payloads("tail", "s", "--cursor", "risk", *words))

    def cursors(self, target="s"):
        document = self.ok("cursor", "ls", target, "--json").json
        return {row["cursor"]: row for row in document["cursors"]}

    def test_goes_on_where_it_had_come_to(self):
        self.ok("create", "s", *SMALL)
        self.publish("abcdef")
        self.assertEqual(self.read("--from", "start", "-n", "2"), "ab")
        self.assertEqual(self.read("-n", "3"), "cde")
        row = self.cursors()["risk"]
        self.assertEqual((row["seq"], row["lag_events"], row["pid"], row["kept_seq"]),
                         (5, 1, None, None))
        self.assertEqual(self.read("-e"), "f")
        self.assertEqual(self.read("-e"), "")

    def test_a_new_one_begins_at_the_end_unless_said(self):
        self.ok("create", "s", *SMALL)
        self.publish("abc")
        reader = self.start("tail", "s", "--cursor", "risk", "--format", "raw")
        self.wait_for_reader("tail")
        self.publish("d")
        self.assertEqual(self.read_line(reader), "d")
        self.wait_until("its commit", lambda: self.cursors()["risk"]["seq"] == 4)
        self.assertEqual(self.cursors()["risk"]["pid"], reader.pid)
        self.refused(13, "tail", "s", "--cursor", "risk", names=[reader.pid, "risk"])
        self.end(reader)

    def test_a_new_one_is_told_of_and_so_is_the_one_that_was_meant(self):
        self.ok("create", "s", *SMALL)
        self.publish("abc")
        ran = self.ok("tail", "s", "--cursor", "risk", "--from", "start", "-n", "1")
        self.assertIn("cursor 'risk' is new and begins at 0", ran.errors)
        self.assertNotIn("did you mean", ran.errors)
        self.assertNotIn("is new", self.ok("tail", "s", "--cursor", "risk", "-n", "1").errors)
        ran = self.ok("tail", "s", "--cursor", "rsk", "--from", "end", "-e")
        self.assertIn("cursor 'rsk' is new and begins at 3; did you mean 'risk'?", ran.errors)

    def test_killed_it_prints_nothing_twice_that_was_noted(self):
        self.ok("create", "s", *SMALL)
        self.publish("abc")
        reader = self.start("tail", "s", "--cursor", "risk", "--from", "start", "--format", "raw")
        for letter in "abc":
            self.assertEqual(self.read_line(reader), letter)
        self.wait_until("its commit", lambda: self.cursors()["risk"]["seq"] == 3)
        self.kill(reader)
        self.publish("d")
        self.assertEqual(self.read("-e"), "d")

    def test_survives_the_ring(self):
        self.ok("create", "s", *SMALL, "--journal")
        recorder = self.start_recorder()
        self.publish("abcdef")
        self.assertEqual(self.read("--from", "start", "-n", "4"), "abcd")
        self.end(recorder)
        self.assertEqual(self.cursors()["risk"]["kept_seq"], 4)
        self.ok("rm", "s", "--yes")
        self.assertEqual(self.cursors()["risk"]["seq"], 4)  # of the journal alone
        self.ok("cursor", "set", "s", "risk", "--to", "3")
        self.ok("create", "s", *SMALL, "--journal")
        recorder = self.start_recorder()
        self.assertEqual(self.read("-e"), "def")
        self.end(recorder)

    def test_set_rm_show(self):
        self.ok("create", "s", *SMALL)
        self.publish("abcdef")
        self.refused(4, "cursor", "show", "s", "risk", names=["s", "risk"])
        self.refused(12, "cursor", "set", "s", "risk", "--to", "7", names=["s"])
        self.refused(2, "cursor", "set", "s", "no/name", "--to", "1", names=["no/name"])
        self.ok("cursor", "set", "s", "risk", "--to", "-2")
        self.assertIn("4: everything below is done", self.ok("cursor", "show", "s", "risk").text)
        ran = self.refused(4, "cursor", "rm", "s", "rsk", names=["rsk"])
        self.assertIn("did you mean 'risk'?", ran.errors)
        self.ok("cursor", "rm", "s", "risk")
        self.assertEqual(self.cursors(), {})
        self.refused(2, "tail", "s", "--cursor", "risk", "--policy", "observe")
        self.refused(2, "cursor", "hold", "s", "risk", "--max", "lots")

    def test_moved_under_its_reader(self):
        self.ok("create", "s", *SMALL)
        self.publish("abc")
        reader = self.start("tail", "s", "--cursor", "risk", "--from", "start", "--format", "raw")
        for letter in "abc":
            self.assertEqual(self.read_line(reader), letter)
        self.wait_until("its commit", lambda: self.cursors()["risk"]["seq"] == 3)
        self.refused(13, "cursor", "set", "s", "risk", "--to", "1", names=[reader.pid])
        self.ok("cursor", "set", "s", "risk", "--to", "1", "--live")
        self.assertEqual(self.cursors()["risk"]["moved_to"], 1)
        self.publish("d")
        for letter in "dbcd":
            self.assertEqual(self.read_line(reader), letter)
        self.assertIn("moved", self.end(reader).errors)

    def test_hold(self):
        self.ok("create", "s", *SMALL, "--journal", "--retain-bytes", "2MiB", "--segment", "1MiB")
        recorder = self.start_recorder()
        self.publish("abc")
        self.ok("cursor", "set", "s", "risk", "--to", "1")
        self.ok("cursor", "hold", "s", "risk", "--max", "1GiB")
        self.wait_until("the keeper", lambda: self.cursors()["risk"]["kept_seq"] == 1)
        self.assertEqual(self.cursors()["risk"]["hold_bytes"], 1 << 30)
        self.ok("pub", "s", "--size", "4000", "-n", "2000", "--durable")
        self.assertEqual(self.read("-n", "2"), "bc")
        self.ok("cursor", "hold", "s", "risk", "--max", "off")
        self.wait_until("it to be seen", lambda: self.cursors()["risk"]["hold_bytes"] == 0)
        self.end(recorder)

    def test_lag_shows_who_is_away(self):
        self.ok("create", "s", *SMALL)
        self.publish("abcdef")
        self.assertEqual(self.read("--from", "start", "-n", "2"), "ab")
        row = self.row("risk")
        self.assertEqual((row["policy"], row["state"], row["lag_events"], row["pid"]),
                         ("cursor", "AWAY", 4, None))
        self.assertRegex(self.ok("lag", "s").text, r"(?m)^s +risk .* cursor .* AWAY$")
        self.assertEqual(self.run_any("lag", "s", "--fail-above", "3ev").code, 6)
        self.assertEqual(self.run_any("lag", "s", "--fail-above", "4ev").code, 0)
        reader = self.start("tail", "s", "--cursor", "risk", "--format", "raw")
        for letter in "cdef":
            self.assertEqual(self.read_line(reader), letter)
        self.assertIsNone(self.row("risk"))
        self.end(reader, by=signal.SIGINT)

    def test_a_damaged_ledger(self):
        self.ok("create", "s", *SMALL, "--journal")
        recorder = self.start_recorder()
        self.publish("abcdef")
        self.assertEqual(self.read("--from", "start", "-n", "4"), "abcd")
        self.end(recorder)
        self.ok("rm", "s", "--yes")
        ledger = self.journals / "s" / "LEDGER"
        content = bytearray(ledger.read_bytes())
        for copy in range(0, len(content), 64 * 1024):  # two of each slot
            content[copy + 20] ^= 1
        ledger.write_bytes(content)
        self.ok("create", "s", *SMALL, "--journal")
        recorder = self.start_recorder()
        self.refused(3, "tail", "s", "--cursor", "risk", "--from", "start", names=["LEDGER"])
        ran = self.ok("cursor", "set", "s", "other", "--to", "1")
        self.assertIn("made anew", ran.errors)
        self.refused(3, "tail", "s", "--cursor", "risk", "--from", "start", names=["risk"])
        self.ok("cursor", "set", "s", "risk", "--to", "4")
        self.assertEqual(self.read("-e"), "ef")
        self.end(recorder)

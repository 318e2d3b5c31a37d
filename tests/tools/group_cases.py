"""group, and tail --group."""

from sandbox import Case

SMALL = ("--capacity", "64KiB", "--max-event", "4KiB")


class Group(Case):
    def publish(self, letters):
        self.ok("pub", "s", stdin="\n".join(letters).encode() + b"\n")

    def read(self, *words):
        return "".join(self.payloads("tail", "s", "--group", "work", *words))

    def group(self):
        return self.ok("group", "show", "s", "work", "--json").json

    def test_what_was_printed_is_done(self):
        self.ok("create", "s", *SMALL)
        self.publish("abcdef")
        self.assertEqual(self.read("-n", "2"), "ab")
        self.assertEqual(self.read("-n", "3"), "cde")
        row = self.group()
        self.assertEqual((row["floor_seq"], row["lag_events"], row["held_events"], row["state"]),
                         (5, 1, 0, "AWAY"))
        lag = self.ok("lag", "s", "--json").json
        self.assertEqual((lag["groups"], lag["readers"]), ([row], []))
        self.assertRegex(self.ok("lag", "s").text, r"(?m)^s +work +0 +5 +1 +0 +0 .* AWAY$")
        self.refused(4, "lag", "s", "--reader", "work")
        self.assertEqual(self.run_any("lag", "s", "--fail-above", "0ev").code, 6)
        self.assertEqual(self.read("-e"), "f")
        self.assertEqual(self.read("-e"), "")

    def test_two_share_and_what_one_had_that_is_killed_goes_to_the_other(self):
        self.ok("create", "s", *SMALL)
        first = self.start("tail", "s", "--group", "work", "--format", "raw", "--name", "one")

        def members(count):
            rows = self.ok("group", "ls", "s", "--json").json["groups"]
            return rows and sum(row["alive"] for row in rows[0]["members"]) == count

        self.wait_until("one is there", lambda: members(1))
        second = self.start("tail", "s", "--group", "work", "--format", "raw", "--name", "two")
        self.wait_until("two are there", lambda: members(2))
        shown = self.ok("group", "show", "s", "work").text
        self.assertIn("'one' (pid", shown)
        self.assertIn("a window of 4,096, 5 tries, stuck after 30", shown)
        self.kill(first)
        self.wait_until("one has gone", lambda: members(1))
        self.publish("abc")
        self.assertEqual([self.read_line(second) for _ in range(3)], ["a", "b", "c"])
        self.wait_until("all is done", lambda: self.group()["floor_seq"] == 3)
        refused = self.refused(13, "group", "rm", "s", "work")
        self.assertIn("has members", refused.errors)
        self.refused(13, "group", "set", "s", "work", "--to", "start")
        self.ok("group", "rm", "s", "work", "--force")
        self.assertIn("was removed", self.read_errors_until(second, "was removed"))
        self.assertEqual(second.wait(30), 0)
        self.assertEqual(self.ok("group", "ls", "s", "--json").json["groups"], [])

    def test_what_could_not_be_written_is_handed_out_again(self):
        self.ok("create", "s", *SMALL)
        self.publish("abc")
        with open("/dev/full", "wb") as full:
            self.run_into(full, "tail", "s", "--group", "work", "-e")
        self.assertEqual(self.group()["floor_seq"], 0)
        self.assertEqual(sorted(self.read("-e")), ["a", "b", "c"])

    def test_set_and_rm_and_the_words_for_what_is_not_there(self):
        self.ok("create", "s", *SMALL)
        self.assertIn("has no group", self.ok("group", "ls", "s").errors)
        self.publish("abcd")
        refused = self.refused(4, "group", "show", "s", "work")
        self.assertIn("has no group 'work'", refused.errors)
        self.assertEqual(self.ok("group", "set", "s", "work", "--to", "2", "--json").json,
                         {"group": "work", "floor_seq": 2})
        self.assertIn("the next one makes its file", self.ok("group", "show", "s", "work").text)
        self.assertEqual(self.read("-e"), "cd")
        self.assertIn("did you mean 'work'", self.refused(4, "group", "rm", "s", "wrok").errors)
        self.ok("group", "set", "s", "work", "--to", "start")
        self.assertEqual(self.read("-e"), "abcd")
        self.assertIn("group set", self.refused(2, "cursor", "set", "s", "group.work", "--to",
                                                "1").errors)
        self.assertIn("group rm", self.refused(2, "cursor", "rm", "s", "group.work").errors)
        self.assertIn("no dead letters", self.refused(2, "group", "retry", "s", "work").errors)
        self.ok("group", "rm", "s", "work")
        self.refused(4, "group", "rm", "s", "work")
        self.refused(12, "group", "set", "s", "work", "--to", "99")
        self.refused(2, "tail", "s", "--group", "a/b", "-e")
        self.refused(2, "tail", "s", "--group", "work", "--where", "price > 1")
        self.refused(2, "tail", "s", "t", "--group", "work", "-e")
        self.refused(2, "tail", "s", "--group", "work", "--cursor", "c")

    def test_lost_events_are_told_and_listed(self):
        self.ok("create", "s", *SMALL)
        self.publish("ab")
        self.assertEqual(self.read("-n", "1"), "a")
        self.ok("pub", "s", stdin=4000 * (64 * b"x" + b"\n"))
        told = self.run_any("tail", "s", "--group", "work", "-e", "--count-only")
        self.assertEqual(told.code, 3, told)
        row = self.group()
        self.assertGreater(row["lost_events"], 100)
        self.assertEqual(row["floor_seq"], 4002)
        self.assertEqual(row["losses"][0]["first_seq"], 1)

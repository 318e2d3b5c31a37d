"""diff: where two runs part."""

import shutil

from sandbox import Case

SAME = "{} same, 0 changed, 0 only in A, 0 only in B"


def numbers(*, of=100, without=(), changed=(), added=()):
    """Lines 1 to `of`: some left out, some changed, some with a new one before them."""
    lines = []
    for number in range(1, of + 1):
        if number in added:
            lines.append(f"new before {number}")
        if number not in without:
            lines.append(f"{number} changed" if number in changed else str(number))
    return "".join(f"{line}\n" for line in lines).encode()


class Diff(Case):
    def publish(self, stream, lines):
        self.make(stream=stream)
        self.ok("pub", stream, stdin=lines)

    def publish_keyed(self, stream, *events):
        """Events as "KEY:PAYLOAD"."""
        self.make(stream=stream)
        for event in events:
            key, _, payload = event.partition(":")
            self.ok("pub", stream, payload, "--key", key)

    def differ(self, *words):
        ran = self.run_any("diff", *words)
        self.assertEqual(ran.code, 3, ran)
        self.assertEqual(ran.errors, "", ran)
        return ran

    def parted(self, *words):
        """The differences as (kind, a_seq, b_seq), and the summary."""
        *lines, summary = self.differ(*words, "--json").json_lines
        self.assertEqual(summary["kind"], "summary")
        return [(line["kind"], line["a_seq"], line["b_seq"]) for line in lines], summary

    def test_equal_streams(self):
        for stream in ("a", "b"):
            self.publish(stream, numbers())
        for words in (("a", "b"), ("a", "a"), ("a", "b", "--by", "key")):
            ran = self.ok("diff", *words)
            self.assertEqual(ran.lines, [SAME.format(100)], ran)
        self.assertEqual(self.ok("diff", "a", "b", "-q").text, "")
        self.assertEqual(self.ok("lag", "a", "--json").json["readers"], [])
        self.make(stream="none")
        self.make(stream="empty")
        self.assertEqual(self.ok("diff", "none", "empty").lines, [SAME.format(0)])

    def test_one_changed_event(self):
        self.publish("a", numbers())
        self.publish("b", numbers(changed=[50]))
        ran = self.differ("a", "b")
        self.assertEqual(ran.lines[0], "changed: A #49, B #49: payload of 2 B, 10 B from byte 2 on")
        shown = [line.split("Z  ")[1] for line in ran.lines[1:-1]]
        self.assertEqual(shown, [f"#{number - 1}  {number}" for number in range(47, 53)]
                         + [f"#{number - 1}  {number}" for number in range(47, 50)]
                         + ["#49  50 changed", "#50  51", "#51  52"])
        marked = [line for line in ran.lines if line.startswith(("  A >", "  B >"))]
        self.assertEqual([line.split()[-1] for line in marked], ["50", "changed"])
        self.assertEqual(ran.lines[-1], "99 same, 1 changed, 0 only in A, 0 only in B")

    def test_one_missing_and_one_extra(self):
        self.publish("a", numbers(without=[80]))
        self.publish("b", numbers(without=[20, 100], added=[60]))
        self.assertEqual(self.parted("a", "b")[0],
                         [("only_in_a", 19, 19), ("only_in_b", 59, 58), ("only_in_b", 79, 79),
                          ("only_in_a", 98, None)])
        ran = self.differ("a", "b")
        for line in ("only in A: A #19, before B #19", "only in B: B #58, before A #59",
                     "only in A: A #98, behind the last of B",
                     "97 same, 0 changed, 2 only in A, 2 only in B"):
            self.assertIn(line, ran.lines)

    def test_another_order_with_and_without_keys(self):
        self.publish_keyed("a", "1:x", "1:y", "2:p", "2:q")
        self.publish_keyed("b", "2:p", "1:x", "2:q", "1:y")
        self.publish_keyed("c", "2:p", "1:x", "2:q", "1:z")
        self.differ("a", "b")
        self.assertEqual(self.ok("diff", "a", "b", "--by", "key").lines, [SAME.format(4)])
        ran = self.differ("a", "c", "--by", "key")
        self.assertEqual(ran.lines[0], "changed: A #1, B #3: payload from byte 0 on")
        # The context is of that key.
        self.assertEqual([line.split("Z  ")[1] for line in ran.lines[1:-1]],
                         ["#0  key 1  x", "#1  key 1  y", "#1  key 1  x", "#3  key 1  z"])

    def test_by_key_the_differences_are_in_the_order_of_their_events(self):
        self.publish_keyed("a", "1:x", "2:x", "3:x", "4:x")
        self.publish_keyed("b", "4:y", "3:x", "2:y", "1:y")
        told, summary = self.parted("a", "b", "--by", "key", "--limit", "2")
        self.assertEqual(told, [("changed", 0, 3), ("changed", 1, 2)])
        self.assertEqual((summary["changed"], summary["shown"]), (3, 2))

    def test_a_stream_and_its_journal_and_its_backup(self):
        self.make_journaled("--max-event", "1KiB")
        self.ok("pub", "s", "--size", "1KiB", "-n", "500")
        recorder = self.start_recorder()
        # Several times what the ring holds.
        self.ok("pub", "s", "--size", "1KiB", "-n", "3000", "--durable")
        backup = self.work / "backup"
        self.ok("backup", "s", backup)
        for one, other in (("s", self.journal_of()), (backup, "s"), (self.journal_of(), backup)):
            self.assertEqual(self.ok("diff", one, other).lines, [SAME.format("3,500")])
        self.ok("pub", "s", "one more", "--durable")
        self.assertEqual(self.parted("s", backup)[0], [("only_in_a", 3500, None)])
        self.ok("diff", "s", backup, "--to", "3500")
        self.end(recorder)
        # After a boot the ring is gone, and the name means the journal.
        self.ok("rm", "s", "--yes")
        self.ok("diff", "s", self.journal_of())

    def test_a_replayed_run_has_times_of_its_own(self):
        self.make_journaled()
        self.ok("pub", "s", "x", "y")
        self.record_all()
        self.make(stream="again")
        self.ok("replay", "s", "--speed", "max", "--into", "again")
        *_, summary = self.run_any("diff", "s", "again", "--json").json_lines
        self.assertEqual(summary["only_in_a"] + summary["only_in_b"], 0)
        self.ok("diff", "s", "again", "--ignore", "time")

    def test_fields_that_are_left_out(self):
        for stream, words in (("a", ("--type", "1", "--key", "5")),
                              ("b", ("--type", "2", "--key", "5")), ("c", ("--type", "1"))):
            self.make(stream=stream)
            self.ok("pub", stream, "x", *words)
        self.assertIn("type 1, 2", self.differ("a", "b").lines[0])
        self.assertIn("key 5, none", self.differ("a", "c").lines[0])
        self.ok("diff", "a", "b", "--ignore", "type")
        self.ok("diff", "a", "c", "--ignore", "key")
        self.ok("diff", "b", "c", "--ignore", "key,time,type")
        self.differ("b", "c", "--ignore", "key,time")

    def test_ranges_are_taken_on_each_side(self):
        self.publish("a", numbers())
        self.publish("b", numbers(changed=[50], added=[100]))
        for words in (("--to", "49"), ("--from", "50", "--to", "90"), ("--to", "+49"),
                      ("--from", "end"), ("--from", "50", "--to", "50"), ("--from", "-1")):
            self.ok("diff", "a", "b", *words)
        self.assertEqual(self.differ("a", "b", "--from", "49", "--to", "50").lines[-1],
                         "0 same, 1 changed, 0 only in A, 0 only in B")
        self.refused(12, "diff", "a", "b", "--from", "101", names=["'a'", "101"])

    def test_gaps_are_told_and_count(self):
        self.make("--capacity", "64KiB", "--max-event", "4KiB", "--journal")
        self.ok("pub", "s", "kept")
        self.record_all()
        # Nobody records while the ring is lapped.
        self.ok("pub", "s", "--size", "1KiB", "-n", "500")
        self.end(self.start_recorder(), code=3)
        ran = self.differ(self.journal_of(), "s")
        lost = [line for line in ran.lines if line.startswith("gap in ")]
        self.assertEqual([line.split(":")[0] for line in lost], ["gap in A", "gap in B"])
        for line in lost:
            self.assertRegex(line, r"lost, \[1, \d+\)$")
        self.assertRegex(ran.lines[-1], r"^\d+ same, 0 changed, 0 only in A, 0 only in B, "
                                        r"(\d+) lost in A, \1 lost in B$")
        gaps = [line for line in self.differ(self.journal_of(), "s", "--json").json_lines
                if line["kind"] == "gap"]
        self.assertEqual([list(gap) for gap in gaps],
                         [["kind", "side", "first_seq", "events"]] * 2)
        self.assertEqual([(gap["side"], gap["first_seq"]) for gap in gaps], [("a", 1), ("b", 1)])

    def test_a_damaged_journal_is_told(self):
        self.make_journaled()
        self.ok("pub", "s", "one", "two")
        self.record_all()
        copy = self.work / "copy"
        shutil.copytree(self.journal_of(), copy)
        segment = sorted(copy.glob("*.seg"))[0]
        self.patch(segment, segment.read_bytes().index(b"one"), b"0ne")
        self.refused(3, "diff", "s", copy, names=[copy])

    def test_json_keys(self):
        self.publish("a", numbers(without=[20]))
        self.publish("b", numbers(changed=[10], without=[30]))
        changed, only_in_b, only_in_a, summary = self.differ("a", "b", "--json").json_lines
        self.assertEqual(list(changed),
                         ["kind", "a_seq", "b_seq", "differs", "first_byte", "a", "b"])
        self.assertEqual((changed["differs"], changed["first_byte"]), (["payload"], 2))
        self.assertEqual((changed["a"]["data"], changed["b"]["data"]), ("10", "10 changed"))
        self.assertEqual(list(changed["a"]),
                         ["stream", "seq", "time", "time_ns", "type", "size_bytes", "data"])
        self.assertEqual(list(only_in_a), ["kind", "a_seq", "b_seq", "a", "b"])
        self.assertEqual((only_in_a["a"]["data"], only_in_a["b"]), ("30", None))
        self.assertEqual((only_in_b["a"], only_in_b["b"]["data"]), (None, "20"))
        self.assertEqual(summary, {"kind": "summary", "a_name": "a", "b_name": "b", "equal": False,
                                   "same": 97, "changed": 1, "only_in_a": 1, "only_in_b": 1,
                                   "lost_in_a": 0, "lost_in_b": 0, "shown": 3})
        self.assertTrue(self.ok("diff", "a", "a", "--json").json["equal"])

    def test_limit_and_quiet(self):
        self.publish("a", numbers())
        self.publish("b", numbers(changed=range(1, 101, 5)))
        self.assertEqual(len([line for line in self.differ("a", "b").lines
                              if line.startswith("changed")]), 10)
        ran = self.differ("a", "b", "--limit", "0")
        self.assertEqual(ran.lines, ["20 differences are not shown (--limit)",
                                     "80 same, 20 changed, 0 only in A, 0 only in B"])
        ran = self.differ("a", "b", "--limit", "19")
        self.assertEqual(ran.lines[-2], "1 more difference is not shown (--limit)")
        self.assertEqual(self.differ("a", "b", "-q").text, "")
        self.assertEqual(self.differ("a", "b", "-q", "--json").text, "")

    def test_bad_input(self):
        self.publish("orders", numbers())
        nowhere = self.work / "nowhere"
        self.refused(4, "diff", "orders", "nobody", names=["'nobody'", self.rings, self.journals])
        self.refused(4, "diff", nowhere, "orders", names=[nowhere])
        ran = self.refused(4, "diff", "orders", "ordres", names=["'ordres'", "'orders'"])
        self.assertEqual(ran.errors.splitlines()[1], "  try: tailrace diff orders orders")
        self.refused(2, "diff", "orders", names=["B"])
        self.refused(2, "diff", "orders", "a b", names=["a b"])
        self.refused(2, "diff", "orders", "orders", "--ignore", "time,size",
                     names=["--ignore", "'size'", "time, type, key"])
        self.refused(2, "diff", "orders", "orders", "--ignore", "time", "--ignore", "key",
                     names=["--ignore"])
        self.refused(2, "diff", "orders", "orders", "--from", "1", "--from", "2", names=["--from"])
        self.refused(2, "diff", "orders", "orders", "--by", "type", names=["--by", "order"])
        self.refused(2, "diff", "orders", "orders", "--by", "key", "--ignore", "key",
                     names=["--by key", "--ignore key"])
        self.refused(2, "diff", "orders", "orders", "--format", "raw", names=["diff", "json"])
        self.refused(2, "diff", "orders", "orders", "--limit", "many", names=["--limit", "many"])

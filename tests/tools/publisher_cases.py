"""publisher, pub and replay --identity: events that are published once, whatever is killed."""

import signal

from sandbox import Case

SMALL = ("--capacity", "64KiB", "--max-event", "4KiB")


class Publisher(Case):
    def publish(self, count, *words, name="gateway"):
        lines = "".join(f"{n}\n" for n in range(1, count + 1)).encode()
        return self.ok("pub", "s", "--identity", name, *words, stdin=lines)

    def publishers(self):
        document = self.ok("publisher", "ls", "s", "--json").json
        return {row["publisher"]: row for row in document["publishers"]}

    def numbers(self):
        return [int(text) for text in self.payloads("tail", "s", "--from", "start", "-e")]

    def test_of_the_same_input_again_only_what_is_new(self):
        self.ok("create", "s", *SMALL)
        self.assertIn("published 5 events", self.publish(5).text)
        ran = self.publish(8, "--json").json
        self.assertEqual((ran["events"], ran["known_events"], ran["first_seq"]), (3, 5, 5))
        self.assertIn("8 events had been published before", self.publish(8).text)
        self.assertEqual(self.numbers(), list(range(1, 9)))
        row = self.publishers()["gateway"]
        self.assertEqual((row["last_own_seq"], row["kept_own_seq"], row["duplicates"], row["pid"]),
                         (8, None, 5 + 8, None))
        self.assertRegex(self.ok("publisher", "ls", "s").text, r"(?m)^gateway +8 +- +13 +away$")
        # Of made-up events too: so many in all.
        for expected in (7, 0):
            ran = self.ok("pub", "s", "--identity", "maker", "--size", "10", "-n", "7", "--json")
            self.assertEqual(ran.json["events"], expected)

    def test_a_second_owner_is_refused_with_the_first_ones_process(self):
        self.ok("create", "s", *SMALL)
        first = self.start("pub", "s", "--identity", "gateway", "--rate", "10/s", "--size", "9")
        self.wait_until("it to publish",
                        lambda: self.publishers().get("gateway", {}).get("last_own_seq", 0) > 0)
        self.refused(13, "pub", "s", "x", "--identity", "gateway", names=[first.pid, "gateway"])
        self.refused(13, "publisher", "set", "s", "gateway", "--to", "1", names=[first.pid])
        self.refused(13, "publisher", "rm", "s", "gateway", names=[first.pid])
        self.assertEqual(self.publishers()["gateway"]["pid"], first.pid)
        first.send_signal(signal.SIGKILL)
        first.wait()
        self.publish(1)

    def test_set_and_rm(self):
        self.ok("create", "s", *SMALL)
        self.assertIn("nobody publishes", self.ok("publisher", "ls", "s").errors)
        self.publish(5)
        self.assertIn("up to 2", self.ok("publisher", "set", "s", "gateway", "--to", "2").text)
        self.publish(5)
        self.assertEqual(self.numbers(), [1, 2, 3, 4, 5, 3, 4, 5])
        ran = self.refused(4, "publisher", "rm", "s", "gatewya", names=["gatewya"])
        self.assertIn("did you mean 'gateway'?", ran.errors)
        self.assertEqual(self.ok("publisher", "rm", "s", "gateway", "--json").json,
                         {"removed": "gateway"})
        self.assertEqual(self.publishers(), {})
        self.refused(2, "pub", "s", "x", "--identity", "no/name", names=["no/name"])
        self.refused(4, "publisher", "ls", "other", names=["other"])

    def test_beside_a_journal_it_outlives_the_ring(self):
        self.ok("create", "s", *SMALL, "--journal")
        recorder = self.start_recorder()
        self.publish(6, "--durable")
        self.wait_until("the keeper", lambda: self.publishers()["gateway"]["kept_own_seq"] == 6)
        self.end(recorder)
        self.ok("rm", "s", "--yes")
        self.ok("create", "s", *SMALL, "--journal")
        self.refused(18, "pub", "s", "x", "--identity", "gateway", names=["s"])
        recorder = self.start_recorder()
        ran = self.publish(9, "--durable", "--json").json
        self.assertEqual((ran["events"], ran["known_events"], ran["durable"]), (3, 6, True))
        ran = self.publish(9, "--durable", "--json").json
        self.assertEqual((ran["events"], ran["known_events"], ran["durable"]), (0, 9, True))
        self.end(recorder)
        self.assertEqual([int(text) for text in self.payloads("replay", "s")],
                         list(range(1, 10)))


class Replay(Case):
    """A replay under a name: s is the journal, copy the stream that it goes into."""

    def setUp(self):
        super().setUp()
        self.make_journaled()
        self.make(stream="copy")

    def replay(self, *words, **options):
        return self.ok("replay", "s", "--into", "copy", "--identity", "lab", "--speed", "max",
                       "--json", *words, **options)

    def copied(self):
        return self.payloads("tail", "copy", "--from", "start", "-e")

    def identity(self):
        row, = self.ok("publisher", "ls", "copy", "--json").json["publishers"]
        return row["publisher"]

    def test_killed_and_begun_again_it_publishes_each_event_once(self):
        events = [f"event {n}" for n in range(40)]
        self.ok("pub", "s", "--rate", "100/s", *events)
        self.record_all()
        for end in (3, 12, 20):
            replay = self.start("replay", "s", "--into", "copy", "--identity", "lab")
            self.wait_until("some events", lambda end=end: self.end_sequence("copy") > end)
            self.kill(replay)
        ran = self.replay()
        self.assertEqual(self.copied(), events)
        self.assertEqual((ran.json["events"] < 20, ran.json["identity"]), (True, "lab"))
        self.assertIn("has published below sequence", ran.errors)
        self.assertRegex(self.identity(), r"^lab\.[0-9a-f]{8}$")
        self.assertEqual(self.replay().json["events"], 0)
        # By another name it is another replay.
        self.ok("replay", "s", "--into", "copy", "--identity", "again", "--speed", "max")
        self.assertEqual(self.copied(), events * 2)

    def test_two_journals_are_two_identities(self):
        self.make_journaled(stream="t")
        for stream in "st":
            self.ok("pub", stream, f"{stream}1", f"{stream}2")
            self.record_all(stream)
        for stream in "stst":
            self.ok("replay", stream, "--into", "copy", "--identity", "lab", "--speed", "max")
        self.assertEqual(self.copied(), ["s1", "s2", "t1", "t2"])

    def test_ranges_and_types(self):
        for number in range(6):
            self.ok("pub", "s", f"{number}", "--type", number % 2)
        self.record_all()
        self.assertEqual(self.replay("--to", "3", "--type", "1").json["events"], 1)
        self.assertEqual(self.replay("--from", "1", "--type", "1").json["events"], 2)
        self.assertEqual(self.copied(), ["1", "3", "5"])

    def test_what_is_not_durable_yet_is_left_for_the_next_one(self):
        recorder = self.start_recorder("--sync", "none")
        self.ok("pub", "s", "a", "b", "c")
        self.wait_until("the journal", lambda: len(self.payloads("replay", "s")) == 3)
        self.assertEqual(self.replay().json["events"], 0)
        self.end(recorder)
        self.assertEqual(self.replay().json["events"], 3)
        self.assertEqual(self.copied(), ["a", "b", "c"])

    def test_a_journal_that_has_lost_what_was_published_is_refused(self):
        self.ok("pub", "s", "a", "b")
        self.record_all()
        older = self.work / "older"
        self.ok("backup", "s", older)
        self.ok("pub", "s", "c", "d")
        self.record_all()
        self.replay()
        ran = self.refused(12, "replay", older, "--into", "copy", "--identity", "lab",
                           names=["copy", "sequence 3", "before 2"])
        self.assertIn(f"publisher set copy {self.identity()} --to 2", ran.errors)

    def test_what_retention_took_before_it_was_published_is_told(self):
        self.ok("pub", "s", "a", "b", "c")
        self.record_all()
        self.replay("--to", "2")
        recorder = self.start_recorder()
        self.ok("pub", "s", "--size", "4000", "-n", "600", "--durable")
        self.end(recorder)
        self.ok("trim", "s", "--before", "end", "--yes")  # c goes with the rest of its segment
        first = self.ok("inspect", self.journal_of(), "--json").json["first_seq"]
        self.assertGreater(first, 2)
        ran = self.refused(11, "replay", "s", "--into", "copy", "--identity", "lab",
                           names=["copy", "below sequence 2", f"begins at {first}"])
        self.assertIn(f"--from {first}", ran.errors)
        self.assertEqual(self.replay("--from", first, "--to", first + 1).json["events"], 1)

    def test_what_goes_back_or_never_ends_has_no_name(self):
        for words in (("--loop", "2"), ("--follow",), ("--step",), ("-n", "2")):
            self.refused(2, "replay", "s", "--into", "copy", "--identity", "lab", *words,
                         names=["--identity"])
        self.refused(2, "replay", "s", "--identity", "lab", names=["--into"])

"""publisher, and pub --identity: events that are published once, whatever is killed."""

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

"""The figures that lag and inspect show: statistics, who holds publishers up."""

from sandbox import Case

SMALL = ("--capacity", "64KiB")  # 2048 events of eight bytes


class Figures(Case):
    def inspect(self, stream="s"):
        return self.ok("inspect", stream, "--json").json

    def test_inspect_counts_by_slot_and_in_all(self):
        self.make("--capacity", "1MiB", "--single")
        reader = self.start("tail", "s", "--policy", "gate", "--name", "r", "--from", "start")
        self.wait_for_reader("r")
        self.ok("pub", "s", "x", "-n", "7")
        self.wait_until("seven events read", lambda: self.reader("r")["seq"] == 7)
        document = self.inspect()
        counts = document["readers"][0]["counts"]
        self.assertEqual((counts["events"], counts["bytes"]), (7, 7 * 32))
        self.assertIsInstance(counts["sleep_ns"], str)
        self.assertEqual(document["all_publishers"]["events"], 7)
        self.assertEqual(document["ring_bytes_written"], 7 * 32)
        self.assertEqual((document["publisher_attaches"], document["reader_attaches"]), (1, 1))
        self.wait_until("the reader to sleep",
                        lambda: self.inspect()["readers"][0]["counts"]["sleeps"] > 0)
        text = self.ok("inspect", "s").text
        self.assertRegex(text, r"(?m)^PUBLISHER +EVENTS +BYTES .* EVICTED$")
        self.assertRegex(text, r"(?m)^all 1 +7 +224 B ")
        self.assertRegex(text, r"(?m)^r +7 +224 B +0 ")
        self.end(reader)
        self.assertEqual(self.inspect()["all_readers"]["events"], 7)

    def test_inspect_counts_losses(self):
        self.make(*SMALL)
        reader = self.start("tail", "s", "--name", "late", "--policy", "skip", "--delay", "1h",
                            "--from", "start")
        self.wait_for_reader("late")
        self.ok("pub", "s", "x")
        self.wait_until("the first event to be read", lambda: self.reader("late")["seq"] == 1)
        self.kill(reader)
        self.ok("pub", "s", "x", "-n", "5000")
        ran = self.ok("tail", "s", "-e", "--policy", "skip", "--from", "start", "--format", "raw")
        self.assertEqual(self.inspect()["all_readers"]["events"], 1 + len(ran.lines))

    def test_lag_names_who_holds_a_publisher_up(self):
        self.make(*SMALL)
        reader = self.start("tail", "s", "--policy", "gate", "--name", "stuck", "--delay", "1h")
        self.wait_for_reader("stuck")
        self.assertEqual(self.ok("lag", "s", "--json").json["holders"], [])
        publisher = self.start("pub", "s", "x", "-n", "3000", "--name", "feed")

        def held():
            holders = self.ok("lag", "s", "--json").json["holders"]
            return holders if holders and holders[0]["held_up"] else None

        holder = self.wait_until("the publisher to be held up", held)[0]
        self.assertEqual(
            list(holder), ["stream", "kind", "slot", "name", "pid", "room_bytes", "held_up"])
        self.assertEqual((holder["kind"], holder["name"], holder["pid"]),
                         ("reader", "stuck", reader.pid))
        self.assertLess(holder["room_bytes"], 64)
        self.assertEqual(list(holder["held_up"][0]),
                         ["publisher", "pid", "held_ns", "by_kind", "by_slot"])
        self.assertEqual(holder["held_up"][0]["publisher"], "feed")
        self.assertGreater(int(holder["held_up"][0]["held_ns"]), 0)
        text = self.ok("lag", "s").text
        self.assertRegex(
            text, rf"s: publisher 'feed' \(pid {publisher.pid}\) has been held up for [\d.]+ \w+ "
                  rf"by reader 'stuck' \(pid {reader.pid}\)")
        self.assertRegex(text, rf"s: reader 'stuck' \(pid {reader.pid}\) holds publishers back: "
                               r"room for \d+ B is left")
        document = self.inspect()["publishers"][0]["counts"]
        self.assertGreater(document["refused_claims"], 0)
        self.assertGreater(document["sleeps"], 0)
        self.kill(reader)
        self.end(publisher, by=None)
        self.assertEqual(self.ok("lag", "s", "--json").json["holders"], [])

    def test_lag_shows_no_control_characters_of_a_holder(self):
        self.make(*SMALL)
        reader = self.start("tail", "s", "--policy", "gate", "--name", "a\033[2J", "--delay", "1h")
        self.wait_for_reader("a\033[2J")
        self.start("pub", "s", "x", "-n", "3000", "--name", "b\033[2J")
        self.wait_until("a held publisher",
                        lambda: "has been held up" in self.ok("lag", "s").text)
        self.assertNotIn("\033", self.ok("lag", "s").text)
        self.kill(reader)

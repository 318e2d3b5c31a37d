"""A terminal's height, and a terminal that is resized while a command is at work."""

import re
import signal

from sandbox import Case
from terminal import Terminal

COLOUR = re.compile("\x1b\\[[0-9;]*m")
CLEARED = "\x1b[H\x1b[2J"
CURSORS = 40


class Watching(Case):
    def setUp(self):
        super().setUp()
        self.make(stream="calm")
        for number in range(CURSORS):
            self.ok("cursor", "set", "calm", f"place-{number}", "--to", "start")
        # The one that is in trouble stands behind all others.
        self.make(stream="wild")
        reader = self.start("tail", "wild", "--policy", "gate", "--name", "victim")
        self.wait_for_reader("victim", "wild")
        self.kill(reader)

    def frame(self, terminal, behind=0):
        """The next whole screen: where it ends, and its lines."""
        begin = terminal.read_until(CLEARED, behind)
        end = terminal.read_until(CLEARED, begin) - len(CLEARED)
        return end, COLOUR.sub("", terminal.shown[begin:end]).split("\r\n")

    def check(self, lines, columns, rows):
        # The cursor stands in the line behind the last one.
        self.assertEqual(lines[-1], "")
        self.assertLessEqual(len(lines), rows, lines)
        self.assertLessEqual(max(map(len, lines)), columns, lines)
        readers = [line for line in lines if re.match(r"(calm|wild) ", line)]
        self.assertIn("victim", readers[-1])
        more = int(re.search(r"(?m)^and (\d+) more, none in trouble", "\n".join(lines)).group(1))
        self.assertEqual(len(readers) + more, CURSORS + 1)
        self.assertGreater(len(readers), rows // 2)

    def test_lag_shows_as_much_as_there_is_room_for_and_says_how_much_more_there_is(self):
        terminal = Terminal(self, "lag", "--watch", "10ms", columns=80)
        for rows, columns in ((24, 80), (12, 100), (30, 60)):
            terminal.resize(columns, rows)
            end, lines = self.frame(terminal, len(terminal.shown))
            while len(lines) != rows:
                end, lines = self.frame(terminal, end)
            self.check(lines, columns, rows)
        terminal.press("\x03")
        terminal.ends(0)

    def test_lag_fills_a_terminal_that_is_resized_at_once(self):
        terminal = Terminal(self, "lag", "--watch", "1h", columns=80)
        end = terminal.read_until("more, none in trouble")
        terminal.resize(100, 12)
        begin = terminal.read_until(CLEARED, end)
        end = terminal.read_until("more, none in trouble", begin)
        self.assertEqual(terminal.shown.count("\n", begin, end), 10)
        terminal.press("\x03")
        terminal.ends(0)

    def test_lag_of_a_few_is_shown_whole_and_a_pipe_gets_all(self):
        terminal = Terminal(self, "lag", "wild", "--watch", "10ms", columns=80)
        _, lines = self.frame(terminal)
        self.assertNotIn(" more, ", "\n".join(lines))
        terminal.process.send_signal(signal.SIGINT)
        terminal.ends(0)
        watch = self.start("lag", "--watch", "10ms")
        lines = [self.read_line(watch) for _ in range(CURSORS + 3)]
        self.assertEqual(len([line for line in lines if "place-" in line]), CURSORS)
        self.end(watch)


class Bars(Case):
    def test_a_bar_is_as_wide_as_the_terminal_has_become(self):
        self.make(stream="orders-of-a-name-that-is-long")
        terminal = Terminal(self, "pub", "orders-of-a-name-that-is-long", "x", "-n", "100000",
                            "--rate", "20/s", columns=100)
        end = terminal.read_until(" left\x1b[K")
        self.assertGreater(len(terminal.shown.split("\r")[-1]), 60)
        terminal.resize(50, 24)
        # What was on its way may still be as wide as before.
        end = terminal.read_until("\x1b[K", terminal.read_until("\r", end))
        begin = terminal.read_until("\r", end)
        end = terminal.read_until("\x1b[K", begin)
        self.assertLess(end - begin - len("\x1b[K"), 50, terminal.shown[begin:end])
        terminal.press("\x03")
        terminal.ends(130)


class FullDisk(Case):
    def test_what_would_go_on_for_ever_ends_when_its_output_is_full(self):
        self.make_journaled()
        self.ok("pub", "s", "x" * 1000, "-n", "100")
        self.record_all()
        for words in (("replay", "s", "--loop", "0"), ("tail", "s", "s", "--from", "start"),
                      ("lag", "s", "--watch", "1h")):
            with open("/dev/full", "wb") as full:
                ran = self.run_into(full, *words)
            self.assertEqual(ran.returncode, 9, (words, ran.stderr))
            self.assertIn(b"cannot write the output", ran.stderr.splitlines()[-2])

"""tailrace top, on terminals of several sizes: what is drawn, and what keys do."""

import re
import shutil
import signal

from pane import Pane
from sandbox import Case
from terminal import Terminal


class Top(Case):
    def setUp(self):
        super().setUp()
        if shutil.which("tmux") is None:
            self.skipTest("there is no tmux here")

    def make_readers(self):
        """A stream that is read, and one whose reader has stopped: nobody reads on."""
        self.make(stream="calm")
        self.ok("pub", "calm", "one", "two")
        self.make(stream="wild")
        reader = self.start("tail", "wild", "--policy", "gate", "--name", "victim")
        self.wait_for_reader("victim", "wild")
        reader.send_signal(signal.SIGSTOP)
        self.ok("pub", "wild", "x", "-n", "10")
        self.kill(reader)
        self.start("tail", "calm", "--policy", "skip", "--name", "risk")
        self.wait_for_reader("risk", "calm")

    def pane(self, *words, **options):
        return Pane(self, ["top", "--interval", "50ms", *words], **options)

    def wait_for(self, pane, pattern):
        """Waits until a line of the screen has it; returns the whole screen."""
        def seen():
            lines = pane.screen()
            return lines if any(re.search(pattern, line) for line in lines) else None
        return self.wait_until(f"'{pattern}' in {pane.screen()}", seen)

    def row(self, lines, name):
        found = [line for line in lines if re.match(rf" *{name}\b", line)]
        self.assertEqual(len(found), 1, lines)
        return found[0]


class Drawing(Top):
    def test_streams_and_readers_with_rates_lag_and_state(self):
        self.make_readers()
        publisher = self.start("pub", "calm", "x", "--repeat", "--rate", "2000/s")
        with self.pane() as pane:
            lines = self.wait_for(pane, r"^calm .* [1-9][0-9.]*[k/].*[▁▂▃▄▅▆▇█]")
            self.assertRegex(lines[0], r"^tailrace top  \d\d:\d\d:\d\dZ  2 streams  2 readers")
            self.assertRegex(lines[1], "^STREAM +STATE +RATE +LAG")
            # What is in trouble comes first, a stream with its readers.
            order = [line.split()[0] for line in lines[2:6]]
            self.assertEqual(order, ["wild", "victim", "calm", "risk"], lines)
            self.assertRegex(self.row(lines, "victim"), r"STOPPED .* 10 ")
            self.assertRegex(lines[-1], "^q quit  s sort")
            self.assertEqual(len(lines), 24)
        self.kill(publisher)

    def test_it_fits_80_200_and_20_columns_and_follows_a_window_that_is_resized(self):
        self.make_readers()
        with self.pane() as pane:
            self.wait_for(pane, "victim")
            for columns, rows, has, has_not in ((80, 24, "LAG-TIME", "BYTES"),
                                                (200, 60, "BYTES", "no such"),
                                                (20, 10, "STATE", "LAG"), (80, 24, "LAG", "BYTES")):
                pane.resize(columns, rows)
                lines = self.wait_until(f"{columns} columns", lambda: self.whole(
                    pane, rows, has))
                self.assertNotIn(has_not, lines[1])
                self.assertLessEqual(max(map(len, lines)), columns)
                self.assertIn("STOPPED", self.row(lines, "victim"))
            # Smaller than anything makes sense: nothing breaks.
            pane.resize(3, 2)
            self.wait_until("a tiny screen", lambda: len(pane.screen()) == 2)
            pane.resize(80, 24)
            self.wait_until("a whole one", lambda: self.whole(pane, 24, "LAG"))
            pane.press("q")
            self.wait_until("the end", pane.is_over)
            self.assertEqual(pane.captured()[-1], "ended with 0")

    def whole(self, pane, rows, heading):
        lines = pane.screen()
        is_whole = (len(lines) == rows and heading in lines[1] and lines[-1].startswith("q quit")
                    and any("victim" in line for line in lines))
        return lines if is_whole else None

    def test_what_stays_is_not_drawn_again(self):
        self.make_readers()
        terminal = Terminal(self, "top", "--interval", "20ms", columns=80)
        end = terminal.read_until("q quit")
        # The clock alone moves.
        for _ in range(2):
            before = len(terminal.shown)
            self.wait_until("the next second", lambda: terminal.read_some() and
                            len(terminal.shown) > before)
        later = terminal.shown[end:]
        self.assertNotIn("\x1b[2J", later)
        self.assertNotIn("\x1b[J", later)
        self.assertNotIn("victim", later)
        terminal.press("q")
        terminal.ends(0)
        self.assertEqual(terminal.modes(), terminal.modes_before)

    def test_red_is_what_is_to_be_acted_on_and_no_color_is_heeded(self):
        self.make_readers()
        for environment, is_coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            with self.pane(environment=environment) as pane:
                self.wait_for(pane, "victim")
                line = next(line for line in pane.screen("-e") if "victim" in line)
                self.assertEqual("\x1b[31m" in line, is_coloured, line)

    def test_blocks_are_drawn_where_the_terminal_knows_them(self):
        self.make_readers()
        publisher = self.start("pub", "calm", "x", "--repeat", "--rate", "2000/s")
        with self.pane(environment={"LC_ALL": "C"}) as pane:
            self.wait_for(pane, r"^calm .*[=+*#@]")
            self.assertTrue("\n".join(pane.screen()).isascii())
        self.kill(publisher)


class Keys(Top):
    def test_sort_pause_help_and_quit(self):
        self.make_readers()
        with self.pane("--sort", "name") as pane:
            lines = self.wait_for(pane, "by name")
            self.assertEqual([line.split()[0] for line in lines[2:6]],
                             ["calm", "risk", "wild", "victim"])
            pane.press("s")
            lines = self.wait_for(pane, "by trouble")
            self.assertEqual(lines[2].split()[0], "wild")
            pane.press("p")
            self.wait_for(pane, "PAUSED")
            before = pane.screen()
            self.ok("rm", "calm", "--yes", "--force")
            self.make(stream="new")
            # Many looks later nothing has moved; and then all at once.
            watch = self.start("lag", "wild", "--watch", "50ms")
            for _ in range(20):
                self.read_line(watch)
            self.assertEqual(pane.screen(), before)
            pane.press("Space")
            lines = self.wait_for(pane, "^new ")
            self.assertFalse([line for line in lines if line.startswith("calm")])
            pane.press("?")
            lines = self.wait_for(pane, "^HELP")
            self.assertIn("Enter             look into a stream", "\n".join(lines))
            pane.press("Escape")
            self.wait_for(pane, "^STREAM")
            pane.press("q")
            self.wait_until("the end", pane.is_over)

    def test_looking_into_a_reader_and_a_stream_that_goes_meanwhile(self):
        self.make_readers()
        with self.pane("--sort", "name") as pane:
            self.wait_for(pane, "victim")
            pane.press("G")
            pane.press("Enter")
            lines = self.wait_for(pane, "^wild / victim")
            text = "\n".join(lines)
            self.assertRegex(text, r"(?m)^lag_events +10$")
            # What the screen has no room for is below.
            pane.press("End")
            self.wait_for(pane, r"^state +STOPPED$")
            pane.press("Escape")
            self.wait_for(pane, "^STREAM")
            pane.press("Home")
            pane.press("Enter")
            lines = self.wait_for(pane, "^calm$")
            self.assertRegex("\n".join(lines), r"(?m)^end_seq +2$")
            self.assertFalse([line for line in lines if "policy" in line])
            self.ok("rm", "calm", "--yes", "--force")
            self.wait_for(pane, "this stream has gone")
            pane.press("Enter")
            lines = self.wait_for(pane, "^STREAM")
            self.assertEqual(lines[2].split()[0], "wild")
            # The last one goes, and there is nothing to choose from.
            self.ok("rm", "wild", "--yes", "--force")
            self.wait_for(pane, "there are no streams")
            for key in ("Down", "Enter", "s", "PageDown", "End", "x"):
                pane.press(key)
            self.make(stream="again")
            self.wait_for(pane, "^again ")

    def test_two_hundred_streams_are_walked_through(self):
        for number in range(200):
            self.make("--capacity", "64KiB", stream=f"stream-{number:03}")
        with self.pane("--sort", "name") as pane:
            self.wait_for(pane, "200 streams")
            pane.press("End")
            lines = self.wait_for(pane, "^stream-199")
            self.assertTrue(lines[2].startswith("stream-179"), lines)
            pane.press("PageUp")
            self.wait_for(pane, "^stream-178")
            pane.press("Home")
            self.wait_for(pane, "^stream-000")

    def test_a_signal_ends_it_and_the_terminal_is_as_it_was(self):
        self.make()
        for send in (lambda terminal: terminal.press("\x03"),
                     lambda terminal: terminal.process.send_signal(signal.SIGTERM)):
            terminal = Terminal(self, "top", columns=80)
            terminal.read_until("q quit")
            send(terminal)
            terminal.ends(0)
            self.assertEqual(terminal.modes(), terminal.modes_before)


class Refusals(Case):
    def test_what_is_no_terminal_is_refused(self):
        self.refused(2, "top", names=("draws on a terminal", "stdout"))
        self.refused(2, "top", "--interval", "soon", names=("--interval",))
        code, shown = self.on_terminal("top", "--json")
        self.assertEqual(code, 2, shown)
        terminal = Terminal(self, "top", term="no-such-terminal")
        terminal.ends(1)
        self.assertIn("nobody here knows terminals of the type 'no-such-terminal'", terminal.shown)

    def test_watching_leaves_no_trace(self):
        self.make()
        before = self.ok("inspect", "s", "--json").json
        terminal = Terminal(self, "top", "--interval", "10ms", columns=80)
        terminal.read_until("q quit")
        self.ok("pub", "s", "x", "-n", "1000")
        after = self.ok("inspect", "s", "--json").json
        self.assertEqual(after["readers"], [])
        self.assertEqual(before["reader_attaches"], after["reader_attaches"])
        terminal.press("q")
        terminal.ends(0)

"""What fits a terminal: no line of lag, ls, inspect, doctor or verify wraps in one of 80 columns,
with long names, large numbers and many readers; a pipe gets all of it."""

import re
import shutil

from pane import Pane
from sandbox import Case
from terminal import Terminal

STREAM = "orders-of-" + "a-very-long-name-" * 3 + "x9"
COLOUR = re.compile("\x1b\\[[0-9;]*m")
EVENTS = 1_500_000


class Widths(Case):
    """A stream that is in a bad way, and its journal too."""

    def setUp(self):
        super().setUp()
        self.make("--capacity", "64KiB", "--max-event", "4KiB", "--journal", stream=STREAM)
        self.ok("pub", STREAM, "one", "two")
        self.record_all(stream=STREAM)
        segment = self.segments_of(STREAM)[0]
        self.patch(segment, segment.read_bytes().index(b"one"), b"0ne")
        self.readers = [
            self.start("tail", STREAM, "--policy", "skip", "--delay", "1h", "--name",
                       f"reader-of-{'a-very-long-name-' * 2}{number}") for number in range(12)]
        for number in range(12):
            self.wait_for_reader(f"reader-of-{'a-very-long-name-' * 2}{number}", STREAM)
        self.ok("pub", STREAM, "x", "-n", EVENTS)

    def hold_publishers_up(self):
        name = "stuck-" + "y" * 40
        self.start("tail", STREAM, "--policy", "gate", "--delay", "1h", "--name", name)
        self.wait_for_reader(name, STREAM)
        self.start("pub", STREAM, "x", "-n", 10_000, "--name", "held-" + "z" * 40)
        self.wait_until("a held publisher",
                        lambda: "BLOCKING" in self.ok("lag", STREAM, "--json").text)

    COMMANDS = (
        ("lag", STREAM, 0), ("lag", STREAM, "--reader", "journal", "--fail-above", "1ev", 6),
        ("ls", 0), ("inspect", STREAM, 0), ("inspect", "{journal}", "--segments", 0),
        ("doctor", 0), ("verify", STREAM, 3), ("repair", STREAM, 3))

    def commands(self):
        for *words, code in self.COMMANDS:
            yield [str(word).format(journal=self.journal_of(STREAM)) for word in words], code

    def shown(self, *words, columns=80, code=0):
        terminal = Terminal(self, *words, columns=columns)
        terminal.ends(code)
        return terminal.screen()

    def widest(self, lines):
        return max((COLOUR.sub("", line) for line in lines), key=len)

    def test_no_line_is_wider_than_the_terminal(self):
        self.hold_publishers_up()
        for words, code in self.commands():
            for columns in (80, 60, 132):
                lines = self.shown(*words, columns=columns, code=code)
                self.assertGreater(len(lines), 1, words)
                self.assertLessEqual(len(self.widest(lines)), columns, (words, lines))

    def test_what_was_done_fits_too(self):
        self.make_journaled(stream="neat")
        self.ok("pub", "neat", "x")
        self.record_all("neat")
        deep = self.work / ("deep-" * 20)
        deep.mkdir()
        twin = "twin-of-" + STREAM[:-8]
        for words in (("version",), ("cursor", "set", "neat", STREAM, "--to", "start"),
                      ("cursor", "ls", "neat"), ("cursor", "show", "neat", STREAM),
                      ("backup", "neat", deep / "copy"), ("compress", deep / "copy"),
                      ("trim", deep / "copy", "--keep-events", "1", "--yes"),
                      ("create", twin, f"--journal={deep}/twin", "--capacity", "64KiB"),
                      ("pub", twin, "x"), ("rm", twin, "--yes", "--force"),
                      ("rm", f"{deep}/copy/", "--yes")):
            lines = self.shown(*words)
            self.assertLessEqual(len(self.widest(lines)), 80, (words, lines))
            self.assertNotEqual(lines, [""], words)

    def test_a_table_says_what_it_leaves_out(self):
        text = "\n".join(self.shown("lag", STREAM))
        for heading in ("STREAM", "READER", "LAG-EVENTS", "STATE"):
            self.assertRegex(text, rf"(?m)^.*\b{heading}\b.*$")
        self.assertRegex(" ".join(text.split()), r"\(without PID, .*: --wide shows all\)")
        self.assertIn(f"{EVENTS:,}", text)
        # Those who are told apart by the ends of their names still are.
        names = [line.split()[1] for line in COLOUR.sub("", text).splitlines()
                 if line.startswith("orders") and "reader" in line]
        self.assertEqual((len(names), len(set(names))), (12, 12), text)

    def test_wide_pipes_and_files_get_all_of_it(self):
        piped = {tuple(words): self.run_any(*words).lines for words, _ in self.commands()}
        self.assertRegex(piped[("lag", STREAM)][0],
                         r"^STREAM +READER +PID +POLICY +POSITION +END +LAG-EVENTS +LAG-RING +"
                         r"LAG-TIME +LOST +ROOM +P50 +P99 +MAX +STATE$")
        for words, code in self.commands():
            if words[0] in ("lag", "ls", "inspect"):
                self.assertNotIn("--wide", "".join(piped[tuple(words)]))
            if words[0] in ("ls", "inspect", "doctor", "verify"):
                lines = self.shown(*words, "--wide", code=code)
                self.assertEqual(len(COLOUR.sub("", lines[0])), len(piped[tuple(words)][0]), lines)
        self.assertGreater(len(self.widest(self.shown("lag", STREAM, "--wide"))), 132)

    def test_no_color_is_heeded_and_json_is_one_line(self):
        self.environment["NO_COLOR"] = "1"
        for words, code in self.commands():
            self.assertNotIn("\x1b", "\n".join(self.shown(*words, code=code)), words)
        for words in (("lag", STREAM), ("ls",), ("inspect", STREAM), ("doctor",)):
            lines = [line for line in self.shown(*words, "--json") if line.startswith("{")]
            self.assertEqual(len(lines), 1, lines)
            self.assertGreater(len(lines[0]), 80)

    def test_watching_fits_too(self):
        terminal = Terminal(self, "lag", STREAM, "--watch", "10ms", columns=80)
        behind = terminal.read_until("\x1b[H\x1b[2J")
        behind = terminal.read_until("\x1b[H\x1b[2J", behind)
        end = terminal.read_until("\x1b[H\x1b[2J", behind)
        lines = terminal.shown[behind:end].replace("\x1b[H\x1b[2J", "").split("\r\n")
        self.assertLessEqual(len(self.widest(lines)), 80, lines)
        self.assertIn("STATE", lines[0])
        terminal.press("\x03")
        terminal.ends(0)

    def test_in_tmux_no_line_wraps(self):
        if shutil.which("tmux") is None:
            self.skipTest("there is no tmux here")
        self.hold_publishers_up()
        for words, code in self.commands():
            with Pane(self, words) as pane:
                self.wait_until(f"the end of {words}", pane.is_over)
                shown = pane.captured()
                self.assertGreater(len(shown), 2, words)
                self.assertEqual(shown[-1], f"ended with {code}", words)
                # -J joins what the terminal wrapped.
                self.assertEqual(pane.captured("-J"), shown, words)


    def test_in_tmux_no_bar_wraps(self):
        if shutil.which("tmux") is None:
            self.skipTest("there is no tmux here")
        with Pane(self, ["pub", STREAM, "x", "-n", "100000", "--rate", "20/s"]) as pane:
            self.wait_until("the bar", lambda: "% " in pane.captured()[-1])
            # -J joins what the terminal wrapped.
            self.assertLess(len(pane.captured("-J")[-1]), 80)

    def test_in_tmux_watching_fits_the_height(self):
        if shutil.which("tmux") is None:
            self.skipTest("there is no tmux here")
        for number in range(20):
            self.ok("cursor", "set", STREAM, f"place-{number}", "--to", "start")
        with Pane(self, ["lag", STREAM, "--watch", "50ms"]) as pane:
            self.wait_until("a screen", lambda: pane.captured()[-1].startswith("and "))
            shown = pane.captured("-S", "0")  # the screen alone
            self.assertLess(len(shown), 24, shown)
            self.assertIn("STATE", shown[0])
            self.assertLessEqual(max(map(len, pane.captured("-S", "0", "-J"))), 80)

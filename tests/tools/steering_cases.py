"""replay that a person steers: by lines on stdin, and by the keys of a terminal."""

import os
import pathlib
import signal
import subprocess

from sandbox import Case
from terminal import Terminal

EVENTS = ["one", "two", "three", "four", "five"]
SLOW = "0.0001x"  # a pause between two events: minutes


class Recorded(Case):
    def setUp(self):
        super().setUp()
        self.make_journaled()
        for number, event in enumerate(EVENTS):
            self.ok("pub", "s", event, "--type", number % 2)
        self.record_all()


class Step(Recorded):
    def stepped(self, lines, *words, code=0, **options):
        ran = self.run_any("replay", "s", "--step", "--format", "raw", *words,
                           stdin=lines.encode(), **options)
        self.assertEqual(ran.code, code, ran)
        return ran

    def test_nothing_comes_that_was_not_asked_for(self):
        for lines, expected in (("", 0), ("q\n", 0), ("\n", 1), ("n\nn\n", 2), ("3\n", 3),
                                ("2\n\nq\n\n", 3), ("0\n", 0), (" 2 \r\n", 2), ("n", 1),
                                ("1,000\n", 5)):
            ran = self.stepped(lines)
            self.assertEqual(ran.lines, EVENTS[:expected], ran)
            self.assertIn(f"replayed {expected} events", ran.errors)

    def test_each_event_comes_when_it_is_asked_for(self):
        replay = self.start("replay", "s", "--step", "--format", "raw", stdin=subprocess.PIPE)
        for event in EVENTS[:3]:
            os.write(replay.stdin.fileno(), b"n\n")
            self.assertEqual(self.read_line(replay), event)
        os.write(replay.stdin.fileno(), b"next\n")
        self.read_errors_until(replay, "'next' is no step")
        self.assertEqual(self.end(replay, by=signal.SIGINT, code=130).text, "")

    def test_what_is_no_step_is_said_and_gives_nothing(self):
        for line in ("x", "-1", "1.5", "nn", "g", "go 2", "g 2x", "g @", "99999999999999999999",
                     "\x1b[31m", "y" * 5000):
            ran = self.stepped(line + "\nn\n")
            self.assertEqual(ran.lines, EVENTS[:1], ran)
            told = ran.errors.splitlines()
            self.assertEqual(len(told), 2, ran)
            self.assertTrue(told[0].startswith("tailrace: '"), ran)
            self.assertLess(len(told[0]), 200)
            self.assertNotIn("\x1b", told[0])
        self.assertIn("g POSITION", self.stepped("?\n").errors)

    def test_it_goes_to_positions(self):
        times = [line["time_ns"] for line in self.ok("replay", "s", "--json").json_lines]
        for lines, expected in (("g 3\nn\n", ["four"]), ("n\ng start\n2\n", ["one", "one", "two"]),
                                ("g -2\nn\n", ["four"]), ("g +1\nn\n", ["two"]),
                                ("g end\nn\ng 4\nn\n", ["five"]),
                                ("4\ng 1\nn\n", EVENTS[:4] + ["two"]),
                                (f"g @{times[2]}\nn\n", ["three"]), ("g @-1h\nn\n", ["one"]),
                                ("9\ng 0\n9\n", EVENTS * 2), ("g 1\ng 3\nn\n", ["four"])):
            ran = self.stepped(lines)
            self.assertEqual(ran.lines, expected, ran)

    def test_where_it_cannot_go_it_stays(self):
        for lines in ("n\ng 6\nn\n", "g 6\n2\n"):
            ran = self.stepped(lines)
            self.assertEqual(ran.lines, EVENTS[:2], ran)
            self.assertIn("sequence 6", ran.errors)

    def test_the_end_is_said_when_more_is_asked_for(self):
        self.assertNotIn("the end is", self.stepped("5\n").errors)
        for lines in ("6\n", "5\nn\n", "g end\n\n"):
            self.assertIn("the end is #5", self.stepped(lines).errors)
        ran = self.stepped("9\ng 0\nn\n", "--to", "2")
        self.assertEqual(ran.lines, ["one", "two", "one"], ran)
        self.assertIn("the end is #2", ran.errors)

    def test_a_step_is_an_event_that_is_wanted(self):
        self.assertEqual(self.stepped("n\nn\n", "--type", "1").lines, ["two", "four"])
        ran = self.stepped("9\n9\n", "-n", "2")
        self.assertEqual(ran.lines, EVENTS[:2])
        self.assertNotIn("the end is", ran.errors)
        self.assertEqual(self.stepped("n\n", "--from", "2").lines, ["three"])

    def test_into_a_stream(self):
        self.make(stream="copy")
        replay = self.start("replay", "s", "--step", "--into", "copy", "--json",
                            stdin=subprocess.PIPE)
        for count in (1, 2):
            os.write(replay.stdin.fileno(), b"\n")
            self.wait_for_end(count, "copy")
        os.write(replay.stdin.fileno(), b"?\n")
        self.read_errors_until(replay, "g POSITION")
        self.assertEqual(self.end_sequence("copy"), 2)
        os.write(replay.stdin.fileno(), b"g 4\nn\nq\n")
        report = self.end(replay, by=None).json
        self.assertEqual((report["events"], report["rounds"]), (3, 1))
        self.assertEqual(self.payloads("tail", "copy", "-e"), ["one", "two", "five"])

    def test_an_atomic_batch_is_one_step_into_a_stream(self):
        program = pathlib.Path(self.program).parent / "tests" / "tools" / "atomic_batches"
        subprocess.run([program, "s", "a,b,c", "d"], check=True, env=self.environment)
        self.record_all()
        self.make(stream="copy")
        replay = self.start("replay", "s", "--from", "4", "--step", "--into", "copy", "--json",
                            stdin=subprocess.PIPE)
        # Five, then the batch as a whole, then the one behind it, each for one line.
        for count in (1, 4, 5):
            os.write(replay.stdin.fileno(), b"n\n")
            self.wait_for_end(count, "copy")
            os.write(replay.stdin.fileno(), b"?\n")
            self.read_errors_until(replay, "g POSITION")
            self.assertEqual(self.end_sequence("copy"), count)
        os.write(replay.stdin.fileno(), b"q\n")
        self.assertEqual(self.end(replay, by=None).json["events"], 5)
        self.assertEqual(self.payloads("tail", "copy", "-e"), ["five", "a", "b", "c", "d"])
        # On a screen each event is one.
        self.assertEqual(self.stepped("n\nn\n", "--from", "5").lines, ["a", "b"])

    def test_it_ends_when_nobody_reads_it_any_more(self):
        replay = self.start("replay", "s", "--step", "--format", "raw", stdin=subprocess.PIPE)
        os.write(replay.stdin.fileno(), b"n\n")
        self.assertEqual(self.read_line(replay), "one")
        replay.stdout.close()
        os.write(replay.stdin.fileno(), b"n\n")  # and stdin stays open
        self.assertEqual(replay.wait(timeout=60), 0)
        replay.stdout = open(os.devnull, "rb")  # for whoever cleans up

    def test_a_line_without_end_is_an_error(self):
        ran = self.stepped("n\n" + "y" * (1 << 20) + "y\nn\n", code=14)
        self.assertEqual(ran.lines, EVENTS[:1])

    def test_it_has_no_pace(self):
        for words in (("--speed", "2x"), ("--loop", "2"), ("--follow",), ("--gap-cap", "1s")):
            self.refused(2, "replay", "s", "--step", *words, names=[words[0]])


class Keys(Recorded):
    def replay(self, *words, **options):
        terminal = Terminal(self, "replay", "s", "--format", "raw", *words, **options)
        return terminal

    def stopped_behind_the_first(self):
        """A replay that stands, paused, behind its first event."""
        terminal = self.replay("--speed", SLOW)
        terminal.read_until("at #1")
        terminal.press(" ")
        terminal.read_until("paused")
        return terminal

    def events_on(self, terminal):
        return [line for line in terminal.screen() if line in EVENTS]

    def test_space_stops_it_and_lets_it_go_on(self):
        terminal = self.stopped_behind_the_first()
        # At full speed everything would be out at once.
        terminal.press("m")
        seen = terminal.read_until("full speed  at #1  paused")
        terminal.press("n")
        terminal.read_until("full speed  at #2  paused", seen)
        self.assertEqual(self.events_on(terminal), EVENTS[:2])
        terminal.press(" ")
        terminal.ends(0)
        self.assertEqual(self.events_on(terminal), EVENTS)
        self.assertIn("replayed 5 events", "\n".join(terminal.screen()[-3:]))

    def test_what_was_asked_for_is_forgotten_when_it_goes_on(self):
        terminal = self.stopped_behind_the_first()
        # Read at once: on, and stopped again before anything came.
        terminal.press("nnn  ")
        terminal.press("n")
        terminal.read_until("at #2  paused")
        terminal.press("q")
        terminal.ends(0)
        self.assertEqual(self.events_on(terminal), EVENTS[:2])

    def test_each_n_is_an_event_and_only_while_it_is_stopped(self):
        terminal = self.replay("--speed", SLOW)
        terminal.read_until("at #1")
        terminal.press("n ")
        terminal.read_until("paused")
        terminal.press("m")
        seen = terminal.read_until("full speed  at #1  paused")
        terminal.press("nnn")
        terminal.read_until("at #4  paused", seen)
        terminal.press("q")
        terminal.ends(0)
        self.assertEqual(self.events_on(terminal), EVENTS[:4])

    def test_the_pace_is_changed(self):
        terminal = self.replay("--speed", SLOW)
        seen = terminal.read_until("0.0001x  at #1")
        for keys, shown in (("+", "0.0002x"), (">", "0.0004x"), ("-", "0.0002x"), ("<", "0.0001x"),
                            (" 0", "1x"), ("m", "full speed"), ("+", "full speed"), ("-", "1x"),
                            ("--", "0.25x"), ("m", "full speed"), ("-", "0.25x"),
                            ("-" * 40, "9.537e-07x"), ("+" * 60, "1.049e+06x"), ("0", "1x")):
            terminal.press(keys)
            seen = terminal.read_until(f"  {shown}  at #1", seen)
        self.assertEqual(self.events_on(terminal), EVENTS[:1])
        terminal.press("-----------------")  # and slow again
        terminal.press(" ")
        seen = terminal.read_until("7.629e-06x  at #1  [", seen)
        # Twice as fast again and again, and the pauses are over.
        terminal.press("+" * 34)
        terminal.ends(0)
        self.assertEqual(self.events_on(terminal), EVENTS)
        self.assertIn("in the end, late by", terminal.shown)

    def test_full_speed_and_end(self):
        terminal = self.replay("--speed", SLOW)
        terminal.read_until("at #1")
        terminal.press("m")
        terminal.ends(0)
        self.assertEqual(self.events_on(terminal), EVENTS)

        terminal = self.replay("--speed", SLOW)
        terminal.read_until("at #1")
        terminal.press("q")
        terminal.ends(0)
        self.assertEqual(self.events_on(terminal), EVENTS[:1])
        self.assertIn("replayed 1 events", "\n".join(terminal.screen()[-3:]))

    def test_keys_show_nothing_and_others_do_nothing(self):
        terminal = self.stopped_behind_the_first()
        # An arrow, F9 (which has a 0), Alt-q, and letters.
        terminal.press("zZ\x1b[A\x1b[20~\x1bOm\x1bqz")
        terminal.press("n")
        terminal.read_until("at #2  paused")
        terminal.press("q")
        terminal.ends(0)
        self.assertNotIn("z", terminal.shown.lower())
        self.assertNotIn("^[", terminal.shown)
        self.assertEqual(self.events_on(terminal), EVENTS[:2])

    def test_the_screen_holds_whole_lines(self):
        terminal = self.replay("--speed", SLOW, columns=30)
        seen = terminal.read_until("at #1")
        terminal.press(" ")
        for number in range(2, 5):
            terminal.press("n")
            seen = terminal.read_until(f"at #{number}", seen)
        terminal.press("q")
        terminal.ends(0)
        self.assertEqual(terminal.screen()[:4], EVENTS[:4])
        for part in terminal.shown.split("\r"):
            if part.startswith("replaying"):
                self.assertLessEqual(len(part.split("\x1b")[0]), 29, part)

    def test_a_line_that_is_not_ended_is_not_written_over(self):
        terminal = Terminal(self, "replay", "s", "--speed", SLOW, "-f", "%v,")
        terminal.read_until("one,")
        terminal.press("m")
        terminal.ends(0)
        self.assertIn("one,two,three,four,five,", "".join(terminal.screen()))

    def test_by_keys_into_a_stream(self):
        self.make(stream="copy")
        terminal = Terminal(self, "replay", "s", "--speed", SLOW, "--into", "copy")
        terminal.read_until("at #1")
        terminal.press(" m")
        terminal.read_until("full speed  at #1  paused")
        terminal.press("n")
        terminal.read_until("at #2  paused")
        self.assertEqual(self.end_sequence("copy"), 2)
        terminal.press("q")
        terminal.ends(0)
        self.assertEqual(self.payloads("tail", "copy", "-e"), EVENTS[:2])

    def test_q_ends_it_while_the_stream_has_no_room(self):
        self.make("--capacity", "64KiB", "--max-event", "4KiB", stream="copy")
        reader = self.start("tail", "copy", "--policy", "gate", "--name", "slow", "--rate", "1/s")
        self.wait_for_reader("slow", "copy")
        os.kill(reader.pid, signal.SIGSTOP)
        self.ok("pub", "s", "--size", "1KiB", "-n", "200")
        self.record_all()
        terminal = Terminal(self, "replay", "s", "--speed", "max", "--into", "copy")
        self.wait_until("a full ring", lambda: self.end_sequence("copy") > 40)
        terminal.press("q")
        terminal.ends(0)
        self.assertLess(self.end_sequence("copy"), 205)

    # --- the terminal is as it was

    def ends_with_the_terminal_as_it_was(self, terminal, code):
        terminal.ends(code)
        self.assertEqual(terminal.modes(), terminal.modes_before)

    def test_the_terminal_is_given_back(self):
        for end, code in ((lambda terminal: terminal.press("q"), 0),
                          (lambda terminal: terminal.press("m"), 0),
                          (lambda terminal: terminal.press("\x03"), 130),
                          (lambda terminal: terminal.press("\x1c"), -signal.SIGQUIT),
                          (lambda terminal: terminal.process.terminate(), 130),
                          (lambda terminal: terminal.process.send_signal(signal.SIGHUP),
                           -signal.SIGHUP),
                          (lambda terminal: terminal.process.send_signal(signal.SIGABRT),
                           -signal.SIGABRT)):
            terminal = self.replay("--speed", SLOW)
            terminal.read_until("at #1")
            self.assertTrue(terminal.reads_keys())
            end(terminal)
            self.ends_with_the_terminal_as_it_was(terminal, code)

    def test_a_second_ctrl_c_gives_it_back_too(self):
        terminal = self.replay("--speed", SLOW)
        terminal.read_until("at #1")
        terminal.press("\x13")  # Ctrl-S: nothing is written any more, so it can't come to its end
        terminal.process.send_signal(signal.SIGINT)
        self.wait_until("the first", lambda: not self.has_pending_signals(terminal.process.pid))
        terminal.process.send_signal(signal.SIGINT)
        self.ends_with_the_terminal_as_it_was(terminal, -signal.SIGINT)

    def has_pending_signals(self, pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return any(int(line.split()[1], 16) for line in file
                       if line.startswith(("SigPnd", "ShdPnd")))

    def test_an_error_gives_it_back(self):
        self.make(stream="copy")
        terminal = Terminal(self, "replay", "s", "--speed", SLOW, "--into", "copy")
        terminal.read_until("at #1")
        self.ok("rm", "copy", "--yes", "--force")
        terminal.press("m")
        self.ends_with_the_terminal_as_it_was(terminal, 4)
        self.assertIn("was removed", terminal.shown)

    def test_ctrl_z_gives_it_back_and_fg_takes_it_again(self):
        terminal = self.replay("--speed", SLOW, in_shell=True)
        terminal.read_until("at #1")
        for answer in ("fg", "fg"):
            self.assertTrue(terminal.reads_keys())
            seen = len(terminal.shown)
            terminal.press("\x1a")
            terminal.read_until("STOPPED", seen)
            self.assertEqual(terminal.modes(), terminal.modes_before)
            terminal.press(answer + "\n")
            self.wait_until("the keys", terminal.reads_keys)
        terminal.press("m")
        self.ends_with_the_terminal_as_it_was(terminal, 0)
        self.assertEqual(self.events_on(terminal), EVENTS)

    def test_in_the_background_it_leaves_the_terminal_alone(self):
        self.make(stream="copy")
        terminal = Terminal(self, "replay", "s", "--speed", SLOW, "--into", "copy", in_shell=True)
        seen = terminal.read_until("at #1")
        terminal.press("\x1a")
        terminal.read_until("STOPPED", seen)
        # What is typed now is the shell's.
        terminal.press("bg\nm")
        self.wait_until("going on", lambda: self.state_of_child(terminal) in "SR")
        self.assertEqual(terminal.modes(), terminal.modes_before)
        self.assertEqual(self.end_sequence("copy"), 1)
        os.kill(self.child_of(terminal), signal.SIGTERM)
        self.ends_with_the_terminal_as_it_was(terminal, 130)

    def child_of(self, terminal):
        pid = terminal.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return int(file.read().split()[0])

    def state_of_child(self, terminal):
        with open(f"/proc/{self.child_of(terminal)}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0]

    def test_a_pager_has_the_keys(self):
        terminal = self.replay("--speed", SLOW, stdout=subprocess.PIPE)
        self.assertEqual(self.read_line(terminal.process), "one")
        self.assertEqual(terminal.modes(), terminal.modes_before)
        terminal.process.terminate()
        self.ends_with_the_terminal_as_it_was(terminal, 130)

    def test_quiet_has_keys_and_no_status(self):
        terminal = self.replay("--speed", SLOW, "-q")
        terminal.read_until("one")
        terminal.press("m")
        terminal.ends(0)
        self.assertEqual(terminal.shown, "\r\n".join(EVENTS) + "\r\n")

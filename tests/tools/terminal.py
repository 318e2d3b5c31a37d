"""A command on a terminal of its own, which is its controlling terminal: keys are pressed, the
screen is read, and what the terminal was told to do is looked at."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

DEADLINE_S = 60

# What a shell does for a job: gives it the terminal, and takes it back when it is stopped.
SHELL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    _, status = os.waitpid(pid, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        sys.exit(os.waitstatus_to_exitcode(status))
    print("STOPPED", flush=True)
    if sys.stdin.readline() == "fg\\n":
        os.tcsetpgrp(0, pid)
    os.kill(pid, signal.SIGCONT)
"""


def take_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    def __init__(self, case, *words, columns=100, in_shell=False, stdout=None,
                 term="xterm"):
        self.case = case
        self.ours, theirs = pty.openpty()
        self.resize(columns, 24)
        self.modes_before = self.modes()
        words = [case.program, *map(str, words)]
        if in_shell:
            words = [sys.executable, "-c", SHELL, *words]
        self.process = subprocess.Popen(
            words, stdin=theirs, stdout=theirs if stdout is None else stdout, stderr=theirs,
            env={**case.environment, "TERM": term}, start_new_session=True,
            preexec_fn=take_terminal)
        case.started.append(self.process)
        os.close(theirs)
        case.addCleanup(os.close, self.ours)
        self.shown = ""

    def resize(self, columns, rows):
        """As a window is: the command is sent SIGWINCH."""
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self):
        return termios.tcgetattr(self.ours)

    def reads_keys(self):
        """Key by key and without echo."""
        return self.modes()[3] & (termios.ICANON | termios.ECHO) == 0

    def press(self, keys):
        os.write(self.ours, keys.encode())

    def read_some(self):
        if not select.select([self.ours], [], [], 0.1)[0]:
            return True
        try:
            block = os.read(self.ours, 65536)
        except OSError:  # the other end is closed
            return False
        self.shown += block.decode()
        return bool(block)

    def read_until(self, text, behind=0):
        """Reads up to this text; returns where it ends, to be read on from there."""
        deadline = time.monotonic() + DEADLINE_S
        while text not in self.shown[behind:]:
            if time.monotonic() > deadline or not self.read_some():
                self.case.fail(f"waited in vain for {text!r} in ...{self.shown[behind:][-500:]!r}")
        return self.shown.index(text, behind) + len(text)

    def ends(self, code):
        while self.read_some():
            if self.process.poll() is not None and not select.select([self.ours], [], [], 0)[0]:
                break
        self.case.assertEqual(self.process.wait(timeout=DEADLINE_S), code, self.shown)

    def screen(self):
        """The lines that are to be seen in the end."""
        lines = []
        for line in self.shown.replace("\r\n", "\n").split("\n"):
            seen, column = "", 0
            for part in re.split("(\r|\x1b\\[K)", line):
                if part == "\r":
                    column = 0
                elif part == "\x1b[K":
                    seen = seen[:column]
                else:
                    seen = seen[:column] + part + seen[column + len(part):]
                    column += len(part)
            lines.append(seen)
        return lines

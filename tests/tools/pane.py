"""A command in a tmux of its own: keys are sent, and its screen is captured."""

import itertools
import subprocess


class Pane:
    numbers = itertools.count()  # of sockets: a server that is asked to end takes its time

    def __init__(self, case, words, *, columns=80, rows=24, environment=None):
        socket = case.work / f"tmux-{next(self.numbers)}"
        self.tmux = ["tmux", "-f", "/dev/null", "-S", str(socket)]
        self.command = ["sh", "-c", '"$@"; echo "ended with $?"', "sh", case.program,
                        *map(str, words)]
        self.environment = {**case.environment, "TERM": "xterm", "LC_ALL": "C.UTF-8",
                            **(environment or {})}
        self.size = ["-x", str(columns), "-y", str(rows)]

    def __enter__(self):
        # What a window keeps is said before there is one.
        self.run("new-session", "-d", *self.size, "cat", ";",
                 "set-option", "-g", "remain-on-exit", "on", ";",
                 "set-option", "-g", "history-limit", "2000", ";",
                 "new-window", "--", *self.command)
        return self

    def __exit__(self, *_):
        self.run("kill-server")

    def run(self, *words):
        return subprocess.run([*self.tmux, *words], env=self.environment, check=False,
                              capture_output=True, text=True, timeout=60).stdout

    def press(self, *keys):
        """As tmux names them: Enter, Escape, Down, q."""
        self.run("send-keys", *keys)

    def resize(self, columns, rows):
        self.run("resize-window", "-x", str(columns), "-y", str(rows))

    def is_over(self):
        return self.captured()[-1].startswith("ended with ")

    def captured(self, *words):
        text = self.run("capture-pane", "-p", "-S", "-", *words).partition("Pane is dead")[0]
        return [line.rstrip() for line in text.rstrip().splitlines()] or [""]

    def screen(self, *words):
        """What is to be seen, without what has scrolled away."""
        return [line.rstrip() for line in self.run("capture-pane", "-p", *words).splitlines()]

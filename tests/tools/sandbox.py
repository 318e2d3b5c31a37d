"""What the cases share: a command with directories of its own, and conditions that are waited for.

Nothing here sleeps for a result: a condition is polled until it holds, and a deadline turns a hang
into a failure that says what was waited for.
"""

import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

DEADLINE_S = 60


class Ran:
    """A command that has ended."""

    def __init__(self, words, code, stdout, stderr):
        self.words, self.code, self.stdout, self.stderr = words, code, stdout, stderr

    @property
    def text(self):
        return self.stdout.decode()

    @property
    def lines(self):
        return self.text.splitlines()

    @property
    def errors(self):
        return self.stderr.decode()

    @property
    def json(self):
        return json.loads(self.stdout)

    @property
    def json_lines(self):
        return [json.loads(line) for line in self.lines]

    def __repr__(self):
        return f"{' '.join(self.words)}\nexit code {self.code}\n{self.text[-2000:]}{self.errors}"


class Case(unittest.TestCase):
    program = None  # set by command_tests.py
    longMessage = True

    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="tailrace-test-"))
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.rings = pathlib.Path(tempfile.mkdtemp(prefix="tailrace-test-", dir=shm))
        self.journals = self.work / "journals"
        self.environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("TAILRACE_", "XDG_", "NO_COLOR", "FORCE_COLOR"))
        }
        self.environment["TAILRACE_DIR"] = str(self.rings)
        self.environment["TAILRACE_JOURNAL_DIR"] = str(self.journals)
        self.environment["XDG_CONFIG_HOME"] = str(self.work / "config")
        self.started = []

    def tearDown(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.rmtree(self.rings, ignore_errors=True)

    # --- running

    def run_any(self, *words, stdin=b"", environment=None, deadline_s=DEADLINE_S, **options):
        words = [str(word) for word in words]
        done = subprocess.run([self.program, *words], input=stdin, capture_output=True,
                              timeout=deadline_s, env={**self.environment, **(environment or {})},
                              check=False, **options)
        return Ran(words, done.returncode, done.stdout, done.stderr)

    def ok(self, *words, **options):
        """Runs the command, which must end with 0."""
        ran = self.run_any(*words, **options)
        self.assertEqual(ran.code, 0, ran)
        return ran

    def refused(self, code, *words, names=(), **options):
        """Runs the command, which must print one error: what, which object, and what helps."""
        ran = self.run_any(*words, **options)
        self.assertEqual(ran.code, code, ran)
        lines = ran.errors.splitlines()
        self.assertEqual(len(lines), 2, ran)
        self.assertTrue(lines[0].startswith("tailrace: "), ran)
        self.assertTrue(lines[1].startswith("  try: ") and len(lines[1]) > 12, ran)
        for name in names:
            self.assertIn(str(name), lines[0], ran)
        return ran

    def run_into(self, stdout, *words):
        """Runs the command with its output in an open file."""
        return subprocess.run([self.program, *map(str, words)], stdin=subprocess.DEVNULL,
                              stdout=stdout, stderr=subprocess.PIPE, check=False,
                              timeout=DEADLINE_S, env=self.environment)

    def start(self, *words, stdin=subprocess.DEVNULL):
        process = subprocess.Popen([self.program, *map(str, words)], stdin=stdin,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment)
        self.started.append(process)
        return process

    def end(self, process, *, by=signal.SIGTERM, code=0):
        """Ends a started command by a signal (None: it ends by itself)."""
        if by is not None:
            process.send_signal(by)
        stdout, stderr = process.communicate(timeout=DEADLINE_S)
        ran = Ran(process.args[1:], process.returncode, stdout, stderr)
        self.assertEqual(ran.code, code, ran)
        return ran

    def kill(self, process):
        process.kill()
        process.communicate()

    def on_terminal(self, *words, answer=b""):
        """Runs the command with stdin, stdout and stderr on a terminal; returns what it showed."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen([self.program, *map(str, words)], stdin=theirs, stdout=theirs,
                                   stderr=theirs, env={**self.environment, "TERM": "xterm"},
                                   start_new_session=True)
        self.started.append(process)
        os.close(theirs)
        if answer:
            os.write(ours, answer)
        shown = b""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                block = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not block:
                break
            shown += block
        os.close(ours)
        code = process.wait(timeout=DEADLINE_S)
        return code, shown.decode()

    # --- waiting

    def wait_until(self, what, condition):
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            select.select([], [], [], 0.01)
        return self.fail(f"waited in vain for: {what}")

    def reader(self, name, stream="s"):
        """The row of a reader in tailrace lag, or None."""
        ran = self.run_any("lag", stream, "--json")
        rows = ran.json["readers"] if ran.code == 0 else []
        return next((row for row in rows if row["reader"] == name), None)

    def wait_for_reader(self, name, stream="s"):
        """Waits until a reader of an empty stream, or one that starts at the end, has its place.

        Its row is there a moment earlier, and what is published in between lies before the place of
        one that starts at the end. Only a reader with a place looks for events in vain.
        """
        self.wait_until(f"reader {name}", lambda: self.has_looked_in_vain(name, stream))

    def has_looked_in_vain(self, name, stream):
        readers = self.ok("inspect", stream, "--json").json["readers"]
        counts = next((row["counts"] for row in readers if row["name"] == name), None)
        return counts is not None and counts["idle_looks"] + counts["sleeps"] > 0

    def wait_for_end(self, sequence, stream="s"):
        self.wait_until(f"sequence {sequence}", lambda: self.end_sequence(stream) >= sequence)

    def end_sequence(self, stream="s"):
        return self.ok("inspect", stream, "--json").json["end_seq"]

    def read_line(self, process, pipe=None):
        """One line of a started command's stdout, or of its other pipe."""
        pipe = pipe or process.stdout
        line = b""
        deadline = time.monotonic() + DEADLINE_S
        while not line.endswith(b"\n") and time.monotonic() < deadline:
            if select.select([pipe], [], [], 1)[0]:
                byte = os.read(pipe.fileno(), 1)
                if not byte:
                    break
                line += byte
        self.assertTrue(line.endswith(b"\n"), f"no line came from {process.args}: {line!r}")
        return line[:-1].decode()

    def read_errors_until(self, process, words):
        """What a started command prints on stderr, up to the line with these words."""
        lines = []
        while not lines or words not in lines[-1]:
            lines.append(self.read_line(process, process.stderr) + "\n")
        return "".join(lines)

    # --- the usual scenes

    def make(self, *options, stream="s"):
        self.ok("create", stream, *(options or ("--capacity", "1MiB")))

    def make_journaled(self, *options, stream="s"):
        self.make("--capacity", "1MiB", "--journal", *options, stream=stream)

    def start_recorder(self, *options, stream="s"):
        process = self.start("record", stream, "--segment", "1MiB", *options)

        def runs():
            self.assertIsNone(process.poll(), f"tailrace record ended: {process.stderr}")
            return self.ok("inspect", stream, "--json").json["journal"]["state"] == "running"

        self.wait_until("the journal writer", runs)
        return process

    def record_all(self, stream="s", **options):
        """Journals what is in the ring, and closes the journal."""
        process = self.start_recorder(stream=stream, **options)
        end = self.end_sequence(stream)
        self.wait_until("everything to be durable",
                        lambda: self.reader("journal", stream)["seq"] >= end)
        return self.end(process)

    def payloads(self, *words):
        return self.ok(*words, "--format", "raw").lines

    def journal_of(self, stream="s"):
        return self.journals / stream

    def segments_of(self, stream="s"):
        found = sorted(path for path in self.journal_of(stream).iterdir()
                       if re.fullmatch(r"\d+\.seg", path.name))
        self.assertTrue(found, f"no segments in {self.journal_of(stream)}")
        return found

    def patch(self, path, offset, data):
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(data)

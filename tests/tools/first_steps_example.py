#!/usr/bin/env python3
"""The programs of README and docs: they do what they say, and say what is missing.

    first_steps_example.py TAILRACE EXAMPLE_FIRST_STEPS EXAMPLE_TEN_MINUTES EXAMPLE_TYPED_EVENTS
"""

import os
import subprocess
import sys
import tempfile

DEADLINE_S = 60


def main(tailrace, program, ten_minutes, typed_events):
    with tempfile.TemporaryDirectory(prefix="tailrace-test-") as rings:
        environment = {**os.environ, "TAILRACE_DIR": rings}

        def run(*words):
            return subprocess.run(words, env=environment, check=False, timeout=DEADLINE_S,
                                  capture_output=True, text=True)

        ran = run(program)
        assert ran.returncode < 0, "without the stream it ends"
        assert "there is no stream 'trades'" in ran.stderr, ran.stderr
        assert "try: tailrace create trades" in ran.stderr, ran.stderr

        assert run(tailrace, "create", "trades", "--capacity", "64KiB").returncode == 0
        assert run(tailrace, "pub", "trades", "a text of somebody else's").returncode == 0
        ran = run(program)
        assert ran.returncode == 0, ran
        assert ran.stdout == "7: 10 at 101.25\n9: -4 at 55.10\n", ran

        assert run(tailrace, "rm", "trades", "--yes").returncode == 0
        assert run(tailrace, "create", "trades", "--capacity", "64KiB").returncode == 0
        ran = run(typed_events)
        assert ran.returncode == 0, ran
        assert ran.stdout == "ABC: 10 at 101.25, order 0\nXYZ: -4 at 55.10, order 1001\n", ran

        with tempfile.TemporaryDirectory(prefix="tailrace-test-", dir="/var/tmp") as work:
            ran = run(ten_minutes, work)
            assert ran.returncode == 0, ran
            assert ran.stdout == (
                "durable up to 6\ntraded 21\njournaled 6\nread 6\n"
                "resumed by cursor: 6\nreplayed 6\n"
                "journal is STOPPED, 0 events behind\nrisk is AWAY, 0 events behind\n"), ran
            ran = run(tailrace, "verify", f"{work}/market")
            assert ran.returncode == 0, ran


if __name__ == "__main__":
    main(*sys.argv[1:])

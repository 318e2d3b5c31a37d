#!/usr/bin/env python3
"""The example with a plain epoll loop, fed by another process.

    epoll_example.py TAILRACE EXAMPLE_PUBLISH EXAMPLE_EPOLL_LOOP
"""

import os
import shutil
import subprocess
import sys
import tempfile

DEADLINE_S = 60


def start(loop, environment, stdin=subprocess.PIPE):
    return subprocess.Popen([loop], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=environment)


def main(tailrace, publish, loop):
    rings = tempfile.mkdtemp(prefix="tailrace-test-")
    environment = {**os.environ, "TAILRACE_DIR": rings}
    reader = None

    def run(*words):
        subprocess.run(words, env=environment, check=True, timeout=DEADLINE_S,
                       stdout=subprocess.DEVNULL)

    try:
        run(tailrace, "create", "trades", "--capacity", "64KiB")
        reader = start(loop, environment)
        for number in range(2):
            run(publish)
            for trade in range(2):
                line = reader.stdout.readline().decode()
                assert line.startswith(f"#{2 * number + trade}  instrument "), line
        reader.stdin.close()
        assert reader.wait(DEADLINE_S) == 0, "the end of the input ends it"

        # Nobody can wait for /dev/null: it says so, and reads on.
        reader = start(loop, environment, subprocess.DEVNULL)
        for _ in range(4):
            assert reader.stdout.readline(), "a late one begins at the oldest"
        said = reader.stderr.readline()
        assert b"standard input isn't waited for" in said, said
        run(tailrace, "rm", "trades", "--yes", "--force")
        assert reader.wait(DEADLINE_S) == 0, "the stream's removal ends it"
    finally:
        if reader is not None and reader.poll() is None:
            reader.kill()
        shutil.rmtree(rings, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

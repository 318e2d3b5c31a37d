#!/usr/bin/env python3
"""A typed publish takes as many instructions as an untyped one, counted by callgrind.

    typed_publish_cost.py PUBLISH_PROBE

What start and attach take is in both of two runs, so their difference is the price of the events.
What hangs on the time that passes can only add: the lowest of some such prices counts.
"""

import re
import shutil
import subprocess
import sys

FEW, MANY = 512, 2560
ROUNDS = 3
MOST_APART = 0.5  # instructions an event: attaching takes some more or less from run to run


def count(probe, way, events):
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                           probe, way, str(events)], check=False, text=True, timeout=100,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    assert done.returncode == 0 and collected, done.stderr
    return int(collected.group(1))


def main(probe):
    if shutil.which("valgrind") is None:
        print("SKIPPED: valgrind is not installed")
        return 77
    prices = {"untyped": [], "typed": []}
    for _ in range(ROUNDS):
        for way, seen in prices.items():
            seen.append((count(probe, way, MANY) - count(probe, way, FEW)) / (MANY - FEW))
        lowest = {way: min(seen) for way, seen in prices.items()}
        print("instructions an event: "
              + ", ".join(f"{way} {price:.2f}" for way, price in lowest.items()))
        # Another round could only lower what already agrees.
        if abs(lowest["typed"] - lowest["untyped"]) <= MOST_APART:
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

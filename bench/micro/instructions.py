"""Instructions an event, counted by callgrind: they repeat, so small steps show.

The probe does the same work twice, for so many events and for more of them; the difference is the
price of those that came on top, without start and attach.
"""

import re
import shutil
import subprocess

import comparison

PROBE = "instruction_probe"
FEW, MANY = 4096, 12288  # events
COUNTS = 2  # of each figure: that it repeats is seen, not assumed
LEAST = 0.5  # instructions an event; start and attach take some more or less from run to run
LONGEST_COUNT_S = 300


class NoCount(Exception):
    pass


def count(probe, kind, events):
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                           str(probe), kind, str(events)], check=False, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=LONGEST_COUNT_S)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not collected:
        raise NoCount(f"{probe} {kind} {events} failed: {done.stderr.strip()}")
    return int(collected.group(1))


def figures_of(probe):
    """{kind: instructions an event} of a build; none without a probe."""
    if probe is None:
        return {}
    kinds = subprocess.run([str(probe)], check=True, text=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE).stdout.split()
    return {f"{PROBE} {kind}": (count(probe, kind, MANY) - count(probe, kind, FEW)) / (MANY - FEW)
            for kind in kinds}


def compare(before, after):
    if shutil.which("valgrind") is None:
        raise NoCount("valgrind is not installed; try: apt-get install valgrind")
    rounds = [(figures_of(before), figures_of(after)) for _ in range(COUNTS)]
    return comparison.compare([one for one, _ in rounds], [one for _, one in rounds], LEAST)

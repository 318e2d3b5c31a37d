#!/usr/bin/env python3
"""Runs the command as a person does, and looks at what it prints and how it ends.

    command_tests.py --list               the names of all cases
    command_tests.py PROGRAM [CASE...]    run these, or all; exit code 77 when all were skipped
"""

import faulthandler
import importlib
import os
import sys
import unittest

import sandbox

# Each is a file, ROOM_cases.py. To run one case only its own file is read: reading them all takes
# longer than most cases.
ROOMS = (
    "stream",
    "input",
    "reader",
    "merge",
    "figure",
    "journal",
    "steering",
    "diff",
    "export",
    "import",
    "keeping",
    "service",
    "serve",
    "dashboard",
    "priority",
    "publisher",
    "bad_input",
    "removal",
    "trim",
    "top",
    "typed",
    "clock",
    "cursor",
    "group",
    "context",
    "bench",
    "measured",
    "help",
    "width",
    "screen",
)
WATCHDOG_S = 290  # before ctest's own, so that a hang shows where it hangs


def cases_of(rooms):
    cases = {}
    for room in rooms:
        module = importlib.import_module(f"{room}_cases")
        for suite in unittest.defaultTestLoader.loadTestsFromModule(module):
            for case in suite:
                name = f"{room}/{case.id().split('.')[-1].removeprefix('test_')}"
                if name in cases:
                    sys.exit(f"{name}: two cases have this name, and one would never run")
                cases[name] = case
    return cases


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(cases_of(ROOMS)))
        return 0
    if len(sys.argv) < 2 or not os.access(sys.argv[1], os.X_OK):
        print(__doc__)
        return 2
    sandbox.Case.program = os.path.abspath(sys.argv[1])
    asked = {name.split("/")[0] for name in sys.argv[2:]}
    cases = cases_of([room for room in ROOMS if room in asked] if asked else ROOMS)
    names = sys.argv[2:] or list(cases)
    if len(names) == 1:
        faulthandler.dump_traceback_later(WATCHDOG_S, exit=True)
    suite = unittest.TestSuite(cases[name] for name in names)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    for _, reason in result.skipped:
        print(f"SKIPPED: {reason}", flush=True)
    if not result.wasSuccessful():
        return 1
    return 77 if len(result.skipped) == result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Runs the command as a person does, and looks at what it prints and how it ends.

    command_tests.py --list               the names of all cases
    command_tests.py PROGRAM [CASE...]    run these, or all; exit code 77 when all were skipped
"""

import faulthandler
import os
import sys
import unittest

import bad_input_cases
import bench_cases
import clock_cases
import context_cases
import cursor_cases
import dashboard_cases
import diff_cases
import figure_cases
import help_cases
import input_cases
import journal_cases
import keeping_cases
import merge_cases
import priority_cases
import reader_cases
import removal_cases
import sandbox
import screen_cases
import serve_cases
import service_cases
import steering_cases
import stream_cases
import top_cases
import trim_cases
import typed_cases
import width_cases

MODULES = (
    stream_cases,
    input_cases,
    reader_cases,
    merge_cases,
    figure_cases,
    journal_cases,
    steering_cases,
    diff_cases,
    keeping_cases,
    service_cases,
    serve_cases,
    dashboard_cases,
    priority_cases,
    bad_input_cases,
    removal_cases,
    trim_cases,
    top_cases,
    typed_cases,
    clock_cases,
    cursor_cases,
    context_cases,
    bench_cases,
    help_cases,
    width_cases,
    screen_cases,
)
WATCHDOG_S = 290  # before ctest's own, so that a hang shows where it hangs


def all_cases():
    cases = {}
    for module in MODULES:
        room = module.__name__.removesuffix("_cases")
        for suite in unittest.defaultTestLoader.loadTestsFromModule(module):
            for case in suite:
                name = case.id().split(".")[-1].removeprefix("test_")
                cases[f"{room}/{name}"] = case
    return cases


def main():
    cases = all_cases()
    if sys.argv[1:] == ["--list"]:
        print("\n".join(cases))
        return 0
    if len(sys.argv) < 2 or not os.access(sys.argv[1], os.X_OK):
        print(__doc__)
        return 2
    sandbox.Case.program = os.path.abspath(sys.argv[1])
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

#!/usr/bin/env python3
"""Adds up what ctest wrote in JUnit form, and ends with one line: N passed, N failed.

    tally.py [--broken STEP]... DIRECTORY    every *.xml in it; a broken step is a failure
    tally.py --self-test

Before that line it tells where the time went: each step of the run (steps.tsv in the directory:
name, processor seconds, wall seconds), and the twenty slowest tests.

ctest calls a test skipped when its output says so, even when something failed all the same: behind
the sum that Catch2 prints, or in a script. Here such a test counts as failed. A test that could not
be started has failed too.
"""

import argparse
import pathlib
import re
import sys
import tempfile
import xml.etree.ElementTree as xml

FAILED_ALL_THE_SAME = re.compile(
    r"^(test cases|assertions): .*\d failed|^FAILED|^Traceback"
    r"|AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:",
    re.MULTILINE,
)
SKIP_REASON = re.compile(r"SKIPPED: *(.+)")


def verdict(case):
    """One of passed, failed, skipped, and the reason of a skip."""
    status = case.get("status")
    if status == "run" and case.find("failure") is None:
        return "passed", ""
    skipped = case.find("skipped")
    output = case.findtext("system-out") or ""
    if skipped is not None and (skipped.get("message") or "").startswith("SKIP_"):
        if FAILED_ALL_THE_SAME.search(output):
            return "failed", ""
        reason = SKIP_REASON.search(output)
        return "skipped", reason.group(1) if reason else "no reason given"
    if status == "disabled":
        return "skipped", "disabled"
    return "failed", ""


def tally(directory, broken):
    """Returns the lines to print; the last one is the sum."""
    counts = {"passed": 0, "failed": len(broken), "skipped": 0}
    lines = [f"failed: {step}" for step in broken]
    for path in sorted(pathlib.Path(directory).glob("*.xml")):
        try:
            cases = list(xml.parse(path).getroot().iter("testcase"))
        except xml.ParseError as error:
            counts["failed"] += 1
            lines.append(f"failed: {path.stem}: the result file can't be read: {error}")
            continue
        if not cases:
            counts["failed"] += 1
            lines.append(f"failed: {path.stem}: no test was run")
        for case in cases:
            kind, reason = verdict(case)
            counts[kind] += 1
            if kind == "failed":
                lines.append(f"failed: {path.stem}: {case.get('name')}")
            elif kind == "skipped":
                lines.append(f"skipped: {path.stem}: {case.get('name')}: {reason}")
    if sum(counts.values()) == 0:
        counts["failed"] = 1
        lines.append("failed: there is no result file")
    summary = f"{counts['passed']} passed, {counts['failed']} failed"
    if counts["skipped"]:
        summary += f", {counts['skipped']} skipped"
    return lines + [summary], counts["failed"] == 0


def time_table(directory):
    """Where the time went, as lines; nothing when the steps were not noted."""
    steps = pathlib.Path(directory) / "steps.tsv"
    if not steps.exists():
        return []
    rows = [line.split("\t") for line in steps.read_text(encoding="utf-8").splitlines()]
    rows.append(["sum", sum(int(r[1]) for r in rows), sum(int(r[2]) for r in rows)])
    lines = [f"{'step':<60} {'processor s':>11} {'wall s':>7}"]
    lines += [f"{name:<60} {processor:>11} {wall:>7}" for name, processor, wall in rows]
    slow = []
    for path in sorted(pathlib.Path(directory).glob("*.xml")):
        try:
            slow += [(float(case.get("time") or 0), path.stem, case.get("name"))
                     for case in xml.parse(path).getroot().iter("testcase")]
        except xml.ParseError:
            continue
    slow.sort(reverse=True)
    lines += ["", f"{'slowest tests':<100} {'wall s':>7}"]
    lines += [f"{build + ': ' + name:<100.100} {taken:>7.1f}" for taken, build, name in slow[:20]]
    return lines + [""]


def self_test():
    passed = '<testcase name="a" status="run"/>'
    failed = '<testcase name="b" status="fail"><failure message=""/></testcase>'
    not_found = '<testcase name="c" status="notrun"><skipped message="Unable to find"/></testcase>'
    skip = (
        '<testcase name="d" status="notrun"><skipped message="SKIP_{}"/>'
        "<system-out>{}</system-out></testcase>"
    )
    skipped = skip.format("REGULAR_EXPRESSION_MATCHED", "SKIPPED: no ring")
    by_code = skip.format("RETURN_CODE=77", "")
    hidden = skip.format("REGULAR_EXPRESSION_MATCHED", "SKIPPED: x\ntest cases: 1 | 1 failed")
    failed_too = skip.format("RETURN_CODE=77", "SKIPPED: x\nFAILED (failures=1, skipped=1)")
    expectations = [
        ([passed, passed], [], "2 passed, 0 failed", True),
        ([passed, failed], [], "1 passed, 1 failed", False),
        ([passed, not_found], [], "1 passed, 1 failed", False),
        ([passed, skipped, by_code], [], "1 passed, 0 failed, 2 skipped", True),
        ([passed, hidden], [], "1 passed, 1 failed", False),
        ([passed, failed_too], [], "1 passed, 1 failed", False),
        ([passed], ["build"], "1 passed, 1 failed", False),
        ([], [], "0 passed, 1 failed", False),
    ]
    for cases, broken, expected, expected_good in expectations:
        with tempfile.TemporaryDirectory() as directory:
            text = f"<testsuite>{''.join(cases)}</testsuite>"
            (pathlib.Path(directory) / "release.xml").write_text(text, encoding="utf-8")
            lines, good = tally(directory, broken)
            (pathlib.Path(directory) / "steps.tsv").write_text("a\t5\t3\nb\t7\t4\n", "utf-8")
            table = time_table(directory)
        if table[3].split() != ["sum", "12", "7"] or len(table) != 7 + len(cases):
            print(f"self-test: a table of other steps and tests: {table}")
            return 1
        if (lines[-1], good) != (expected, expected_good):
            print(f"self-test: expected {expected!r}, got {lines[-1]!r} from {cases}")
            return 1
    with tempfile.TemporaryDirectory() as directory:
        (pathlib.Path(directory) / "torn.xml").write_text("<testsuite><testc", encoding="utf-8")
        (pathlib.Path(directory) / "some.xml").write_text(
            f"<testsuite>{passed}</testsuite>", encoding="utf-8"
        )
        if tally(directory, [])[0][-1] != "1 passed, 1 failed":
            print("self-test: a torn result file must count as a failure")
            return 1
    with tempfile.TemporaryDirectory() as directory:
        if tally(directory, [])[0][-1] != "0 passed, 1 failed":
            print("self-test: a run without any result file must count as a failure")
            return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--broken", action="append", default=[], metavar="STEP")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("directory", nargs="?")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    if arguments.directory is None:
        parser.error("a directory with result files is needed")
    lines, good = tally(arguments.directory, arguments.broken)
    print("\n".join(time_table(arguments.directory) + lines), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

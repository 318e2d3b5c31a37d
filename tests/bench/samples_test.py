#!/usr/bin/env python3
"""Reads what histogram_samples writes by the formats' description: every value, every count.

    samples_test.py HISTOGRAM_SAMPLES
"""

import math
import pathlib
import subprocess
import sys
import tempfile

from hlog_reader import read_hgrm, read_hlog


def values_of(path):
    return dict(tuple(map(int, line.split())) for line in path.read_text().splitlines())


def check_histogram(tag, histogram, values, most_ms):
    want = {}
    for value, count in values.items():
        low = histogram.lowest_equivalent(value)
        want[low] = want.get(low, 0) + count
    assert histogram.counts == want, tag
    assert (histogram.digits, histogram.lowest) == (3, 1), tag
    assert histogram.highest == 60_000_000_000, tag
    assert math.isclose(most_ms, max(values, default=0) / 1e6, abs_tol=0.0006), tag


def check_distribution(tag, text, values, histogram):
    rows, footer = read_hgrm(text)
    total = sum(values.values())
    assert footer["Total count"] == total, tag
    assert (footer["Buckets"], footer["SubBuckets"]) == (26, 2048), tag
    if not total:
        assert rows == [], tag
        return
    mean = sum(value * count for value, count in values.items()) / total
    assert math.isclose(footer["Mean"], mean, rel_tol=1e-3, abs_tol=0.001), tag
    assert footer["Max"] == max(values) == rows[-1][0], tag
    assert rows[-1][1:] == (1.0, total), tag
    for value, share, count in rows:
        # So many values are at most this one, and no smaller one would do.
        highest = histogram.highest_equivalent(int(value))
        assert count == sum(n for v, n in values.items() if v <= highest), (tag, value)
        assert count / total >= share - 1e-9, (tag, value)


def main(program):
    with tempfile.TemporaryDirectory(prefix="tailrace-test-") as folder:
        folder = pathlib.Path(folder)
        subprocess.run([program, str(folder)], check=True, timeout=120)
        start, intervals = read_hlog((folder / "sample.hlog").read_text())
        assert start == 1700000000.25, start
        assert [interval[0] for interval in intervals] == ["none", "one", "some", "wide"]
        for nth, (tag, begin, length, most_ms, histogram) in enumerate(intervals):
            assert (begin, length) == (nth, 0.5), tag
            values = values_of(folder / f"{tag}.values")
            check_histogram(tag, histogram, values, most_ms)
            check_distribution(tag, (folder / f"{tag}.hgrm").read_text(), values, histogram)


if __name__ == "__main__":
    main(*sys.argv[1:])

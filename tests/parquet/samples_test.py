#!/usr/bin/env python3
"""Reads what parquet_samples writes by the independent reader in parquet_reader.py.

    samples_test.py PARQUET_SAMPLES
"""

import pathlib
import subprocess
import sys
import tempfile

import parquet_reader
import sample_values


def check(path):
    table = parquet_reader.read(path)
    expected = sample_values.rows_of(path.with_suffix(".jsonl"))
    assert len(table.rows) == len(expected), (path.name, len(table.rows), len(expected))
    for number, (want, row) in enumerate(zip(expected, table.rows)):
        assert list(want) == list(row), (path.name, list(want), list(row))
        for name, value in want.items():
            found = sample_values.canonical(value, row[name])
            assert found == value, f"{path.name}, row {number}, {name}: {found}, not {value}"
    times = [column for column in table.columns if column.name.endswith("_time_ns")]
    is_plain = "plain_times" in path.name
    assert times and all(column.is_nanoseconds != is_plain for column in times), path.name
    if "groups" in path.name:
        assert len(table.groups) > 3 and max(table.groups) <= 100, table.groups
    if "wide" in path.name:
        assert len(table.groups) > 3, "a group is bounded by its bytes"
    assert table.notes == {"tailrace.stream": "sample"}, table.notes
    print(f"{path.name}: {len(table.rows)} rows in {len(table.groups)} groups", flush=True)


def main(program):
    with tempfile.TemporaryDirectory(prefix="tailrace-test-") as folder:
        subprocess.run([program, folder], check=True, timeout=120)
        files = sorted(pathlib.Path(folder).glob("*.parquet"))
        assert len(files) >= 8, files
        if any("zstd" in path.name for path in files) and parquet_reader.LIBRARY is None:
            print("SKIPPED: no libzstd for Python to read compressed pages by")
            return 77
        for path in files:
            check(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

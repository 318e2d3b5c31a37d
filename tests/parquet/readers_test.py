#!/usr/bin/env python3
"""Has what parquet_samples writes read by two readers that aren't ours: hyparquet and DuckDB.

    readers_test.py PARQUET_SAMPLES CACHE

They come from npm, in the versions of readers/package-lock.json, into CACHE, once. Without node,
npm or a registry that answers it skips.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from npm_readers import read_back  # noqa: E402


if __name__ == "__main__":
    sys.exit(read_back(HERE / "readers", *sys.argv[1:], "Parquet"))

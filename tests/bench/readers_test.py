#!/usr/bin/env python3
"""Has what histogram_samples writes read by a reader that isn't ours: hdr-histogram-js.

    readers_test.py HISTOGRAM_SAMPLES CACHE

It comes from npm, in the version of readers/package-lock.json, into CACHE, once. Without node,
npm or a registry that answers it skips.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from npm_readers import read_back  # noqa: E402


if __name__ == "__main__":
    sys.exit(read_back(HERE / "readers", *sys.argv[1:], "histograms"))

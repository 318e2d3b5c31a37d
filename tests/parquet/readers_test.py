#!/usr/bin/env python3
"""Has what parquet_samples writes read by two readers that aren't ours: hyparquet and DuckDB.

    readers_test.py PARQUET_SAMPLES CACHE

They come from npm, in the versions of readers/package-lock.json, into CACHE, once. Without node,
npm or a registry that answers it skips.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

READERS = pathlib.Path(__file__).resolve().parent / "readers"
INSTALL_S = 240


def skip(why):
    print(f"SKIPPED: {why}", flush=True)
    return 77


def install(cache):
    """Empty when they are there; else why not."""
    lock = (READERS / "package-lock.json").read_bytes()
    done = cache / "installed-lock.json"
    if done.exists() and done.read_bytes() == lock:
        return ""
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(READERS / name, cache)
    try:
        ran = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
                             cwd=cache, capture_output=True, text=True, timeout=INSTALL_S,
                             stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        return f"npm didn't get the readers within {INSTALL_S} s"
    if ran.returncode != 0:
        lines = ran.stderr.strip().splitlines() or ["npm said nothing"]
        return f"npm can't get the readers: {lines[0]}"
    done.write_bytes(lock)
    return ""


def main(program, cache):
    for needed in ("node", "npm"):
        if shutil.which(needed) is None:
            return skip(f"there is no {needed} to run foreign readers of Parquet by")
    cache = pathlib.Path(cache)
    if why := install(cache):
        return skip(why)
    shutil.copy(READERS / "read_back.mjs", cache)
    with tempfile.TemporaryDirectory(prefix="tailrace-test-") as folder:
        subprocess.run([program, folder], check=True, timeout=120)
        ran = subprocess.run(["node", "read_back.mjs", folder], cwd=cache, timeout=240,
                             check=False, stdin=subprocess.DEVNULL, env={**os.environ, "TZ": "UTC"})
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Readers that aren't ours, from npm: samples of a format are written by us and read back by them.

A room's readers are in its folder readers/: package.json, package-lock.json and read_back.mjs that
gets the folder of the samples. They are installed once, into a cache in the build directory.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

INSTALL_S = 240


def skip(why):
    print(f"SKIPPED: {why}", flush=True)
    return 77


def install(readers, cache):
    """Empty when they are there; else why not."""
    lock = (readers / "package-lock.json").read_bytes()
    done = cache / "installed-lock.json"
    if done.exists() and done.read_bytes() == lock:
        return ""
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(readers / name, cache)
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


def read_back(readers, program, cache, of_what):
    """`program` FOLDER writes the samples. The exit code of the test."""
    for needed in ("node", "npm"):
        if shutil.which(needed) is None:
            return skip(f"there is no {needed} to run foreign readers of {of_what} by")
    cache = pathlib.Path(cache)
    if why := install(readers, cache):
        return skip(why)
    shutil.copy(readers / "read_back.mjs", cache)
    with tempfile.TemporaryDirectory(prefix="tailrace-test-") as folder:
        subprocess.run([program, folder], check=True, timeout=120)
        ran = subprocess.run(["node", "read_back.mjs", folder], cwd=cache, timeout=240,
                             check=False, stdin=subprocess.DEVNULL, env={**os.environ, "TZ": "UTC"})
    return ran.returncode

#!/usr/bin/env python3
"""Runs one libFuzzer program over its corpus and changes of it.

    run_fuzzer.py PROGRAM MAX_BYTES ROUNDS FOUND CORPUS

As many inputs as ROUNDS says, or for $TAILRACE_FUZZ_SECONDS. $TAILRACE_SEED repeats a run:
libFuzzer prints the seed that it took.
"""

import os
import subprocess
import sys


def main():
    program, max_bytes, rounds, found, corpus = sys.argv[1:]
    seconds = os.environ.get("TAILRACE_FUZZ_SECONDS")
    # A crash must not end with 77 as libFuzzer has it: that means "skipped" to our tests.
    options = [f"-max_len={max_bytes}", "-timeout=60", "-rss_limit_mb=4096", "-error_exitcode=1",
               "-print_final_stats=1",
               f"-max_total_time={seconds}" if seconds else f"-runs={rounds}"]
    if "TAILRACE_SEED" in os.environ:
        # Zero would mean that libFuzzer chooses.
        options.append(f"-seed={int(os.environ['TAILRACE_SEED']) % 0xFFFFFFFF + 1}")
    return subprocess.run([program, *options, found, corpus], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

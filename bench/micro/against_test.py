#!/usr/bin/env python3
"""against: a repository of two commits whose benchmarks are scripts, so that all of it is known:
which sources are built, in which order they run, what is said, and the exit code."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
PRESETS = {
    "version": 6,
    "configurePresets": [{"name": "release", "generator": "Ninja",
                          "binaryDir": "${sourceDir}/build"}],
}
# A benchmark is compiled by being copied, and only where the library has what it asks for.
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(made_up LANGUAGES NONE)
add_subdirectory(bench/micro)
"""
MICRO = """file(STRINGS programs programs)
foreach(name IN LISTS programs)
    add_custom_command(
        OUTPUT ${name}
        COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/compile.sh ${PROJECT_SOURCE_DIR}/library ${name}
        DEPENDS ${name}.sh VERBATIM)
    add_custom_target(${name}_target ALL DEPENDS ${name})
endforeach()
"""
COMPILE = """set -eu
source=$(dirname "$0")/$2.sh
wanted=$(sed -n 's/^# needs //p' "$source")
if [ -n "$wanted" ]; then grep -q "$wanted" "$1"; fi
{ echo '#!/bin/sh'; echo "library=$1"; cat "$source"; } >"$2.new"
chmod +x "$2.new"
mv "$2.new" "$2"
"""
# Its figure is the library's speed; each run is noted.
BENCHMARK = """# {needs}
. "$library"
echo "{name} $library" >>"$RUNS"
printf '{{"benchmarks": [{{"run_type": "iteration", "name": "{figure}", "cpu_time": %s,
"time_unit": "ns"}}]}}' "${{{speed}:-1}}"
"""


def benchmark(name, figure="a/8", speed="speed", needs=""):
    return BENCHMARK.format(name=name, figure=figure, speed=speed, needs=needs and "needs " + needs)


class Against(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name) / "tree"
        self.micro = self.root / "bench" / "micro"
        self.micro.mkdir(parents=True)
        for name in ("against.py", "comparison.py", "instructions.py"):
            shutil.copy(HERE / name, self.micro / name)
        self.write("CMakePresets.json", json.dumps(PRESETS))
        self.write("CMakeLists.txt", PROJECT)
        self.write("bench/micro/CMakeLists.txt", MICRO)
        self.write("bench/micro/compile.sh", COMPILE)
        self.write(".gitignore", "/build/\n")
        self.runs = pathlib.Path(scratch.name) / "runs"
        self.environment = {**os.environ, "RUNS": str(self.runs), "GIT_CONFIG_GLOBAL": "/dev/null",
                            "GIT_CONFIG_SYSTEM": "/dev/null"}
        self.git("init", "-q")

    def write(self, path, text):
        (self.root / path).write_text(text, encoding="utf-8")

    def benchmarks(self, **texts):
        self.write("bench/micro/programs", "".join(f"{name}\n" for name in texts))
        for path in self.micro.glob("*_bench.sh"):
            path.unlink()
        for name, text in texts.items():
            self.write(f"bench/micro/{name}.sh", text)

    def command(self, *words):
        return subprocess.run(words, cwd=self.root, env=self.environment, check=False, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=100)

    def git(self, *words):
        done = self.command("git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.strip()

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a step")
        return self.git("rev-parse", "HEAD")

    def compare(self, commit, *words):
        done = self.command("cmake", "--preset", "release", "--log-level=WARNING")
        self.assertEqual(done.returncode, 0, done.stdout)
        return self.command(sys.executable, "-B", str(self.micro / "against.py"), "--against",
                            commit, *words)

    def check(self, done, exit_code, *lines):
        self.assertEqual(done.returncode, exit_code, done.stdout)
        for line in lines:
            self.assertIn(line, done.stdout)

    def test_what_is_slower_ends_with_1_and_is_measured_twice(self):
        self.write("library", "speed=100\n")
        self.benchmarks(claim_bench=benchmark("claim"))
        first = self.commit()
        self.write("library", "speed=120\n")
        done = self.compare("HEAD", "--rounds", "5")
        self.check(done, 1, "1 look slower: these once more",
                   "SLOWER by more than its spread, 1 of 1: claim_bench a/8 (1.200")
        runs = self.runs.read_text(encoding="utf-8").splitlines()
        self.assertEqual(len(runs), 20)
        self.assertTrue(all("build/against/" + first[:10] in run for run in runs[0::2]), runs)
        self.assertFalse(any("build/against/" in run for run in runs[1::2]), runs)

    def test_what_is_as_fast_or_faster_ends_with_0(self):
        self.write("library", "speed=100\nother=50\n")
        self.benchmarks(claim_bench=benchmark("claim"),
                        poll_bench=benchmark("poll", speed="other"))
        first = self.commit()
        self.write("library", "speed=80\nother=50\n")
        self.check(self.compare(first), 0, "all benchmarks are this tree's", "faster",
                   "2 compared, none slower by more than its spread")
        self.assertEqual(self.git("status", "--porcelain"), "M library")
        self.assertEqual(self.git("worktree", "list").count("\n"), 0)

    def test_benchmarks_of_today_are_built_there_and_where_they_cannot_its_own(self):
        self.write("library", "speed=100\n")
        self.benchmarks(claim_bench=benchmark("claim", "old/8"),
                        ring_bench=benchmark("ring", "old/8"), gone_bench=benchmark("gone", "g"))
        first = self.commit()
        self.write("library", "speed=100\nnew_call=1\n")
        self.benchmarks(claim_bench=benchmark("claim", "new/8"),
                        ring_bench=benchmark("ring", "old/8", needs="new_call"),
                        cursor_bench=benchmark("cursor", needs="new_call"))
        self.check(self.compare(first), 0,
                   "ring_bench doesn't compile there: the commit's own",
                   "cursor_bench doesn't compile there: left out, the commit has none",
                   "gone_bench is only in the commit",
                   f"only in {first[:10]}: gone_bench g", "only now: cursor_bench a/8",
                   "claim_bench new/8", "ring_bench old/8", "2 compared")
        # Nothing of an earlier build counts.
        self.write("library", "speed=100\nnew_call=1\n")
        self.benchmarks(claim_bench=benchmark("claim", "new/8", needs="new_call"))
        self.check(self.compare(first), 1, "claim_bench doesn't compile there: the commit's own",
                   "only now: claim_bench new/8", "nothing was compared")

    def test_a_benchmark_that_reports_an_error_is_no_comparison(self):
        self.write("library", "speed=100\n")
        broken = benchmark("claim").replace('"time_unit"',
                                            '"error_occurred": true, "error_message": "lost", '
                                            '"time_unit"')
        self.benchmarks(claim_bench=broken)
        self.check(self.compare(self.commit()), 2, "claim_bench a/8: lost")

    def test_what_is_no_commit_is_said(self):
        self.write("library", "speed=100\n")
        self.benchmarks(claim_bench=benchmark("claim"))
        self.commit()
        for name in ("nonsense", "HEAD:library", "--all"):
            done = self.command(sys.executable, "-B", str(self.micro / "against.py"),
                                f"--against={name}")
            self.check(done, 2, f"'{name}' is no commit of this repository; try: git log")
        shutil.rmtree(self.root / ".git")
        done = self.command(sys.executable, "-B", str(self.micro / "against.py"),
                            "--against", "HEAD")
        self.check(done, 2, "is not a git repository")


if __name__ == "__main__":
    unittest.main()

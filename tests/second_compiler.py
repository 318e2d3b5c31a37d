#!/usr/bin/env python3
"""What a compiler has to say about sources that nobody builds with it: its warnings are errors.

    second_compiler.py BUILD_DIR         those of compile_commands.json whose object isn't there
    second_compiler.py --headers DIR...  all public headers, with warnings that their users may have
                                         on and we don't; and each by itself, as its users include
                                         it: of these every eighth, another one in each run
                                         ($TAILRACE_SEED), and all with $TAILRACE_FULL

Nothing is written: the compilers only look.
"""

import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

# What a user's own build may ask for beyond ours.
USERS_WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow",
                  "-Wold-style-cast", "-Wcast-align", "-Wuseless-cast", "-Wswitch-default",
                  "-Wnull-dereference", "-Wduplicated-cond", "-Wlogical-op", "-Werror"]


def looks(command, folder):
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode == 0, done.stdout


def of_build(build):
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        words = shlex.split(entry["command"])
        output = pathlib.Path(entry["directory"]) / words[words.index("-o") + 1]
        if output.exists():
            continue
        for option in ("-MT", "-MF", "-o"):
            if option in words:
                at = words.index(option)
                del words[at:at + 2]
        words = [word for word in words if word not in ("-MD", "-c")]
        yield entry["file"], [*words, "-fsyntax-only"], entry["directory"]


def of_headers(roots):
    includes = [f"-I{root}" for root in roots]
    headers = [header for root in roots for header in sorted(root.rglob("*.hpp"))]
    stride = 1 if os.environ.get("TAILRACE_FULL") else 8
    first = int(os.environ.get("TAILRACE_SEED") or time.time()) % stride
    for name, together in [("all of them", headers), *((h, [h]) for h in headers[first::stride])]:
        included = [word for header in together for word in ("-include", str(header))]
        yield name, ["g++", "-std=c++20", "-fsyntax-only", "-x", "c++", *includes,
                     *USERS_WARNINGS, *included, "/dev/null"], "."


def main():
    if sys.argv[1:2] == ["--headers"]:
        jobs = list(of_headers([pathlib.Path(root).resolve() for root in sys.argv[2:]]))
    else:
        jobs = list(of_build(pathlib.Path(sys.argv[1]).resolve()))
    if not jobs:
        print("FAILED: there is nothing to look at")
        return 1
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (name, _, _), (good, said) in zip(jobs, pool.map(lambda j: looks(*j[1:]), jobs)):
            if not good:
                failed += 1
                print(f"FAILED: {name}\n{said}")
    print(f"looked at {len(jobs)}, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Micro benchmarks of this tree beside those of a commit: what got slower, and by how much.

Both are built as they build themselves (the release preset). In the commit's tree the benchmarks
are those of this tree, as far as they compile there; where one doesn't, that program is the
commit's own, if it has one. Then both run in turns. What looks slower is measured once more, and
counts if it is slower again. Exit code 1: something is slower by more than its spread. 2: there is
no comparison, and the last line says why.
"""

import argparse
import filecmp
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import comparison
import instructions

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MICRO = pathlib.Path("bench/micro")
LONGEST_RUN_S = 600


class NoComparison(Exception):
    pass


# --- the commit's tree

def resolve(name):
    """The full hash of a commit, by whatever name git knows it."""
    if subprocess.run(["git", "rev-parse", "--git-dir"], cwd=ROOT, check=False,
                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        raise NoComparison(f"{ROOT} is not a git repository, so there is no commit to compare with")
    done = subprocess.run(["git", "rev-parse", "--verify", "--quiet", "--end-of-options",
                           name + "^{commit}"], cwd=ROOT, check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode != 0:
        raise NoComparison(f"'{name}' is no commit of this repository; try: git log --oneline "
                           "(and git fetch --unshallow, if the clone is a shallow one)")
    return done.stdout.strip()


def unpack(commit, tree):
    """The files of a commit, once. Leaves nothing behind in .git."""
    if tree.exists():
        return
    half = tree.with_name(tree.name + ".half")
    shutil.rmtree(half, ignore_errors=True)
    archive = subprocess.run(["git", "archive", "--format=tar", commit], cwd=ROOT, check=True,
                             stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(half)
    own = half / MICRO
    if own.is_dir():
        shutil.copytree(own, half / "own_micro")
    half.rename(tree)


def put_sources(source, target):
    """Makes `target` the same as `source`; what is the same already keeps its time."""
    target.mkdir(parents=True, exist_ok=True)
    wanted = {path.name for path in source.iterdir() if path.is_file()}
    for path in target.iterdir():
        if path.is_file() and path.name not in wanted:
            path.unlink()
    for name in wanted:
        same = (target / name).exists() and filecmp.cmp(source / name, target / name, False)
        if not same:
            shutil.copy2(source / name, target / name)
            os.utime(target / name)


# --- building

def programs_in(folder):
    """{name: path} of the programs that were built there, the benchmarks and the probe."""
    if not folder.is_dir():
        return {}
    return {path.name: path for path in sorted(folder.iterdir())
            if path.is_file() and os.access(path, os.X_OK) and
            ("_bench" in path.name or path.name == instructions.PROBE)}


def run_logged(command, folder, log):
    with open(log, "a", encoding="utf-8") as out:
        return subprocess.run(command, cwd=folder, check=False, stdin=subprocess.DEVNULL,
                              stdout=out, stderr=subprocess.STDOUT).returncode == 0


def build(tree, log, jobs):
    """Builds what is in the tree's bench/micro, as far as it compiles."""
    built = tree / "build" / MICRO
    for path in programs_in(built).values():
        path.unlink()  # or one of an earlier run would be taken for this one's
    if not run_logged(["cmake", "--preset", "release", "--log-level=WARNING"], tree, log):
        return {}
    run_logged(["cmake", "--build", "build", "-j", str(jobs), "--target", f"{MICRO}/all", "--",
                "-k", "0"], tree, log)
    return programs_in(built)


def build_today(jobs):
    """{name: path} of this tree's programs. Requires: it is configured."""
    print("building this tree", file=sys.stderr, flush=True)
    done = subprocess.run(["cmake", "--build", "build", "-j", str(jobs), "--target",
                           f"{MICRO}/all"], cwd=ROOT, check=False, stdin=subprocess.DEVNULL,
                          stdout=sys.stderr)
    if done.returncode != 0:
        raise NoComparison("this tree's benchmarks can't be built; try: ./dev bench micro")
    # Programs whose sources are gone.
    subprocess.run(["ninja", "-C", "build", "-t", "cleandead"], cwd=ROOT, check=False,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return programs_in(ROOT / "build" / MICRO)


def build_commit(tree, wanted, jobs):
    """{name: path} of the commit's programs, and what to say about where they come from."""
    log = tree / "build.log"
    kept = tree / "programs"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    put_sources(ROOT / MICRO, tree / MICRO)
    for name, path in build(tree, log, jobs).items():
        shutil.copy2(path, kept / name)
    missing = sorted(set(wanted) - set(programs_in(kept)))
    if not missing:
        return programs_in(kept), ["all benchmarks are this tree's"]
    own = {}
    if (tree / "own_micro").is_dir():
        put_sources(tree / "own_micro", tree / MICRO)
        own = build(tree, log, jobs)
    said = []
    for name in missing:
        said.append(f"{name} doesn't compile there: " + ("the commit's own" if name in own
                                                         else "left out, the commit has none"))
    for name in sorted(set(own) - set(programs_in(kept))):
        if name not in missing:
            said.append(f"{name} is only in the commit")
        shutil.copy2(own[name], kept / name)
    if not programs_in(kept):
        raise NoComparison(f"nothing of the commit's could be built; try: less {log}")
    return programs_in(kept), said


# --- measuring

def run(path, options, name_filter):
    """{name: nanoseconds} of one run of one program."""
    command = [str(path), "--benchmark_format=json",
               f"--benchmark_min_time={options.min_time_s}",
               f"--benchmark_filter={name_filter}"]
    try:
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=LONGEST_RUN_S)
    except subprocess.TimeoutExpired as hung:
        raise NoComparison(f"{path} was still running after {LONGEST_RUN_S} s") from hung
    if "Failed to match any benchmarks" in done.stderr + done.stdout:
        return {}
    try:
        return comparison.figures_of(json.loads(done.stdout), path.name)
    except (json.JSONDecodeError, comparison.Broken) as broken:
        said = str(broken) if isinstance(broken, comparison.Broken) else done.stderr.strip()
        raise NoComparison(f"{path} failed: {said or f'exit code {done.returncode}'}") from broken


def measure(before, after, options, filters):
    """Rounds in turns: the commit's program, then this tree's, program by program. `filters`:
    {program: expression of names}."""
    before_rounds, after_rounds = [], []
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
        before_rounds.append({})
        after_rounds.append({})
        for program, name_filter in filters.items():
            for programs, rounds in ((before, before_rounds), (after, after_rounds)):
                if program in programs:
                    rounds[-1].update(run(programs[program], options, name_filter))
    return comparison.compare(before_rounds, after_rounds)


def filters_for(rows):
    """Those rows alone."""
    names = {}
    for row in rows:
        program, name = row.name.split(" ", 1)
        names.setdefault(program, []).append(re.escape(name))
    return {program: f"^({'|'.join(wanted)})$" for program, wanted in names.items()}


def compare_times(before, after, options):
    programs = sorted(name for name in set(before) | set(after) if name != instructions.PROBE)
    found = measure(before, after, options, {name: options.filter for name in programs})
    suspects = found.slower()
    if suspects:
        print(f"{len(suspects)} look slower: these once more", file=sys.stderr, flush=True)
        found.put(measure(before, after, options, filters_for(suspects)))
    return found


def compare_all(options):
    commit = resolve(options.against)
    short = commit[:10]
    tree = ROOT / "build" / "against" / short
    unpack(commit, tree)
    after = build_today(options.jobs)
    print(f"building {short} in {tree.relative_to(ROOT)}", file=sys.stderr, flush=True)
    before, said = build_commit(tree, after, options.jobs)
    print("\n".join(f"{short}: {line}" for line in said))
    found = [compare_times(before, after, options)]
    print("\n".join(comparison.table(found[0], short, "ns")))
    if options.instructions:
        counted = instructions.compare(before.get(instructions.PROBE), after[instructions.PROBE])
        print("\n".join(comparison.table(counted, short, "instructions")))
        found.append(counted)
    line, is_well = comparison.verdict_line(found)
    print(line)
    return 0 if is_well else 1


def main():
    parser = argparse.ArgumentParser(prog="./dev bench micro", description=__doc__.splitlines()[0])
    parser.add_argument("--against", required=True, metavar="COMMIT")
    parser.add_argument("--rounds", type=int, default=5, help="of each build; default 5")
    parser.add_argument("--filter", default=".", metavar="REGEX", help="names; default all")
    parser.add_argument("--min-time-s", type=float, default=0.03, help="of a figure in a round")
    parser.add_argument("--instructions", action="store_true", help="count them too (valgrind)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds: one round has no spread; at least 2")
    try:
        return compare_all(options)
    except (NoComparison, instructions.NoCount) as reason:
        print(f"./dev bench micro: {reason}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

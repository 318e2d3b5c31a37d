#!/usr/bin/env python3
"""Checks one Promela model with SPIN: each configuration in full, and each mutation to its failure.

    check_model.py MODEL.pml [NAME...]     NAME: only these configurations and mutations

The head of a model says what there is to check:

    configuration NAME: SWITCH...          must hold in all states
    mutation SWITCH in NAME: OUTCOME       with the switch, OUTCOME is reached: a forbidden outcome
                                           by its name, or `deadlock`

A mutation whose outcome is another one, or that holds, is a failure: then the model doesn't see
what it is there for. Without $TAILRACE_FULL one of the configurations and one of the mutations are
tried, chosen by $TAILRACE_SEED: what a model says changes only with its text. Exit code 77 and a
line "SKIPPED: why" when spin or a C compiler is missing.
"""

import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

DEPTH = 1_000_000
MEMORY_MIB = 4096
SAMPLE = 1
CONFIGURATION = re.compile(r"^\s*configuration (\w+):((?: \w+(?:=\w+)?)*)$", re.MULTILINE)
MUTATION = re.compile(r"^\s*mutation (\w+) in (\w+): (\w+)$", re.MULTILINE)


def read_plan(model):
    head = model.read_text(encoding="utf-8").split("*/", 1)[0]
    configurations = {name: switches.split() for name, switches in CONFIGURATION.findall(head)}
    mutations = MUTATION.findall(head)
    if not configurations or not mutations:
        raise SystemExit(f"{model.name}: its head names no configuration, or no mutation")
    unknown = [where for _, where, _ in mutations if where not in configurations]
    if unknown:
        raise SystemExit(f"{model.name}: no such configuration: {', '.join(unknown)}")
    return configurations, mutations


def sample_of(what, items):
    if os.environ.get("TAILRACE_FULL") or len(items) <= SAMPLE:
        return items
    seed = os.environ.get("TAILRACE_SEED") or str(time.time_ns())
    print(f"{SAMPLE} of {len(items)} {what}, TAILRACE_SEED={seed}", flush=True)
    chosen = random.Random(int(seed)).sample(range(len(items)), SAMPLE)
    return [items[nth] for nth in sorted(chosen)]


class Verdict:
    def __init__(self, said):
        self.said = said
        errors = re.search(r"errors: (\d+)", said)
        states = re.search(r"(\d+) states, stored", said)
        self.states = int(states.group(1)) if states else 0
        self.is_complete = bool(errors) and "Search not completed" not in said and not re.search(
            r"max search depth too small|out of memory|aborting", said)
        self.holds = bool(errors) and errors.group(1) == "0" and self.is_complete
        self.outcome = self.first_error()

    def first_error(self):
        violated = re.search(r"assertion violated .*?!\(*\s*(\w+)", self.said)
        if violated:
            return violated.group(1)
        if re.search(r"^pan:\d+: invalid end state", self.said, re.MULTILINE):
            return "deadlock"
        if "acceptance cycle" in self.said or "non-progress cycle" in self.said:
            return "endless"
        return None


def run(command, folder):
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def check(model, switches, compiler, optimisation):
    """Generates, compiles and runs the verifier of one variant of the model."""
    with tempfile.TemporaryDirectory(prefix="tailrace-spin-") as folder:
        defines = [f"-D{switch}" for switch in switches]
        code, said = run(["spin", *defines, "-a", str(model)], folder)
        if code != 0 or not (pathlib.Path(folder) / "pan.c").exists():
            raise SystemExit(f"spin refuses {model.name} with {switches}:\n{said}")
        flags = [optimisation, "-w", "-DSAFETY", "-DNOFAIR", f"-DMEMLIM={MEMORY_MIB}"]
        code, said = run([compiler, *flags, "-o", "pan", "pan.c"], folder)
        if code != 0:
            raise SystemExit(f"{compiler} refuses the verifier of {model.name}:\n{said}")
        _, said = run(["./pan", f"-m{DEPTH}"], folder)
        verdict = Verdict(said)
        if verdict.outcome is not None:
            _, verdict.trail = run(["spin", *defines, "-t", "-p", str(model)], folder)
        return verdict


def check_prose(model, mutations):
    """Every mutation has its sentence in the page beside the models."""
    prose = (model.parent / "README.md").read_text(encoding="utf-8")
    return [name for name, _, _ in mutations if f"`{name}`" not in prose]


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    model = pathlib.Path(sys.argv[1]).resolve()
    wanted = set(sys.argv[2:])
    compiler = next((name for name in ("gcc", "cc", "clang") if shutil.which(name)), None)
    if shutil.which("spin") is None or compiler is None:
        print("SKIPPED: spin or a C compiler is not installed; ./dev deps installs them")
        return 77
    configurations, mutations = read_plan(model)
    is_full = bool(os.environ.get("TAILRACE_FULL"))
    broken = [f"{name} has no sentence in README.md" for name in check_prose(model, mutations)]
    named = list(configurations.items())
    for name, switches in named if wanted else sample_of("configurations", named):
        if wanted and name not in wanted:
            continue
        start = time.monotonic()
        # To compile the verifier optimised takes longer than most of them run.
        verdict = check(model, switches, compiler, "-O1" if is_full else "-O0")
        taken = time.monotonic() - start
        print(f"{model.name} {name}: {verdict.states} states, "
              f"{'holds in all of them' if verdict.holds else 'FAILS'}, {taken:.1f} s", flush=True)
        if not verdict.holds:
            broken.append(f"{name}: {verdict.outcome or 'the search is not complete'}")
            print(verdict.said, getattr(verdict, "trail", "")[-12000:], sep="\n")
    asked = [mutation for mutation in mutations if mutation[0] in wanted]
    chosen = asked if wanted else sample_of("mutations", mutations)
    for name, where, outcome in chosen:
        verdict = check(model, [*configurations[where], name], compiler, "-O0")
        print(f"{model.name} {where} with {name}: {verdict.outcome or 'HOLDS'} "
              f"after {verdict.states} states", flush=True)
        if verdict.outcome != outcome:
            broken.append(f"{name}: expected {outcome}, not {verdict.outcome}")
            print(getattr(verdict, "trail", "")[-12000:] if wanted else "")
    for line in broken:
        print(f"FAILED: {line}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

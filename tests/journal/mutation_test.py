#!/usr/bin/env python3
"""Takes one rule out of the journal's code, and demands that the crash simulation notices.

    mutation_test.py --list
    mutation_test.py NAME --build BUILD_DIR
    mutation_test.py --sample COUNT --build BUILD_DIR    some of them, chosen by $TAILRACE_SEED

Compiles a changed copy of the one or two sources that hold the rule, with those that the build
compiles in one go with them; links that in front of the journal's library with the simulation, and
runs it: it must break an invariant that is named for this rule. The mutation "none" is the control:
unchanged, it must hold. If a mutation doesn't apply any more, the code has moved: bring its text
here in line with it.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = "journal/src/"
BEGIN = "    if (auto begun = begin_segment(*from, before, found.end); !begun)"

# name -> (invariants of which one must break,
#          [(file, text that stands there once, what replaces it)])
MUTATIONS = {
    "none": ((), []),
    "the promise is not looked for": (("range",), [
        (SRC + "assessment.cpp",
         "if (report.promised_sequence <= found_.end.sequence) return {};",
         "if (report.promised_sequence <= kNoSequence) return {};")]),
    "a promise behind the end is not looked for": (("range",), [
        (SRC + "assessment.cpp",
         "std::max(report.promised_sequence, beyond.promised_sequence);",
         "std::max(report.promised_sequence, report.promised_sequence);")]),
    "written is not only the contiguous prefix": (("durable", "kept"), [
        (SRC + "write_pipeline.cpp",
         "            write.completed = true;\n",
         "            write.completed = true;\n"
         "            if (write.end_sequence > written_) written_ = write.end_sequence;\n")]),
    "a flush covers what was written when it ended": (("durable", "kept"), [
        (SRC + "write_pipeline.cpp",
         "    durable_ = flush_sequence_;\n",
         "    durable_ = written_;\n")]),
    "a failed flush is tried again": (("durable", "final", "kept"), [
        (SRC + "write_pipeline.cpp",
         "        fail(PipelineFailure::flush, static_cast<int>(-outcome), 0);\n"
         "        return;\n",
         "        unflushed_bytes_ += flush_bytes_;\n        flush_requested_ = true;\n"
         "        return;\n")]),
    "the predecessor is not durable when its successor begins": (("durable", "kept", "opens"), [
        (SRC + "writer_core.cpp",
         "        if (!pipeline_->is_settled()) {\n"
         "            if (!pipeline_->is_writing()) pipeline_->request_flush();",
         "        if (pipeline_->is_busy()) {\n"),
        (SRC + "write_pipeline.cpp",
         "    TAILRACE_CHECK(is_settled());\n    file_ = file;",
         "    unflushed_bytes_ = 0;\n    file_ = file;")]),
    "the header is not flushed before it gets its name": (("opens",), [
        (SRC + "writer_segments.cpp",
         "    if (outcome.ok()) outcome = files.sync(file->id());\n",
         "")]),
    "the directory is not flushed": (("kept", "opens", "durable"), [
        (SRC + "writer_segments.cpp",
         "        const IoOutcome synced = around_.files->sync_directory(options_.directory);\n",
         "        const IoOutcome synced{};\n")]),
    "recovery doesn't flush what it reads": (("kept", "durable", "opens"), [
        (SRC + "assessment.cpp",
         "    const IoOutcome outcome = files_.sync(file->id());\n    if (outcome.ok()) {",
         "    const IoOutcome outcome{};\n    if (outcome.ok()) {")]),
    "recovery doesn't flush again what it has read": (("kept", "durable", "opens"), [
        (SRC + "assessment.cpp",
         "if (mode_ == AssessMode::deciding && !found_.report.clean_close) {",
         "if (mode_ == AssessMode::looking && !found_.report.clean_close) {")]),
    "a recovered journal goes on in its old segment": (("kept", "dead", "prefix", "durable"), [
        (SRC + "writer_segments.cpp",
         BEGIN,
         "    if (before != nullptr && !found.end.sealed) {\n"
         "        segment_.header = *before;\n"
         "        segment_.next = found.end;\n"
         "        segment_.path = segment_path(options_.directory, before->segment_number);\n"
         "        segment_.index.begin(before->segment_size_bytes);\n"
         "        auto old = open_file(*around_.files, segment_.path, {.write = true});\n"
         "        if (!old) return old.error();\n"
         "        segment_.file = std::move(*old);\n"
         "        pipeline_->begin_segment(segment_.file.id(), found.end.sequence);\n"
         "        return {};\n"
         "    }\n" + BEGIN)]),
    "every incarnation has the same salt": (("range", "opens", "dead", "prefix"), [
        (SRC + "writer_segments.cpp",
         "    header.salt = around_.random();\n",
         "    header.salt = 7;\n")]),
    "the body's checksum is not looked at": (("prefix", "dead"), [
        (SRC + "batch_codec.cpp",
         "checksum64(body, batch_seed(place.salt, place.offset)) != header.body_checksum",
         "body.size() > kMaxBatchSizeBytes")]),
    "a batch may end inside an atomic one": (("atomic",), [
        (SRC + "batch_filler.cpp",
         "    if ((walk.last_flags & kBatchContinues) == 0) {\n        account(all",
         "    if (walk.event_count > 0) {\n        account(all")]),
    "the ledger has one slot": (("cursor",), [
        (SRC + "ledger_file.cpp",
         "    const std::uint64_t offset = ledger.generation % kLedgerSlots * kLedgerSlotBytes;\n",
         "    const std::uint64_t offset = 0;\n")]),
    "the ledger is not flushed": (("cursor",), [
        (SRC + "ledger_file.cpp",
         "    if (outcome.ok()) outcome = files.sync(file->id());\n",
         "")]),
    "a reader goes on behind the end that the successor names": (("dead", "prefix", "kept"), [
        (SRC + "reader_core.cpp",
         "const bool at_bound = bound_ && reading_->position.offset",
         "const bool at_bound = bound_ && false && reading_->position.offset"),
        (SRC + "reader_core.cpp",
         "(!bound_ || lies_within(reading_->position, found.header, bound_->end_offset))",
         "(!bound_ || true)")]),
}


# A crash that shows them comes after minutes: ./dev soak has them. The sample takes none.
RARELY_MET = {
    "the promise is not looked for",
    "a promise behind the end is not looked for",
    "recovery doesn't flush again what it has read",
    "every incarnation has the same salt",
    "a reader goes on behind the end that the successor names",
}


def fail(message):
    print(f"FAILED: {message}")
    sys.exit(1)


def mutated(file, edits):
    text = (ROOT / file).read_text()
    for before, after in edits:
        if text.count(before) != 1:
            fail(f"{file} holds this {text.count(before)} times, not once:\n{before}")
        text = text.replace(before, after)
    return text


def batch_of(file, build):
    """The generated source with which the build compiles `file`, or the file itself."""
    folder = build / "journal/CMakeFiles/tailrace_journal.dir/Unity"
    for batch in sorted(folder.glob("*.cxx")):
        if f'#include "{ROOT / file}"' in batch.read_text():
            return batch
    return ROOT / file


def compile_changed(batch, changed, build, work):
    """The object file of `batch` with the changed files in place of theirs, quickly compiled."""
    commands = json.loads((build / "compile_commands.json").read_text())
    entry = next(c for c in commands if c["file"] == str(batch)
                 and "tailrace_journal.dir" in c["command"])
    text = batch.read_text()
    for file, content in changed.items():
        copy = work / pathlib.Path(file).name
        copy.write_text(content)
        text = text.replace(f'"{ROOT / file}"', f'"{copy}"') if batch != ROOT / file else content
    source = work / f"changed_{batch.stem}.cpp"
    source.write_text(text)
    target = source.with_suffix(".o")
    words = shlex.split(entry["command"])
    for option in ("-MT", "-MF", "-o"):
        if option in words:
            at = words.index(option)
            del words[at:at + 2]
    words = [w for w in words if w != "-MD" and w != "-c" and w != entry["file"]
             and not re.fullmatch(r"-O\d|-g\d?|-Werror", w)]
    words += ["-O1", "-w", "-c", str(source), "-o", str(target)]
    subprocess.run(words, cwd=entry["directory"], check=True)
    return target


def link(objects, build, program, compiler):
    journal = build / "tests/journal"
    subprocess.run(
        [compiler, "-o", str(program), *map(str, objects),
         *map(str, (journal / "CMakeFiles/journal_crash_probe.dir").rglob("*.o")),
         str(journal / "libtailrace_journal_simulation.a"),
         str(build / "journal/libtailrace_journal.a"),
         str(build / "tests/support/libtailrace_test_support.a"),
         str(build / "schema/libtailrace_schema.a"),
         str(build / "base/libtailrace_base.a"), "-lxxhash", "-luring", "-lpthread",
         *zstd_of(build)],
        check=True)


def zstd_of(build):
    """What the journal links with when it was built with zstd."""
    cache = (build / "CMakeCache.txt").read_text()
    return ["-lzstd"] if re.search(r"^libzstd_FOUND:INTERNAL=1", cache, re.MULTILINE) else []


def compiler_of(build):
    for line in (build / "CMakeCache.txt").read_text().splitlines():
        if line.startswith("CMAKE_CXX_COMPILER:"):
            return line.split("=", 1)[1]
    return "c++"


def run(name, build):
    invariants, edits = MUTATIONS[name]
    work = build / "mutations" / name.replace(" ", "_").replace("'", "")
    work.mkdir(parents=True, exist_ok=True)
    by_file = {}
    for file, before, after in edits:
        by_file.setdefault(file, []).append((before, after))
    by_batch = {}
    for file, changes in by_file.items():
        by_batch.setdefault(batch_of(file, build), {})[file] = mutated(file, changes)
    objects = [compile_changed(batch, changed, build, work)
               for batch, changed in by_batch.items()]
    program = work / "probe"
    link(objects, build, program, compiler_of(build))
    ended = subprocess.run([str(program)], stdout=subprocess.PIPE, text=True,
                           timeout=250 * int(os.environ.get("TAILRACE_PATIENCE", "2")))
    print(ended.stdout.strip())
    if not invariants:
        if ended.returncode != 0:
            fail("the code as it is breaks an invariant")
        return
    broken = re.search(r"BROKEN (?:life \d+: )?(\w+):", ended.stdout)
    if ended.returncode == 0 or not broken:
        fail(f"nothing noticed that '{name}' (exit code {ended.returncode})")
    if broken.group(1) not in invariants:
        fail(f"it broke '{broken.group(1)}', where {' or '.join(invariants)} was expected")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", nargs="?")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--build", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(MUTATIONS))
        return
    build = arguments.build.resolve()
    if not (build / "compile_commands.json").exists():
        print("SKIPPED: this build has no compile_commands.json")
        sys.exit(77)
    if arguments.sample is None:
        run(arguments.name, build)
        return
    seed = os.environ.get("TAILRACE_SEED") or str(time.time_ns())
    print(f"TAILRACE_SEED={seed}")
    # Not the control, which takes as long as the rest: the unchanged code has its own tests.
    names = sorted(name for name, (invariants, _) in MUTATIONS.items()
                   if invariants and name not in RARELY_MET)
    for name in random.Random(int(seed)).sample(names, arguments.sample):
        print(f"mutation: {name}", flush=True)
        run(name, build)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The rules of the house that a program can check; CONTRIBUTING.md has those it can't.

    house_rules.py               check the tree around this file; exit code 1 if a rule is broken
    house_rules.py --self-test   check the rules: each finds its bad samples, passes its good one

A rule is a function from a tree (path -> File) to findings (path, line, message), registered with
samples of both kinds. Each message says what to do instead.
"""

import os
import pathlib
import posixpath
import re
import sys

import memory_order_rules  # noqa: F401, it registers its rules
from rule_book import CODE, LIBRARIES, RULES, TEXT, TEXT_NAMES, File, code_files, rule

# (rule, path): why this one place is right. One that excuses nothing is itself a finding.
ALLOWED = {
    ("reinterpret_cast", "bus/src/region.cpp"):
        "here a checked mapping becomes the stream's tables, once",
    ("reinterpret_cast", "stream/src/group_file.cpp"):
        "here a checked mapping becomes the group's tables, once",
    ("third_party", "bench/command/device.cpp"):
        "it measures the raw device, without our storage, at the same depth",
    ("sleep_in_test", "tests/stream/identity_killed.cpp"):
        "its publishers take turns with a recorder that is behind",
    ("sleep_in_test", "tests/stream/recorder_killed.cpp"):
        "a child paces its load; nothing waits for it",
    ("sleep_in_test", "tests/stream/slide_killed.cpp"):
        "children pace their load; nothing waits for it",
}

# --- who may include whom

PUBLIC = ("base", "schema", "bus", "journal", "stream", "observe", "parquet")
# room -> (tailrace/<x>/ it may include, third-party headers it may include)
MAY_INCLUDE = {
    "base": (("base",), ("boost", "xxhash")),
    "schema": (("base", "schema"), ("boost", "xxhash")),
    "bus": (("base", "schema", "bus"), ("boost", "xxhash")),
    "journal": (("base", "schema", "journal"), ("boost", "xxhash")),
    "stream": (("base", "schema", "bus", "journal", "stream"), ("boost", "xxhash")),
    "observe": (("base", "schema", "bus", "journal", "stream", "observe"), ("boost", "xxhash")),
    "links": (("base", "schema", "stream", "parquet"), ("xxhash",)),
    "tools": (PUBLIC, ("boost", "xxhash", "fmt", "CLI", "nlohmann")),
    "examples": (PUBLIC, ()),
    "bench": (PUBLIC, ("boost", "xxhash", "fmt", "CLI", "nlohmann", "benchmark")),
    "tests": (PUBLIC, ("boost", "xxhash", "fmt", "CLI", "nlohmann", "catch2")),
}
THIRD_PARTY = re.compile(r"(boost|xxhash|fmt|CLI|nlohmann|catch2|benchmark|liburing)\b")
SOURCE_DIRECTORIES = {
    "base": "base/src",
    "schema": "schema/src",
    "bus": "bus/src",
    "journal": "journal/src",
    "stream": "stream/src",
    "observe": "observe/src",
    "links": "links/parquet/src",
    "parquet": "links/parquet/src",
    "tools": "tools",
    "bench": "bench/command",
}


def room_of(path):
    return path.split("/")[0]


@rule(
    "layers",
    bad=[
        {"base/src/a.cpp": "#include <tailrace/bus/ring.hpp>\n"},
        {"base/src/a.cpp": "#include <tailrace/schema/field.hpp>\n"},
        {"schema/src/a.cpp": "#include <tailrace/bus/ring.hpp>\n"},
        {"bus/src/a.cpp": "#include <tailrace/journal/writer.hpp>\n"},
        {"journal/src/a.cpp": "#include <tailrace/bus/ring.hpp>\n"},
        {"tools/a.cpp": "#include <tailrace/bus/detail/ring.hpp>\n"},
        {"stream/src/a.cpp": "#include <tailrace/observe/figure.hpp>\n"},
        {"bus/src/a.cpp": "#include <tailrace/observe/figure.hpp>\n"},
    ],
    good={
        "base/src/a.cpp": "#include <tailrace/base/b.hpp>\n",
        "bus/src/a.cpp": "#include <tailrace/base/b.hpp>\n#include <tailrace/bus/detail/c.hpp>\n",
        "stream/src/a.cpp": "#include <tailrace/bus/b.hpp>\n",
        "tests/bus/a_test.cpp": "#include <tailrace/bus/detail/c.hpp>\n",
    },
)
def layers(tree):
    for path, file in code_files(tree, *(f"{room}/" for room in MAY_INCLUDE)):
        room = room_of(path)
        for number, _, include in file.includes:
            match = re.match(r"tailrace/(\w+)/(detail/)?", include)
            if not match:
                continue
            target = match.group(1)
            if target not in MAY_INCLUDE[room][0]:
                yield path, number, (
                    f"{room} may not include tailrace/{target}: it may include "
                    f"{', '.join(MAY_INCLUDE[room][0])}; what needs both lives in stream"
                )
            elif match.group(2) and room != target and not path.startswith(("tests/", "bench/")):
                yield path, number, (
                    f"detail/ of {target} is its own; use or extend its public header"
                )


@rule(
    "third_party",
    bad=[
        {"journal/src/writer.cpp": "#include <liburing.h>\n"},
        {"bus/src/region.cpp": "#include <fmt/format.h>\n"},
        {"base/src/clock.cpp": "#include <nlohmann/json.hpp>\n"},
        {"observe/src/figure.cpp": "#include <fmt/format.h>\n"},
    ],
    good={
        "journal/src/uring_storage.cpp": "#include <liburing.h>\n",
        "journal/src/uring_reads.cpp": "#include <liburing.h>\n",
        "bus/src/region.cpp": "#include <boost/interprocess/errors.hpp>\n#include <xxhash.h>\n",
        "tools/cmd_ls.cpp": "#include <fmt/format.h>\n",
    },
)
def third_party(tree):
    for path, file in code_files(tree, *(f"{room}/" for room in MAY_INCLUDE)):
        room = room_of(path)
        for number, _, include in file.includes:
            match = THIRD_PARTY.match(include)
            if not match or match.group(1) in MAY_INCLUDE[room][1]:
                continue
            if match.group(1) == "liburing":
                if not path.startswith(("journal/src/uring_storage.", "journal/src/uring_reads.")):
                    yield path, number, (
                        "only journal/src/uring_storage.* and uring_reads.* know liburing; "
                        "use the storage seam"
                    )
            else:
                yield path, number, (
                    f"{room} may not use {match.group(1)}: a stream's library needs no more than "
                    "Boost.Interprocess, liburing and xxHash; text and options belong to tools/"
                )


@rule(
    "private_headers",
    bad=[
        {"journal/src/a.cpp": '#include "ring.hpp"\n', "bus/src/ring.hpp": ""},
        {"tests/bus/a_test.cpp": '#include "codec.hpp"\n', "journal/src/codec.hpp": ""},
        {"bus/src/a.cpp": '#include "../../journal/src/b.hpp"\n', "journal/src/b.hpp": ""},
        {"bus/include/tailrace/bus/a.hpp": '#include "b.hpp"\n', "bus/src/b.hpp": ""},
        {"bench/command/a.cpp": '#include "command.hpp"\n', "tools/command.hpp": ""},
        {"bench/command/a.cpp": '#include "support/b.hpp"\n', "tests/support/b.hpp": ""},
    ],
    good={
        "bus/src/a.cpp": '#include "ring.hpp"\n',
        "bus/src/ring.hpp": "",
        "tools/cmd_bench.cpp": '#include "suite.hpp"\n',
        "bench/command/suite.hpp": "",
        "bench/micro/a_bench.cpp": '#include "ring.hpp"\n#include "support/temp_dir.hpp"\n',
        "tests/bus/a_test.cpp": '#include "ring.hpp"\n#include "temp_dir.hpp"\n',
        "tests/support/temp_dir.hpp": "",
    },
)
def private_headers(tree):
    sources = list(SOURCE_DIRECTORIES.values())
    for path, file in code_files(tree, *(f"{room}/" for room in MAY_INCLUDE)):
        places = [posixpath.dirname(path)]
        parts = path.split("/")
        if parts[0] == "tests":
            own = SOURCE_DIRECTORIES.get(parts[1])
            places += ["tests", "tests/support"] + ([own] if own else sources)
        elif parts[0] == "bench":
            places += [source for source in sources if source != "tools"]
            if parts[1] == "micro":
                places.append("tests")  # tests/support: neither is built for users
        elif parts[0] != "examples":
            places.append(SOURCE_DIRECTORIES[room_of(path)])
            if parts[0] == "tools":
                places.append("bench/command")
        for number, kind, include in file.includes:
            if kind == "<":
                continue
            if "/include/" in path:
                yield path, number, "a public header includes only public ones, as <tailrace/...>"
            elif ".." in include.split("/"):
                yield path, number, (
                    "no path climbs out of its room; list the folder in PRIVATE_INCLUDES"
                )
            elif not any(f"{place}/{include}" in tree for place in places):
                yield path, number, (
                    f'"{include}" is not in {" or ".join(places)}: '
                    "use a public header <tailrace/...>"
                )


# --- words and constructs that have a better one

UNFINISHED = "TO" + "DO"
WORDS = [
    # (name, rooms, file endings, pattern, blanked text?, what instead, bad line)
    ("unfinished", (), None, rf"\b({UNFINISHED}|FIX" + r"ME|X" + r"XX)\b", False,
     "finish it, or describe the limitation and what happens then", f"// {UNFINISHED}: later"),
    ("volatile", (), CODE, r"(?<!asm )(?<!__asm__ )\bvolatile\b(?! (std::)?sig_atomic_t)", True,
     "volatile orders nothing: use std::atomic with a named order", "volatile bool stop;"),
    ("endl", (), CODE, r"\bstd::endl\b", True, "write '\\n'; flush where it matters",
     "out << std::endl;"),
    ("iostream", LIBRARIES, CODE, r"#\s*include\s*<iostream>", False,
     "a library returns an Error and prints nothing; tools/ prints", "#include <iostream>"),
    ("sleep_in_test", ("tests/",), CODE,
     r"\b(sleep_for|sleep_until|usleep|(clock_)?nanosleep)\b|::sleep\s*\(|\bsleep\s*\(\d", True,
     "wait for the condition itself, with a watchdog", "std::this_thread::sleep_for(1ms);"),
    ("using_namespace", (), (".hpp",), r"\busing\s+namespace\b", True,
     "spell the names: a header's using reaches everybody", "using namespace std;"),
    ("fence", (), CODE, r"\batomic_thread_fence\b", True,
     "put the order on the operation, with its [sync:name]: race detectors do not see fences",
     "std::atomic_thread_fence(std::memory_order_acquire);"),
    ("old_builtins", (), CODE, r"\b__sync_\w+", True, "use std::atomic with a named order",
     "__sync_synchronize();"),
    ("throw", LIBRARIES, CODE, r"\bthrow\b", True, "libraries do not throw: return an Error",
     "throw Broken();"),
    ("assert", (), CODE, r"(?<![\w.])assert\s*\(", True,
     "use TAILRACE_CHECK (always on) or TAILRACE_DCHECK (hot paths)", "assert(x);"),
    ("catch_main", ("tests/",), CODE, r"\bCATCH_CONFIG_(MAIN|RUNNER)\b", True,
     "link Catch2::Catch2WithMain, as tailrace_add_test does", "#define CATCH_CONFIG_MAIN"),
    ("glob", (), ("CMakeLists.txt", ".cmake"), r"\bGLOB(_RECURSE)?\b", False,
     "list the files by hand, so that a new one shows up in review", "file(GLOB x *.cpp)"),
]


def word_rule(name, rooms, endings, pattern, blanked, instead, bad_line):
    compiled = re.compile(pattern)
    place = (rooms[0] if rooms else "bus/") + ("a.cmake" if name == "glob" else "a.hpp")

    @rule(name, bad=[{place: bad_line + "\n"}], good={place: "sleep_count(1);  // endless\n"})
    def check(tree):
        for path, file in tree.items():
            if endings and not path.endswith(endings) or rooms and not path.startswith(rooms):
                continue
            if not endings and path.endswith(".md"):
                continue
            text = file.code if blanked else file.text
            for match in compiled.finditer(text):
                yield path, text.count("\n", 0, match.start()) + 1, f"{match.group()}: {instead}"


for words in WORDS:
    word_rule(*words)


CASTS_AT_HOME = {"layout", "format", "mapping", "codec", "ring", "header", "run"}


@rule(
    "reinterpret_cast",
    bad=[{"bus/src/publisher.cpp": "auto* p = reinterpret_cast<Event*>(bytes);\n"}],
    good={
        "bus/src/ring_layout.cpp": "auto* p = reinterpret_cast<Event*>(bytes);\n",
        "tests/bus/publisher_test.cpp": "auto* p = reinterpret_cast<Event*>(bytes);\n",
    },
)
def casts(tree):
    for path, file in code_files(tree, *LIBRARIES, "tools/", "bench/"):
        if CASTS_AT_HOME & set(pathlib.PurePosixPath(path).stem.split("_")):
            continue
        for match in re.finditer(r"\breinterpret_cast\b", file.code):
            yield path, file.line_of(match.start()), (
                "bytes become objects only in files named after it "
                f"({', '.join(sorted(CASTS_AT_HOME))}): call a function there, or use memcpy"
            )


# --- files

VAGUE = {"util", "utils", "utility", "utilities", "helper", "helpers", "common", "misc", "impl",
         "impls", "manager", "managers"}


@rule(
    "file_names",
    bad=[{"bus/src/string_utils.cpp": ""}, {"common/a.hpp": ""}, {"bus/src/RingBuffer.cpp": ""}],
    good={"bus/src/ring.cpp": "", "docs/decisions/0001-header.md": "", "README.md": ""},
)
def file_names(tree):
    for path in tree:
        vague = VAGUE & set(re.split(r"[/_.-]", path.lower()))
        if vague:
            yield path, 0, f"'{min(vague)}' names nothing: name the thing that the file is about"
        name = path.split("/")[-1]
        if name.endswith(CODE + (".py",)) and not re.fullmatch(r"[a-z0-9_]+\.\w+", name):
            yield path, 0, "file names are snake_case nouns"


@rule(
    "line_length",
    bad=[{"bus/src/a.cpp": "x" * 101 + "\n"}],
    good={"bus/src/a.cpp": "ü" * 100 + "\n", "docs/a.md": "x" * 300 + "\n"},
)
def line_length(tree):
    for path, file in tree.items():
        if not path.endswith(CODE + (".py", ".sh", ".cmake", "CMakeLists.txt", "dev")):
            continue
        for number, line in enumerate(file.lines, 1):
            if len(line) > 100:
                yield path, number, f"{len(line)} columns: 100 is the limit; break the line"


@rule(
    "file_length",
    bad=[{"bus/src/a.cpp": "x\n" * 601}, {"tests/bus/a_test.cpp": "x\n" * 801}],
    good={
        "bus/src/a.cpp": "x\n" * 600,
        "tests/bus/a_test.cpp": "x\n" * 800,
        "docs/law.md": "x\n" * 900,
    },
)
def file_length(tree):
    for path, file in tree.items():
        if path.endswith(CODE + (".py", ".sh", ".cmake", "CMakeLists.txt")):
            limit = 800 if path.startswith("tests/") else 600
            count = file.text.count("\n")
            if count > limit:
                yield path, 0, f"{count} lines: {limit} is the limit; find the second noun"


@rule(
    "header_opening",
    bad=[
        {"bus/include/tailrace/bus/a.hpp": "// The ring.\n#ifndef A\n"},
        {"bus/include/tailrace/bus/a.hpp": "#pragma once\n\n#include <array>\nint x;\n"},
    ],
    good={
        "bus/include/tailrace/bus/a.hpp": "#pragma once\n\n// The ring. Anybody may call it.\n",
        "bus/include/tailrace/bus/b.hpp": "// The ring.\n" * 20 + "#pragma once\n",
    },
)
def header_opening(tree):
    for path, file in code_files(tree):
        if not path.endswith(".hpp") or not file.text:
            continue
        if not file.code.lstrip().startswith("#pragma once"):
            yield path, 1, "a header opens with #pragma once"
        elif not any(line.startswith("//") for line in file.text.split("\n", 3)[:3]):
            yield path, 1, (
                "a header opens with a comment: what it is, who may call it, where the law is"
            )


@rule(
    "listed_sources",
    bad=[
        {"bus/src/a.cpp": "", "bus/CMakeLists.txt": "add_library(bus src/b.cpp)\n"},
        {"bus/src/a.cpp": "", "journal/CMakeLists.txt": "add_library(journal src/a.cpp)\n"},
    ],
    good={
        "bus/src/a.cpp": "",
        "tests/x/b.cpp": "",
        "bus/CMakeLists.txt": "add_library(bus\n    src/a.cpp)\n",
        "tests/CMakeLists.txt": 'add_executable(x "${CMAKE_CURRENT_SOURCE_DIR}/x/b.cpp")\n',
    },
)
def listed_sources(tree):
    listed = set()
    for path, file in tree.items():
        if not path.endswith("CMakeLists.txt"):
            continue
        text = re.sub(r"#[^\n]*", "", file.text)
        for name in re.findall(r"[^\s\"();]+\.[ch]pp\b", text):
            name = name.replace("${CMAKE_CURRENT_SOURCE_DIR}/", "")
            if name.startswith("${PROJECT_SOURCE_DIR}/"):
                listed.add(posixpath.normpath(name.split("/", 1)[1]))
            else:
                listed.add(posixpath.normpath(posixpath.join(posixpath.dirname(path), name)))
    for path, _ in code_files(tree):
        if path not in listed:
            yield path, 0, "no CMakeLists.txt lists this file: list it, or delete it"


# --- documents

MARKDOWN_LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")


def prose(text):
    """Markdown without its code, lines kept."""
    text = re.sub(r"^( *)(```|~~~).*?^ *\2", lambda m: "\n" * m.group().count("\n"), text,
                  flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(text):
    found = set()
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for heading in re.findall(r"^#+ +(.+?) *#*$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.replace(" ", "-"))
    return found


@rule(
    "links",
    bad=[
        {"docs/a.md": "[law](b.md)\n"},
        {"docs/a.md": "[law](b.md#two)\n", "docs/b.md": "# One\n"},
        {"README.md": "![picture](docs/x.svg)\n"},
    ],
    good={
        "README.md": "[law](docs/a.md#the-law) [web](https://example.org) [here](#top)\n# Top\n",
        "docs/a.md": "## The law!\n[up](../README.md) [room](../bus/)\n```\n[x](y.md)\n```\n",
        "bus/a.txt": "",
    },
)
def links(tree):
    folders = {str(parent) for path in tree for parent in pathlib.PurePosixPath(path).parents}
    for path, file in tree.items():
        if not path.endswith(".md"):
            continue
        text = prose(file.text)
        for match in MARKDOWN_LINK.finditer(text):
            link = match.group(1)
            if re.match(r"[a-z][a-z0-9+.-]*:", link):
                continue
            number = text.count("\n", 0, match.start()) + 1
            name, _, anchor = link.partition("#")
            target = path
            if name:
                target = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
            if target not in tree and target not in folders:
                yield path, number, f"{link} leads nowhere: write it from this file's folder"
            elif anchor and target.endswith(".md") and anchor not in anchors(tree[target].text):
                yield path, number, f"{link}: no such heading; correct the part behind #"


FOREIGN_PLACES = re.compile("/wo" + r"rk/|/tmp/br" + r"ief")


@rule(
    "foreign_places",
    bad=[{"docs/a.md": "see /wo" + "rk/notes\n"}, {"dev": "cat /tmp/br" + "ief/x\n"}],
    good={"docs/a.md": "the network/worker and framework/x\n"},
)
def foreign_places(tree):
    for path, file in tree.items():
        for match in FOREIGN_PLACES.finditer(file.text):
            number = file.text.count("\n", 0, match.start()) + 1
            yield path, number, (
                f"{match.group()} is a path of one machine: name it relative to the tree"
            )


TEST_CASE = re.compile(r'TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)')
ITALICS = re.compile(r"(\*{1,2})([^*]+)\1")
LAWS_WITH_TESTS = ("docs/durability.md", "docs/journal_format.md")


def test_names(tree):
    for path, file in tree.items():
        if not path.startswith("tests/"):
            continue
        if path.endswith(".cpp"):
            for match in TEST_CASE.finditer(file.text):
                yield "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match.group(1)))
        elif path.endswith("mutation_test.py"):
            for name in re.findall(r'^    "([^"]+)": \(\(', file.text, re.MULTILINE):
                yield "mutation: " + name


@rule(
    "named_tests",
    bad=[
        {"docs/durability.md": "kept (*writer: it keeps what it was given*)\n",
         "tests/a_test.cpp": 'TEST_CASE("writer: it keeps nothing", "[a]") {}\n'},
        {"docs/durability.md": "kept (*mutation: the promise is kept*)\n"},
    ],
    good={
        "docs/durability.md":
            "*kept* (*writer: it keeps all*; *mutation: the salt*), **not: this**: *a*\n",
        "tests/a_test.cpp": 'TEST_CASE("writer: it "\n          "keeps all of it") {}\n',
        "tests/journal/mutation_test.py": '    "the salt": (("dead",), [\n',
    },
)
def named_tests(tree):
    names = list(test_names(tree))
    for path in LAWS_WITH_TESTS:
        for number, line in enumerate(tree[path].lines if path in tree else [], 1):
            for stars, text in ITALICS.findall(line):
                is_name = stars == "*" and ": " in text and "…" not in text
                if is_name and not any(name.startswith(text) for name in names):
                    yield path, number, f"no test is called '{text}': name one that is"


# --- running

def findings_of(one, tree):
    return list(one.check({path: file for path, file in sorted(tree.items())}))


def self_test():
    broken = []
    for one in RULES:
        for number, sample in enumerate(one.bad, 1):
            if not findings_of(one, {path: File(text) for path, text in sample.items()}):
                broken.append(f"{one.name}: bad sample {number} was not found")
        for finding in findings_of(one, {path: File(text) for path, text in one.good.items()}):
            broken.append(f"{one.name}: the good sample was refused: {finding}")
    names = [one.name for one in RULES]
    broken += [f"{name}: registered twice" for name in sorted(names) if names.count(name) > 1]
    return broken


def read_tree(root):
    tree = {}
    for folder, folders, names in os.walk(root):
        inside = pathlib.Path(folder).relative_to(root)
        folders[:] = [name for name in folders
                      if name == ".ci" or not name.startswith((".", "build", "__pycache__"))]
        for name in names:
            path = pathlib.Path(folder) / name
            if path.is_symlink():
                continue
            if name.endswith(TEXT) or name in TEXT_NAMES:
                tree[(inside / name).as_posix()] = File(path.read_text(encoding="utf-8"))
            elif name not in ("CMakeUserPresets.json",):
                tree[(inside / name).as_posix()] = File("")
    return tree


def check_tree(root):
    tree = read_tree(root)
    excused, lines = set(), []
    for one in RULES:
        for path, number, message in findings_of(one, tree):
            if (one.name, path) in ALLOWED:
                excused.add((one.name, path))
            else:
                lines.append(f"{path}:{number}: {message} [{one.name}]" if number
                             else f"{path}: {message} [{one.name}]")
    for name, path in sorted(set(ALLOWED) - excused):
        lines.append(f"tests/house_rules.py: {name} excuses nothing in {path} any more: remove it")
    return lines


def main():
    if sys.argv[1:] == ["--self-test"]:
        lines = self_test()
    elif len(sys.argv) == 1:
        lines = check_tree(pathlib.Path(__file__).resolve().parent.parent)
    else:
        lines = [__doc__]
    print("\n".join(lines) if lines else f"{len(RULES)} rules kept")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())

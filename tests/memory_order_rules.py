"""The rules of the house about atomics: each order has a name, both ends and a reason."""

import re
from collections import defaultdict

from rule_book import LIBRARIES, code_files, rule

ORDER = re.compile(
    r"memory_order(?:_|::)(release|acquire|acq_rel|seq_cst|consume)\b"
    r"|__ATOMIC_(RELEASE|ACQUIRE|ACQ_REL|SEQ_CST|CONSUME)\b"
)
EDGE = re.compile(r"\[sync:([a-z0-9_]+)\]")
EDGE_ROW = re.compile(r"^\|\s*`([a-z0-9_]+)`\s*\|([^|\n]*)\|?([^|\n]*)", re.MULTILINE)
EDGE_LAW = "docs/memory_order.md"
EDGE_REACH = 6
STORE = "// [sync:seen] why\na.store(1, std::memory_order_release);\n"
LOAD = "// [sync:seen] why\na.load(std::memory_order_acquire);\n"
BOTH = "// [sync:seen] why\na.exchange(1, std::memory_order_seq_cst);\n"
ROW = "| edge | release | acquire |\n|---|---|---|\n| `seen` | `a.store` | `a.load` |\n"


def edges_near(file, index):
    """The edges named by the nearest comment on this line or above it, within reach, and the lines
    of that comment."""
    for above in range(index, max(-1, index - EDGE_REACH - 1), -1):
        if not EDGE.search(file.lines[above]):
            continue
        first = last = above
        if file.lines[above].lstrip().startswith("//"):
            while first > 0 and file.lines[first - 1].lstrip().startswith("//"):
                first -= 1
            while last + 1 < index and file.lines[last + 1].lstrip().startswith("//"):
                last += 1
        edges = set(EDGE.findall("\n".join(file.lines[first : last + 1])))
        return edges, range(first, last + 1)
    return set(), range(0)


def names_in(cell):
    """The functions that a row names: the last part of each name in backticks."""
    return {name.split("::")[-1].split(".")[-1] for name in re.findall(r"`([\w:.]+)`", cell)}


@rule(
    "sync_edges",
    bad=[
        {"bus/src/a.cpp": "a.store(1, std::memory_order_release);\n"},
        {"bus/src/a.cpp": STORE, EDGE_LAW: ROW},
        {"bus/src/a.cpp": LOAD, EDGE_LAW: ROW},
        {"bus/src/a.cpp": BOTH, EDGE_LAW: ROW},
        {"bus/src/a.cpp": STORE + LOAD + "// [sync:seen] nothing\n", EDGE_LAW: ROW},
        {"bus/src/a.cpp": STORE + LOAD, EDGE_LAW: ROW.replace("`a.load`", "`gone`")},
        {"bus/src/a.cpp": STORE + LOAD, EDGE_LAW: ROW.replace("`a.store`", "a store")},
        {"tools/a.cpp": STORE},
        {"bus/src/a.cpp": STORE + LOAD},
        {"bus/src/a.cpp": STORE + LOAD, EDGE_LAW: ROW + "| `gone` | nobody |\n"},
        {"bus/src/a.cpp": STORE + "\n" * 7 + LOAD.split("\n")[1], EDGE_LAW: ROW},
    ],
    good={
        "bus/src/a.cpp": STORE,
        "bus/src/b.cpp": LOAD,
        "tests/bus/a_test.cpp": "a.store(1, std::memory_order_release);\n",
        "bench/command/a.cpp": (STORE + LOAD).replace("seen", "own"),
        EDGE_LAW: ROW,
    },
)
def sync_edges(tree):
    sides, sites, lawful = defaultdict(set), defaultdict(list), set()
    for path, file in code_files(tree, *LIBRARIES, "tools/", "bench/"):
        unused = {number for number, line in enumerate(file.lines) if EDGE.search(line)}
        if "memory_order" not in file.code and "__ATOMIC_" not in file.code and not unused:
            continue
        for index, line in enumerate(file.code_lines):
            for match in ORDER.finditer(line):
                order = (match.group(1) or match.group(2)).lower()
                edges, comment = edges_near(file, index)
                unused -= set(comment)
                if not edges:
                    yield path, index + 1, (
                        f"{order} without a name: say which edge it is, [sync:name], in a comment "
                        f"at most {EDGE_REACH} lines above, and give it a row in {EDGE_LAW}"
                    )
                for edge in edges:
                    sites[edge].append((path, index + 1))
                    # Others lean on the edges of the libraries; a tool's own are its business.
                    if path.startswith(LIBRARIES):
                        lawful.add(edge)
                    both = order in ("acq_rel", "seq_cst")
                    sides[edge] |= {"release", "acquire"} if both else {order}
        for number in sorted(unused):
            yield path, number + 1, (
                f"{EDGE.search(file.lines[number]).group()} names no ordered access: it stands at "
                f"most {EDGE_REACH} lines above one, or it goes"
            )
    yield from lawful_rows(tree, sides, sites, lawful)


def lawful_rows(tree, sides, sites, lawful):
    """Each edge has both ends in the sources, a row in the law, and the row names both."""
    law = tree.get(EDGE_LAW)
    rows = {row[0]: row[1:] for row in EDGE_ROW.findall(law.text)} if law else {}
    for edge, ends in sides.items():
        for missing in sorted({"release", "acquire"} - ends):
            yield *sites[edge][0], (
                f"edge {edge} has no {missing} side: tag it, or remove this side"
            )
        if len(set(sites[edge])) == 1:
            yield *sites[edge][0], (
                f"edge {edge} is at this place alone: tag the access that it meets"
            )
        if edge not in rows and edge in lawful:
            yield *sites[edge][0], (
                f"edge {edge} has no row in {EDGE_LAW} (name first, in backticks)"
            )
    words = set()
    for path, file in code_files(tree, *LIBRARIES):
        words |= set(re.findall(r"\w+", file.code))
    for edge, cells in sorted(rows.items()):
        if edge not in sides:
            yield EDGE_LAW, 0, f"edge {edge} is in no source any more: remove its row"
        for side, cell in zip(("release", "acquire"), cells):
            names = names_in(cell)
            if not names:
                yield EDGE_LAW, 0, f"edge {edge} names no function on its {side} side"
            for name in sorted(names - words):
                yield EDGE_LAW, 0, f"edge {edge}: there is no {name} any more ({side} side)"


ATOMIC_DECLARATION = re.compile(r"\batomic(?:_ref)?\s*<")
DECLARED_NAME = re.compile(r"[\s&*]*(?:,[^;{}()=]*?)?>?[\s&*]*\b([A-Za-z_]\w*)\s*[;{=,)(\[]")
ALWAYS_ATOMIC = re.compile(r"(?:\.|->)\s*(fetch_\w+|compare_exchange_(?:weak|strong))\s*\(")


def closing(text, position, pair):
    """The position behind the bracket that closes the one at `position`."""
    depth = 0
    for at in range(position, min(len(text), position + 4000)):
        if text[at] == pair[0]:
            depth += 1
        elif text[at] == pair[1]:
            depth -= 1
            if depth == 0:
                return at + 1
    return position + 1


def atomic_names(tree):
    names = set()
    for _, file in code_files(tree):
        for match in ATOMIC_DECLARATION.finditer(file.code):
            end = closing(file.code, match.end() - 1, "<>")
            name = DECLARED_NAME.match(file.code, end)
            if name:
                names.add(name.group(1))
    return names


@rule(
    "spelled_order",
    bad=[
        {"bus/src/a.cpp": "std::atomic<int> state_;\nint f() { return state_.load(); }\n"},
        {"bus/src/a.cpp": "std::atomic<int> state_{0};\nvoid f() { state_.store(\n    7);\n}\n"},
        {"bus/src/a.cpp": "void f(T& x) { x->fetch_add(1); }\n"},
        {"bus/src/a.cpp": "std::atomic<int> state_{0};\nvoid f() { ++state_; }\n"},
        {"bus/src/a.cpp": "std::array<std::atomic<int>, 4> m;\nvoid f() { m[2].store(1); }\n"},
    ],
    good={
        "bus/src/a.cpp": "std::atomic<int> state_{0};\n"
        "void f() {\n    state_.store(g(1, 2),\n                 std::memory_order_relaxed);\n"
        "    state_.load(order);\n    settings.load();\n    shelf.store(book);\n}\n"
        "// state_.load()\n",
        "tests/bus/a_test.cpp": "std::atomic<int> state_;\nint f() { return state_.load(); }\n",
    },
)
def spelled_order(tree):
    names = "|".join(sorted(map(re.escape, atomic_names(tree)))) or "(?!)"
    by_name = re.compile(rf"\b(?:{names})(?:\[[^\]]*\])?\s*(?:\.|->)\s*(load|store|exchange)\s*\(")
    kept = "|".join(name for name in names.split("|") if name.endswith("_")) or "(?!)"
    counted = re.compile(rf"(?:\+\+|--)\s*(?:{kept})\b|\b(?:{kept})\s*(?:\+\+|--|[-+|&^]=)")
    # A test's own atomics are no part of any protocol: there the default is the plain choice.
    for path, file in code_files(tree, *LIBRARIES, "tools/", "bench/", "examples/"):
        for pattern in (by_name, ALWAYS_ATOMIC):
            for match in pattern.finditer(file.code):
                arguments = file.code[match.end() - 1 : closing(file.code, match.end() - 1, "()")]
                if not re.search(r"memory_order|__ATOMIC_|order\b", arguments):
                    yield path, file.line_of(match.start()), (
                        f"{match.group(1)} is seq_cst by omission: spell the memory order"
                    )
        for match in counted.finditer(file.code):
            yield path, file.line_of(match.start()), (
                f"{match.group().strip()} is seq_cst by omission: use fetch_add or load and store, "
                "with an order"
            )


RELAXED = "a.load(std::memory_order_relaxed);\n"


def function_comment(file, index):
    """The comment above the unindented line that this line belongs to, in lower case."""
    start = index
    while start > 0 and (not file.lines[start].strip() or file.lines[start][0] in " \t#})"):
        start -= 1
    first = start
    while first > 0 and file.lines[first - 1].startswith("//"):
        first -= 1
    return "\n".join(file.lines[first:start]).lower()


@rule(
    "relaxed_reason",
    bad=[
        {"bus/src/a.cpp": "int f() {\n    return a.load(std::memory_order_relaxed);\n}\n"},
        {"bus/src/a.cpp": "// Reads it.\nint f() {\n" + "\n" * 6 + "    " + RELAXED + "}\n"},
    ],
    good={
        "bus/src/c.cpp": "// Relaxed: nobody sees it.\nint f() {\n" + "\n" * 6 + "    " + RELAXED,
        "bus/src/a.cpp": "// Only this thread writes it.\na.load(std::memory_order_relaxed);\n",
        "bus/src/b.cpp": "a.load(std::memory_order_relaxed);  // a hint\n",
    },
)
def relaxed_reason(tree):
    for path, file in code_files(tree, *LIBRARIES):
        for index, line in enumerate(file.code_lines):
            if "memory_order_relaxed" not in line and "memory_order::relaxed" not in line:
                continue
            near = file.lines[max(0, index - EDGE_REACH) : index + 1]
            if any("//" in text for text in near) or "relaxed" in function_comment(file, index):
                continue
            yield path, index + 1, (
                "relaxed without a word: say in a comment who else writes it, here or for all of "
                "a function above it"
            )

#!/usr/bin/env python3
"""Each C++ block of README and docs stands, as it is printed, in a file of examples/, which is
compiled and run with everything else: so none can rot.

    doc_blocks.py               all of them
    doc_blocks.py --self-test   a block that stands nowhere is found
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```cpp\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def strays(documents, sources):
    """The blocks that no source has: (document, line, first line of the block)."""
    found = []
    for name, text in documents.items():
        for block in BLOCK.finditer(text):
            if not any(block.group(1) in source for source in sources):
                line = text.count("\n", 0, block.start()) + 1
                found.append((name, line, block.group(1).split("\n")[0]))
    return found


def self_test():
    block = "```cpp\nint a;\nint b;\n```\n"
    assert not strays({"page": "text\n" + block}, ["int a;\nint b;\nint c;\n"])
    assert strays({"page": "text\n" + block}, ["int a;\n\nint b;\n"]) == [("page", 2, "int a;")]
    assert strays({"page": block}, []) == [("page", 1, "int a;")]
    return 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
    documents = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in pages}
    sources = [path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("examples/*.?pp"))]
    assert any(BLOCK.search(text) for text in documents.values()), "there is no block at all"
    found = strays(documents, sources)
    for name, line, first in found:
        print(f"{name}:{line}: '{first}' and what follows is in no file of examples/")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

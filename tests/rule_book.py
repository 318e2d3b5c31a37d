"""What a rule of the house is, and what it looks at: a tree of files (path -> File)."""

import functools
import re

CODE = (".cpp", ".hpp")
TEXT = CODE + (".py", ".sh", ".cmake", ".in", ".md", ".txt", ".json", ".yml", ".html", ".pml")
TEXT_NAMES = {"dev", "run", ".clang-format", ".clang-tidy", ".editorconfig", ".gitignore"}
LIBRARIES = ("base/", "schema/", "bus/", "journal/", "stream/", "observe/", "links/")


class File:
    """One file: its lines, and the same lines with comments, strings and characters blanked."""

    NOT_CODE = re.compile(
        r"//[^\n]*|/\*.*?\*/"
        r'|R"([^(\s"]*)\(.*?\)\1"'
        r'|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'",
        re.DOTALL,
    )

    def __init__(self, text):
        self.text = text
        self.lines = text.split("\n")

    @functools.cached_property
    def code(self):
        return self.NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), self.text)

    @functools.cached_property
    def code_lines(self):
        return self.code.split("\n")

    @functools.cached_property
    def includes(self):
        """[(line number, '<' or '"', path)]"""
        found = []
        for number, line in enumerate(self.lines, 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
            if match:
                found.append((number, match.group(1), match.group(2)))
        return found

    def line_of(self, position):
        return self.code.count("\n", 0, position) + 1


class Rule:
    def __init__(self, name, check, bad, good):
        self.name, self.check, self.bad, self.good = name, check, bad, good


RULES = []


def rule(name, bad, good):
    """Registers a check. bad: samples that must each give a finding; good: one that must not."""

    def register(check):
        RULES.append(Rule(name, check, bad, good))
        return check

    return register


def code_files(tree, *rooms):
    for path, file in tree.items():
        if path.endswith(CODE) and (not rooms or path.startswith(rooms)):
            yield path, file

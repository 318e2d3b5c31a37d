#!/usr/bin/env python3
"""Every command line that README and docs print behind a '$', in blocks and in tables, run as it
stands.

    doc_commands.py --list              the pages that print any
    doc_commands.py TAILRACE PAGE

The blocks of a page share one shell, in a sandbox: rings, journals, /var/tmp and /mnt are
directories of its own. A line ends with 0, or with what its comment says ("exit code 11"). A line
that ends with '&' runs on; where it is a recorder, the next line waits until it records.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEADLINE_S = 250
# In a row of a table, where pipes have a backslash.
CELL = re.compile(r"`\$ ([^`]+)`")
RECORDS = """for look in $(seq 600); do
    readers=$(tailrace lag --json)
    [[ $readers == *'"reader":"journal"'* && $readers != *OPENING* && $readers != *STOPPED* ]] &&
        break
    sleep 0.05
done
"""


def commands_of(page):
    """The lines behind a '$'."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found, fence = [], None
    for line in text.splitlines():
        if line.startswith("```"):
            fence = line if fence is None else None
        elif fence == "```" and line.startswith("$ "):
            found.append(line[2:])
        elif fence is None and line.startswith("|"):
            found += [cell.replace("\\|", "|") for cell in CELL.findall(line)]
    return found


def pages():
    names = ["README.md", "CONTRIBUTING.md",
             *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/**/*.md")))]
    return [name for name in names if commands_of(name)]


def script_of(page, sandbox):
    lines = ["cleanup() { kill $(jobs -p) 2>/dev/null; wait; }", "trap cleanup EXIT"]
    for command in commands_of(page):
        words, _, comment = command.partition(" # ")
        words = words.replace("/var/tmp/", f"{sandbox}/var/").replace("/mnt/", f"{sandbox}/mnt/")
        lines.append(f"echo {shlex.quote('$ ' + words)}")
        lines.append(words)
        if words.rstrip().endswith("&"):
            if "record" in words:
                lines.append(RECORDS)
            continue
        allowed = "|".join(["0", *re.findall(r"exit code (\d+)", comment)])
        lines.append(f'case $? in {allowed}) ;; *) echo "FAILED: exit code $?" >&2; exit 1;; esac')
    return "\n".join(lines) + "\n"


def main(tailrace, page):
    sandbox = pathlib.Path(tempfile.mkdtemp(prefix="tailrace-test-", dir="/var/tmp"))
    try:
        for name in ("bin", "rings", "journals", "var", "mnt"):
            (sandbox / name).mkdir()
        (sandbox / "bin" / "tailrace").symlink_to(pathlib.Path(tailrace).resolve())
        environment = {**os.environ, "PATH": f"{sandbox}/bin:{os.environ['PATH']}",
                       "TAILRACE_DIR": f"{sandbox}/rings",
                       "TAILRACE_JOURNAL_DIR": f"{sandbox}/journals",
                       "XDG_CONFIG_HOME": f"{sandbox}/config"}
        ran = subprocess.run(["bash", "-c", script_of(page, sandbox)], env=environment, check=False,
                             cwd=sandbox, stdin=subprocess.DEVNULL, timeout=DEADLINE_S)
        return ran.returncode
    finally:
        shutil.rmtree(sandbox, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(pages()))
    else:
        sys.exit(main(*sys.argv[1:]))

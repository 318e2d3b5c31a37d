"""--help, the man page and completion: one tree of commands, shown to people, man and shells."""

import os
import pathlib
import re
import shutil
import subprocess

from sandbox import Case

WIDTH, HEIGHT = 80, 24
SHELL_FUNCTION = r"""
source <("$1" completion bash) || exit 1
complete -p tailrace | grep -q -- '-F _tailrace' || exit 1
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_tailrace
printf '%s\n' "${COMPREPLY[@]}"
"""


class Tree(Case):
    def setUp(self):
        super().setUp()
        self.environment["HOME"] = str(self.work)

    def commands(self):
        """Every command that --help leads to, as words."""
        found = []

        def walk(words):
            text = self.ok(*words, "--help").text
            section = re.search(r"(?m)^Commands:\n((?:  .*\n)+)", text)
            for name in re.findall(r"(?m)^  (\w+)", section.group(1) if section else ""):
                found.append((*words, name))
                walk((*words, name))

        walk(())
        self.assertGreater(len(found), 20)
        return found

    def complete(self, *words):
        return [line.split("\t")[0]
                for line in self.ok("__complete", "--", *words).text.splitlines()]


class Help(Tree):
    def test_help_of_every_command_fits_a_screen_and_shows_an_example(self):
        commands = self.commands()
        self.assertIn(("bench", "pingpong"), commands)
        for words in ((), *commands):
            lines = self.ok(*words, "--help").lines
            self.assertLessEqual(max(map(len, lines)), WIDTH, (words, max(lines, key=len)))
            if not words:
                continue
            self.assertLess(len(lines), HEIGHT, words)  # and the prompt
            example = lines.index("Examples:" if "Examples:" in lines else "Example:")
            self.assertIn(" ".join(("tailrace", *words)), lines[example + 1], words)
        for line in self.ok("help", "exit-codes").lines + self.ok("help", "figures").lines:
            self.assertLessEqual(len(line), WIDTH)

    def test_what_few_need_is_named_there_and_explained_by_help(self):
        for words in self.commands():
            screen, whole = self.ok(*words, "--help").text, self.ok("help", *words).text
            self.assertLessEqual(max(map(len, whole.splitlines())), WIDTH, words)
            self.assertEqual(screen.splitlines()[:2], whole.splitlines()[:2], words)
            for option in re.findall(r"(?m)^  (?:-\w, )?(--(?!help)[\w-]+)", whole):
                self.assertRegex(screen, rf"{option}\b", words)
        self.assertNotRegex(self.ok("tail", "--help").text, r"(?m)^  --evict-after")
        self.assertIn("observe (nobody notices it)", self.ok("help", "tail").text)

    @staticmethod
    def stage(line):
        """What an example needs stands before it: a cursor, a backup to compare with."""
        words = line.split()
        if words[1] in ("cursor", "group", "publisher"):
            return {"set": 1, "rm": 3}.get(words[2], 2)
        return 4 if words[1] == "diff" else 0

    def test_examples_work_as_they_are_printed(self):
        lines = []
        for words in self.commands():
            text = self.ok(*words, "--help").text.partition("\nExample")[2].partition("\nAlso ")[0]
            lines += re.findall(r"(?m)^  (\S.*)$", text)
        removals = [line for line in lines if line.startswith("tailrace rm ")]
        lines = sorted((line for line in lines if line not in removals), key=self.stage)
        (self.work / "bin").mkdir()
        (self.work / "bin" / "tailrace").symlink_to(self.program)
        for folder in (".config/fish/completions", ".local/share/man/man1", "mnt/backup"):
            (self.work / folder).mkdir(parents=True)
        script = ['trap \'kill $(jobs -p) 2>/dev/null; wait\' EXIT']
        for line in lines + removals:
            line = line.replace("/mnt/", f"{self.work}/mnt/")
            if line.startswith("tailrace man |") and not shutil.which("man"):
                continue
            if line.startswith("tailrace record"):
                script += [f"{line} &", "until tailrace inspect orders --json | "
                                        "grep -q '\"state\":\"running\"'; do sleep 0.05; done"]
                continue
            if line.startswith("tailrace serve"):
                script.append(f"{line} --listen 127.0.0.1:0 &")
                continue
            if line == "tailrace top":
                script.append(f"{line} 2>&1 | grep -q 'draws on a terminal' || exit 1")
                continue
            if line.startswith("tailrace group retry"):
                # One that has no member knows of no dead letters, and says so.
                script.append(f"{line} 2>&1 | grep -q 'has no group' || exit 1")
                continue
            if line.startswith("tailrace bench compress"):
                # A journal of one segment has nothing to compress, and says so.
                script.append(f"{line} 2>&1 | grep -q 'never compressed' || exit 1")
                continue
            script += [f"{line} || {{ echo \"FAILED $?: {line.split(' -f')[0]}\" >&2; exit 1; }}"]
            if line.startswith("seq"):
                script.append("seq 1000 | tailrace pub orders")  # enough for all examples
        path = {"PATH": f"{self.work}/bin:{os.environ['PATH']}", "MANPAGER": "cat"}
        ran = subprocess.run(["bash", "-c", "\n".join(script)], capture_output=True, check=False,
                             env={**self.environment, **path}, cwd=self.work, timeout=240)
        self.assertEqual(ran.returncode, 0, ran.stderr.decode())


class Man(Tree):
    def test_the_man_page_has_every_command_option_and_exit_code(self):
        page = self.ok("man").text.replace("\\-", "-")
        for words in self.commands():
            self.assertIn(f".SS {' '.join(words)}\n", page)
            text = self.ok("help", *words).text
            for option in re.findall(r"(?m)^  (?:-\w, )?(--[\w-]+)", text):
                if option != "--help":
                    self.assertRegex(page, rf"(?m)^\.?\\fB.*{option}\b")
        for code in [*range(19), 130]:
            self.assertRegex(page, rf"(?m)^\\fB{code}\\fR$")
        self.assertNotIn("__complete", page)

    def test_the_man_page_is_read_without_a_warning(self):
        if not shutil.which("groff"):
            self.skipTest("groff is not installed")
        page = self.ok("man").stdout
        ran = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-P-cbou"], input=page,
                             capture_output=True, check=True, env={**self.environment})
        self.assertEqual(ran.stderr, b"")
        text = ran.stdout.decode()
        self.assertIn("tailrace tail orders -e --key 7 -f '%s %k %v\\n'", text)
        self.assertRegex(text, r"(?m)^ +-n, --count N\n +Stop after so many events\.")


class Habits(Case):
    def test_each_habit_has_a_command_or_a_reason(self):
        page = pathlib.Path(__file__).resolve().parents[2] / "docs" / "habits.md"
        rows = [re.split(r"(?<!\\)\|", line)[1:-1]
                for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
        habits = rows[2:]
        self.assertGreaterEqual(len(habits), 20)
        for habit, here, remark in habits:
            has_command = here.strip().startswith("`$ ")
            self.assertTrue(has_command or (here.strip() == "no command" and remark.strip()), habit)
        self.assertEqual({habit.strip(" `").split()[0] for habit, _, _ in habits},
                         {"kcat", "nats", "rpk", "redis-cli", "mcap", "iox2"})


class Documents(Tree):
    """What README and docs name inside their sentences is there; what they show behind a '$' is run
    by doc_commands.py."""

    ROOT = pathlib.Path(__file__).resolve().parents[2]

    def named(self):
        """(page, command): `tailrace ...` between back quotes, and lines of blocks. Decisions are
        of their time."""
        pages = [self.ROOT / "README.md", self.ROOT / "CONTRIBUTING.md",
                 *sorted(self.ROOT.glob("docs/*.md"))]
        for page in pages:
            for code in re.findall(r"`((?:tailrace|\./dev) [^`]+)`|^((?:\./dev|#) .*)$",
                                   page.read_text(encoding="utf-8"), re.MULTILINE):
                yield page.name, (code[0] or code[1]).partition(" # ")[0]

    def test_commands_and_options_that_pages_name_are_there(self):
        commands = set(self.commands())
        everywhere = self.ok("--help").text
        verbs = subprocess.run([self.ROOT / "dev"], capture_output=True, check=False).stdout
        verbs = set(re.findall(r"(?m)^  (\w+) ", verbs.decode()))
        self.assertIn("soak", verbs)
        seen = 0
        for page, code in self.named():
            words = code.split()
            if words[0] == "./dev":
                self.assertLessEqual(set(words[1:2]), verbs, (page, code))
                continue
            if words[0] != "tailrace":
                continue
            path = tuple(words[1:3]) if tuple(words[1:3]) in commands else tuple(words[1:2])
            self.assertIn(path, commands | {("help",)}, (page, code))
            text = self.ok("help", *path).text + everywhere
            for option in re.findall(r" (--?[a-z][\w-]*)", code):
                self.assertRegex(text, rf"(?m)^ +(-\w, )?(--[\w-]+, ?)*{option}\b", (page, code))
            seen += 1
        self.assertGreater(seen, 60)

    def test_the_front_page_is_one(self):
        lines = (self.ROOT / "README.md").read_text(encoding="utf-8").splitlines()
        self.assertLessEqual(len(lines), 200)


class Completion(Tree):
    def setUp(self):
        super().setUp()
        self.make(stream="orders")
        self.make(stream="trades")
        (self.journals / "archive").mkdir(parents=True)

    def test_commands_options_and_streams(self):
        commands = self.complete("")
        self.assertIn("tail", commands)
        self.assertNotIn("__complete", commands)
        self.assertEqual(sorted(commands), sorted({words[0] for words in self.commands()}))
        self.assertEqual(self.complete("ver"), ["verify", "version"])
        self.assertEqual(self.complete("bench", "pi"), ["pingpong"])
        self.assertEqual(self.complete("tail", ""), ["orders", "trades"])
        self.assertEqual(self.complete("sub", "o"), ["orders"])
        self.assertEqual(self.complete("--json", "tail", "-n", "3", "t"), ["trades"])
        self.assertEqual(self.complete("tail", "orders", "t"), ["trades"])
        self.assertEqual(self.complete("sample", "orders", ""), [])
        self.assertEqual(self.complete("rm", "orders", "t"), ["trades"])
        self.assertEqual(self.complete("verify", ""), ["orders", "trades", "archive", ":files"])
        self.assertEqual(self.complete("diff", "orders", "t"), ["trades", ":files"])
        self.assertEqual(self.complete("tail", "--pol"), ["--policy"])
        self.assertIn("--json", self.complete("tail", "orders", "--"))
        self.assertEqual(self.complete("help", "exi"), ["exit-codes"])

    def test_values(self):
        policies = ["observe", "spill", "skip", "gate", "evict"]
        self.assertEqual(self.complete("tail", "orders", "--policy", ""), policies)
        self.assertEqual(self.complete("tail", "--policy", "=", "g"), ["gate"])
        self.assertEqual(self.complete("tail", "--policy", "="), policies)
        self.assertEqual(self.complete("tail", "--policy=g"), ["--policy=gate"])
        self.assertEqual(self.complete("pub", "orders", "--file", ""), [":files"])
        self.assertEqual(self.complete("pub", "orders", "--as", "f"), ["framed"])
        self.assertEqual(self.complete("completion", ""), ["bash", "zsh", "fish"])
        self.assertEqual(self.complete("tail", "--from", ""), [])
        # An option whose value may be left out takes nothing away.
        self.assertEqual(self.complete("tail", "--", "o"), ["orders"])
        self.assertEqual(self.complete("--dir", "/nonexistent", "tail", ""), [])

    def in_bash(self, *words):
        ran = subprocess.run(["bash", "-c", SHELL_FUNCTION, "bash", self.program, self.program,
                              *words], capture_output=True, check=False, cwd=self.work,
                             env=self.environment, timeout=60)
        self.assertEqual((ran.returncode, ran.stderr), (0, b""), ran)
        return ran.stdout.decode().splitlines()

    def test_bash_asks_and_shows_the_same(self):
        self.assertEqual(self.in_bash("ver"), ["verify", "version"])
        self.assertEqual(self.in_bash("tail", ""), ["orders", "trades"])
        self.assertEqual(self.in_bash("tail", "orders", "--policy", "g"), ["gate"])
        (self.work / "a file").write_text("x", encoding="utf-8")
        self.assertEqual(self.in_bash("pub", "orders", "--file", "a"), ["a file"])
        # Nothing is there: no candidate, and no error on the terminal.
        self.environment["TAILRACE_DIR"] = "/nonexistent"
        self.assertEqual(self.in_bash("tail", ""), [""])

    def test_zsh_and_fish_take_their_scripts(self):
        missing = []
        for shell in ("zsh", "fish"):
            script = self.ok("completion", shell).stdout
            if not shutil.which(shell):
                missing.append(shell)
                continue
            file = self.work / f"script.{shell}"
            file.write_bytes(script)
            checked = subprocess.run([shell, "-n", file], capture_output=True, check=False)
            self.assertEqual((checked.returncode, checked.stderr), (0, b""), checked)
        if shutil.which("fish"):
            line = f"source script.fish; complete -C '{self.program} tail or'"
            script = (self.work / "script.fish").read_text(encoding="utf-8")
            (self.work / "script.fish").write_text(
                script.replace("complete -c tailrace", f"complete -p {self.program}"),
                encoding="utf-8")
            ran = subprocess.run(["fish", "-c", line], capture_output=True, check=True,
                                 cwd=self.work, env=self.environment, timeout=60)
            self.assertEqual(ran.stdout.decode().split()[:1], ["orders"], ran)
        if missing:
            self.skipTest(f"{' and '.join(missing)}: not installed")

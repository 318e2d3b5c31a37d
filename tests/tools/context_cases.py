"""The config file and its contexts: what counts before what, and what is said of a bad one."""

import os

from sandbox import Case


class Contexts(Case):
    def setUp(self):
        super().setUp()
        for variable in ("TAILRACE_DIR", "TAILRACE_JOURNAL_DIR"):
            del self.environment[variable]
        self.file = self.work / "config" / "tailrace" / "config"
        self.file.parent.mkdir(parents=True)
        self.places = {}
        for name in ("eu", "us", "other", "env"):
            self.places[name] = self.rings / name
            self.places[name].mkdir()

    def write(self, *lines):
        self.file.write_text("\n".join(lines) + "\n")

    def write_two(self, *before):
        self.write(*before, "[context eu]", f"dir = {self.places['eu']}",
                   f"journal_dir = {self.journals}", "[context us]", f"dir = {self.places['us']}")

    def place_of(self, stream):
        return [name for name, place in self.places.items() if (place / stream).exists()]

    def shown(self, *words, **options):
        ran = self.ok("context", "show", "--json", *words, **options)
        return {row["name"]: (row["value"], row["from"]) for row in ran.json["settings"]}

    def test_option_environment_context_and_default_in_this_order(self):
        self.write_two(f"dir = {self.places['other']}", "color = never")
        self.make(stream="a")
        self.assertEqual(self.place_of("a"), ["other"])
        self.make("--context", "eu", stream="b")
        self.assertEqual(self.place_of("b"), ["eu"])
        self.environment["TAILRACE_CONTEXT"] = "us"
        self.make(stream="c")
        self.assertEqual(self.place_of("c"), ["us"])
        self.make("--context", "eu", stream="d")
        self.assertEqual(self.place_of("d"), ["eu"])
        self.environment["TAILRACE_DIR"] = str(self.places["env"])
        self.make(stream="e")
        self.assertEqual(self.place_of("e"), ["env"])
        self.make("--dir", self.places["eu"], stream="f")
        self.assertEqual(self.place_of("f"), ["eu"])
        shown = self.shown("--context", "eu")
        self.assertEqual(shown["dir"], (str(self.places["env"]), "TAILRACE_DIR"))
        self.assertEqual(shown["journal_dir"], (str(self.journals), "context eu"))
        self.assertEqual(shown["color"], ("never", str(self.file)))
        self.assertEqual(shown["format"][1], "--json")
        del self.environment["TAILRACE_DIR"]
        self.assertEqual(self.shown("--context", "none")["dir"],
                         (str(self.places["other"]), str(self.file)))
        self.assertEqual(self.shown("--dir", "/x")["dir"], ("/x", "--dir"))

    def test_journals_lie_where_the_context_says(self):
        self.write_two("context = eu")
        self.make_journaled()
        self.ok("pub", "s", "x")
        self.record_all()
        self.assertTrue((self.journals / "s" / "SUPER").exists())
        self.ok("rm", "s", "--yes")
        self.assertEqual(self.payloads("replay", "s"), ["x"])

    def test_use_chooses_one_and_leaves_the_rest_as_it_was(self):
        self.write_two("# mine")
        self.assertEqual(self.ok("context", "ls").lines[1].split(),
                         ["eu", str(self.places["eu"]), str(self.journals)])
        before = self.file.read_text()
        self.ok("context", "use", "us")
        self.assertEqual(self.file.read_text(), before.replace("# mine", "# mine\ncontext = us"))
        rows = self.ok("context", "ls", "--json").json["contexts"]
        self.assertEqual([(row["context"], row["chosen"]) for row in rows],
                         [("eu", False), ("us", True)])
        self.make()
        self.assertEqual(self.place_of("s"), ["us"])
        self.assertEqual(self.ok("context", "ls").lines[2].split()[:2], ["*", "us"])
        self.ok("context", "use", "none")
        self.assertIsNone(self.ok("context", "show", "--json").json["context"])
        ran = self.refused(2, "context", "use", "asia", names=["no context 'asia'"])
        self.assertIn("context ls", ran.errors)

    def test_use_writes_behind_a_link(self):
        self.write_two()
        real = self.work / "dotfiles"
        os.rename(self.file, real)
        self.file.symlink_to(real)
        self.ok("context", "use", "eu")
        self.assertTrue(self.file.is_symlink())
        self.assertIn("context = eu\n", real.read_text())

    def test_what_is_not_there_says_in_which_context(self):
        self.write_two("context = eu")
        self.refused(4, "tail", "nobody", names=["'nobody'", self.places["eu"], "context 'eu'"])
        self.refused(4, "verify", "nobody", names=["'nobody'", self.journals, "context 'eu'"])
        self.make(stream="orders")
        ran = self.refused(4, "tail", "ordres", names=["context 'eu'", "did you mean 'orders'?"])
        self.assertIn("tailrace tail orders", ran.errors)
        checks = {row["name"]: row for row in self.run_any("doctor", "--json").json["checks"]}
        self.assertIn("eu", checks["context"]["value"])
        self.assertIn(str(self.file), checks["context"]["value"])

    def test_a_bad_file_names_its_line_and_the_nearest_key(self):
        self.write("dir = /x", "jurnal_dir = /y")
        self.refused(2, "ls", names=[self.file, "line 2", "'jurnal_dir'",
                                     "did you mean 'journal_dir'?"])
        self.refused(2, "ls", "--context", "eu", names=["line 2"])
        # Help is there all the same.
        self.assertIn("--context", self.ok("--help").text)
        self.ok("version")
        self.write("color = never")
        self.refused(2, "ls", "--context", "eu", names=["no context 'eu'", self.file])
        self.file.unlink()
        self.refused(2, "ls", "--context", "eu", names=["no context 'eu'"])
        self.file.mkdir()
        self.refused(1, "ls", names=[self.file])

    def test_completion_knows_them(self):
        self.write_two("context = us")
        self.make(stream="there")
        self.make("--context", "eu", stream="here")
        complete = lambda *words: [
            line.split("\t")[0] for line in self.ok("__complete", "--", *words).lines]
        self.assertEqual(complete("--context", ""), ["eu", "us"])
        self.assertEqual(complete("context", "u"), ["use"])
        self.assertEqual(complete("tail", ""), ["there"])
        self.assertEqual(complete("--context", "eu", "tail", ""), ["here"])

"""import: rows of CSV and JSON files become events."""

import pathlib
import shutil
import subprocess

from sandbox import DEADLINE_S, Case


class Import(Case):
    def publish(self, first, end, stream="s"):
        program = pathlib.Path(self.program).parent / "tests" / "tools" / "batch_events"
        subprocess.run([program, stream, str(first), str(end)], check=True,
                       env=self.environment, timeout=DEADLINE_S)

    def file(self, name, text):
        path = self.work / name
        path.write_text(text)
        return path

    def test_what_was_exported_comes_back_as_it_was(self):
        self.make("--capacity", "4MiB")
        self.publish(0, 500)
        for form in ("csv", "jsonl"):
            out = self.work / form
            self.ok("export", "s", "--to", out, "--format", form)
            self.make("--capacity", "4MiB", stream=form)
            self.publish(0, 0, stream=form)  # declares the types
            files = sorted(path for path in out.iterdir() if path.name != "manifest.json")
            self.assertEqual(len(files), 3)
            done = self.ok("import", form, *files, "--json").json
            self.assertEqual((done["events"], done["first_seq"], done["end_seq"]), (500, 0, 500))
            # Files are by type, so the order is another; each event is what it was.
            events = {stream: sorted(
                str({name: value for name, value in row.items()
                     if name not in ("stream", "seq", "time", "time_ns")})
                for row in self.ok("tail", stream, "--from", "start", "-e", "--json").json_lines)
                for stream in ("s", form)}
            self.assertEqual(events[form], events["s"])
            shutil.rmtree(out)

    def test_raw_rows_need_no_types(self):
        self.make()
        path = self.file("rows.csv", "payload,note\none,\ntwo,x\n")
        self.refused(2, "import", "s", path, "-q", names=["line 3", "no fields"])
        self.ok("rm", "s", "--yes", "--force")
        self.make()
        path = self.file("rows.csv", 'payload,key,type\r\n'
                                     '"two\nlines, ""quoted""",7,3\n'
                                     '"",a text,\n'
                                     'plain,,\r\n')
        self.ok("import", "s", path)
        rows = self.ok("tail", "s", "--from", "start", "-e", "--json").json_lines
        self.assertEqual([row["data"] for row in rows],
                         ['two\nlines, "quoted"', "", "plain"])
        self.assertEqual([row.get("type", 0) for row in rows], [3, 0, 0])
        self.assertEqual(rows[0]["key"], "7")
        self.assertNotIn("key", rows[2])
        ran = self.ok("import", "s", "-", "--format", "jsonl", "--type", "5",
                      stdin=b'{"payload_b64":"AAH/"}\n')
        self.assertIn("[3, 4)", ran.text)
        row = self.ok("tail", "s", "--from", "3", "-e", "--json").json
        self.assertEqual((row["type"], row["data_b64"]), (5, "AAH/"))

    def test_a_mistake_is_told_with_its_line_and_column(self):
        self.make()
        self.publish(0, 0)
        for text, names in (
                ("price,quantity\n1.5,2\n1.5,x\n", ["line 3", "quantity", "1 event"]),
                ("price,quantity\n1.5,99999999999\n", ["line 2", "quantity"]),
                ("price,quantify\n1.5,2\n", ["line 2", "quantify", "did you mean 'quantity'"]),
                ("price,quantity\n1.5\n", ["line 2", "1 cells"]),
                ("price,price\n1.5,2\n", ["line 1", "two columns"]),
                ('price,symbol\n1.5,"AB\n', ["isn't closed"]),
                ("price,symbol\n1.5,too long a symbol\n", ["line 2", "symbol"]),
                ("type,payload_b64\n0,!!!\n", ["payload_b64", "base64"]),
                ("type,price\n70000,1\n", ["type", "65535"]),
                ("type,price\n8,1\n", ["type 8"])):
            path = self.file("rows.csv", text)
            words = () if text.startswith("type") else ("--type", "Trade")
            ran = self.run_any("import", "s", path, *words)
            self.assertEqual(ran.code, 2, ran)
            for name in names:
                self.assertIn(name, ran.errors.replace("\n  ", " "), ran)
        self.refused(2, "import", "s", self.file("rows.jsonl", "[1]\n"), names=["line 1"])
        self.refused(2, "import", "s", self.file("rows.txt", ""), names=["rows.txt"])
        self.refused(2, "import", "s", self.file("rows.csv", ""), "--type", "Trode",
                     names=["Trode"])
        self.refused(4, "import", "s", self.work / "none.csv", names=["none.csv"])
        self.refused(4, "import", "none", self.file("rows.csv", ""))
        self.assertEqual(self.end_sequence(), 1)

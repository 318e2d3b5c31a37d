"""export: events as files of Parquet, CSV and JSON, each event in one of them, once."""

import csv
import io
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys

from sandbox import DEADLINE_S, Case

try:
    import xxhash
except ImportError:
    xxhash = None

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "parquet"))
import parquet_reader  # noqa: E402

HEADER = ["sequence", "publish_time_ns", "event_time_ns", "key", "type", "publisher",
          "publisher_sequence"]
NEW = ("fee", "levels", "is_last")
TABLES = {1: "Trade", 2: "Note", 9: "type-9"}


def expected(number):
    """What batch_events makes of a number: its table, and a row but for the publish time."""
    row = {"sequence": number, "key": number * 1_000_000_007 if number % 3 == 0 else None,
           "event_time_ns": 1_700_000_000_000_000_001 + number if number % 4 == 0 else None}
    kind = number % 5
    row["type"] = {0: 2, 4: 9}.get(kind, 1)
    if kind == 0:
        row["payload"] = f'note "{number}",\nsecond line ä'
    elif kind == 4:
        row["payload"] = bytes([number & 0xFF, number >> 8 & 0xFF, number >> 16 & 0xFF, 0xFF])
    else:
        row |= {"price": number / 8, "quantity": -number, "instrument": number % 7,
                "symbol": f"S,{number % 7}", "data.key": (1 << 64) - 1 - number}
        is_new = kind != 1
        row |= {"fee": 0.1 if is_new else None,
                "levels": [number % 100, -1] if is_new else None,
                "is_last": number % 2 == 0 if is_new else None}
    return TABLES[row["type"]], row


class Export(Case):
    def setUp(self):
        super().setUp()
        self.out = self.work / "out"

    def publish(self, first, end, stream="s"):
        program = pathlib.Path(self.program).parent / "tests" / "tools" / "batch_events"
        subprocess.run([program, stream, str(first), str(end)], check=True,
                       env=self.environment, timeout=DEADLINE_S)

    def make_events(self, count=1000):
        self.make("--capacity", "4MiB")
        self.publish(0, count)

    def make_recorded(self, count):
        self.make_journaled("--segment", "1MiB")
        recorder = self.start_recorder()
        self.publish(0, count)
        self.wait_until("everything to be durable",
                        lambda: self.reader("journal")["seq"] >= count)
        return recorder

    def export(self, *words, code=0, target="s"):
        ran = self.run_any("export", target, "--to", self.out, *words)
        self.assertEqual(ran.code, code, ran)
        return ran

    # --- reading

    def manifest(self):
        return json.loads((self.out / "manifest.json").read_text())

    def rows_in(self, file):
        """(table, row) of a file, values as Python has them; times as whole numbers."""
        table = file.name.split("-0")[0]
        if file.suffix == ".parquet":
            rows = parquet_reader.read(file).rows
        elif file.name.endswith(".csv"):
            rows = [self.from_csv(row) for row in csv.DictReader(io.StringIO(file.read_text()))]
        else:
            rows = [self.from_json(json.loads(line)) for line in file.read_text().splitlines()]
        return [(table, row) for row in rows]

    def from_csv(self, row):
        levels = [row.pop(f"levels[{at}]", None) for at in (0, 1)]
        found = {}
        for name, value in row.items():
            if name in ("symbol", "payload"):
                found[name] = value
            elif name == "payload_b64":
                if value:
                    found["payload"] = subprocess.run(["base64", "-d"], input=value.encode(),
                                                      stdout=subprocess.PIPE, check=True).stdout
            elif value == "":
                found[name] = None
            else:
                found[name] = json.loads(value)
        if "price" in found:
            found["levels"] = [int(one) for one in levels] if levels[0] else None
        return found

    def from_json(self, row):
        for name in HEADER[1:4]:
            if name in row:
                row[name] = int(row[name])
        if "payload_b64" in row:
            row["payload"] = subprocess.run(["base64", "-d"], input=row.pop("payload_b64").encode(),
                                            stdout=subprocess.PIPE, check=True).stdout
        return row

    def check_rows(self, files, numbers):
        found = {}
        for file in files:
            for table, row in self.rows_in(file):
                self.assertNotIn(row["sequence"], found, "an event is there twice")
                found[row["sequence"]] = (table, row)
        self.assertEqual(sorted(found), list(numbers))
        for number, (table, row) in found.items():
            want_table, want = expected(number)
            self.assertEqual(table, want_table)
            self.assertGreater(row["publish_time_ns"], 1_700_000_000_000_000_000)
            for name, value in want.items():
                self.assertEqual(row.get(name), value, (number, name))

    def named_files(self):
        return [file for file in sorted(self.out.iterdir())
                if not file.name.startswith(".") and file.name != "manifest.json"]

    def check_directory(self, first, end, *, missing=0):
        """What a loader checks: no gap, no overlap, and each file as it was promised."""
        manifest = self.manifest()
        self.assertEqual((manifest["first_seq"], manifest["end_seq"]), (first, end))
        files, next_sequence, lost = [], first, 0
        for part in manifest["parts"]:
            self.assertEqual(part["first_seq"], next_sequence)
            next_sequence = part["end_seq"]
            counts = [part[name] for name in ("rows", "left_out", "missing", "empty")]
            self.assertEqual(sum(counts), part["end_seq"] - part["first_seq"])
            self.assertEqual(part["rows"], sum(file["rows"] for file in part["files"]))
            gaps = sum(gap["end_seq"] - gap["first_seq"] for gap in part["gaps"])
            self.assertEqual(part["missing"], gaps)
            lost += gaps
            for entry in part["files"]:
                file = self.out / entry["name"]
                self.assertEqual(file.stat().st_size, entry["bytes"])
                if xxhash is not None:
                    self.assertEqual(xxhash.xxh3_64_hexdigest(file.read_bytes()), entry["xxh3"])
                sequences = [row["sequence"] for _, row in self.rows_in(file)]
                self.assertEqual(len(sequences), entry["rows"])
                self.assertEqual((sequences[0], sequences[-1] + 1),
                                 (entry["first_seq"], entry["end_seq"]))
                times = [row["publish_time_ns"] for _, row in self.rows_in(file)]
                self.assertEqual((str(min(times)), str(max(times))),
                                 (entry["first_publish_time_ns"], entry["last_publish_time_ns"]))
                files.append(file)
        self.assertEqual(next_sequence, end)
        self.assertEqual((lost, manifest["missing"]), (missing, missing))
        self.assertEqual(sorted(files), self.named_files())
        self.assertEqual([name for name in os.listdir(self.out) if name.startswith(".")], [])
        return files

    # --- what is handed over

    def test_every_format_has_each_event_once_with_all_that_it_has(self):
        self.make_events()
        for words in (["--format", "csv"], ["--format", "jsonl"], ["--format", "parquet"],
                      ["--compress", "none", "--row-group", "100"], ["--plain-times"]):
            shutil.rmtree(self.out, ignore_errors=True)
            if parquet_reader.LIBRARY is None and "--compress" not in words:
                words += ["--compress", "none"]
            self.export(*words)
            files = self.check_directory(0, 1000)
            self.assertEqual({file.name.split("-0")[0] for file in files}, set(TABLES.values()))
            self.check_rows(files, range(1000))
        table = parquet_reader.read(self.out / "Trade-0000000000000000-0000000000001000.parquet")
        self.assertEqual(table.names()[:len(HEADER)], HEADER)
        self.assertEqual(table.notes["tailrace.stream"], "s")

    def test_texts_are_compressed_when_asked_for(self):
        if parquet_reader.LIBRARY is None or shutil.which("zstd") is None:
            self.skipTest("no zstd to decompress by")
        self.make_events()
        self.export("--format", "csv", "--compress", "zstd")
        for file in list(self.named_files()):
            self.assertTrue(file.name.endswith(".csv.zst"), file)
            subprocess.run(["zstd", "-q", "-d", "--rm", file], check=True)
        self.check_rows(self.named_files(), range(1000))

    def test_since_last_goes_on_where_the_last_one_ended(self):
        self.make_events(10)
        first = self.export("--since-last", "--format", "csv", "--json").json
        self.assertEqual((first["first_seq"], first["end_seq"], first["rows"]), (0, 10, 10))
        before = {file: file.read_bytes() for file in self.named_files()}
        self.assertIn("nothing new", self.export("--since-last", "--format", "csv").text)
        self.publish(10, 40)
        again = self.export("--since-last", "--format", "csv", "--json").json
        self.assertEqual((again["first_seq"], again["end_seq"], again["rows"]), (10, 40, 30))
        self.check_rows(self.check_directory(0, 40), range(40))
        for file, content in before.items():
            self.assertEqual(file.read_bytes(), content)

    def test_a_range_by_sequence_and_by_time(self):
        self.make_events(100)
        self.export("--format", "csv", "--from", "20", "--until", "-50")
        self.check_rows(self.check_directory(20, 50), range(20, 50))
        self.export("--format", "csv", "--since-last", "--until", "60")
        self.check_rows(self.check_directory(20, 60), range(20, 60))
        time_ns = self.ok("tail", "s", "--from", "70", "-n", "1", "--json").json["time_ns"]
        shutil.rmtree(self.out)
        self.export("--format", "csv", "--from", f"@{time_ns}")
        self.check_rows(self.check_directory(70, 100), range(70, 100))

    def test_what_isnt_wanted_is_left_out_and_counted(self):
        self.make_events(100)
        self.export("--format", "csv", "--where", "quantity < -50 and instrument == 3",
                    "--fields", "quantity,symbol")
        self.assertEqual([part["left_out"] for part in self.manifest()["parts"]],
                         [100 - self.manifest()["rows"]])
        (file,) = self.check_directory(0, 100)
        rows = [row for _, row in self.rows_in(file)]
        numbers = [number for number in range(51, 100)
                   if number % 7 == 3 and number % 5 not in (0, 4)]
        self.assertEqual([row["sequence"] for row in rows], numbers)
        self.assertEqual(list(rows[0]), [*HEADER, "quantity", "symbol"])
        # One directory is about one choice.
        self.refused(2, "export", "s", "--to", self.out, "--format", "csv", "--since-last",
                     names=["--where 'quantity < -50"])
        shutil.rmtree(self.out)
        self.export("--format", "csv", "--type", "9", "--key", 9 * 1_000_000_007)
        self.check_rows(self.check_directory(0, 100), [9])

    def test_many_parts_are_one_export(self):
        self.make_events(5000)
        self.export("--format", "csv", "--split", "16KiB")
        self.assertGreater(len(self.manifest()["parts"]), 5)
        self.check_rows(self.check_directory(0, 5000), range(5000))

    def test_memory_doesnt_grow_with_the_events(self):
        # The largest resident set of an export of so many events, in one file of each kind.
        def peak_bytes(name, begin, end):
            process = subprocess.Popen(
                [self.program, "export", self.journal_of(), "--to", self.work / name, "--from",
                 str(begin), "--until", str(end), "--row-group", "8192"],
                env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = status
            self.assertEqual(status, 0)
            rows = json.loads((self.work / name / "manifest.json").read_text())["parts"]
            self.assertEqual(len(rows), 1)
            return used.ru_maxrss * 1024

        count = 400_000
        self.make("--capacity", "64MiB", "--journal")
        recorder = self.start("record", "s", "--segment", "64MiB")
        self.publish(0, count)
        self.wait_until("everything to be durable",
                        lambda: (self.reader("journal") or {"seq": 0})["seq"] >= count)
        self.end(recorder)
        few = peak_bytes("few", 0, count // 8)
        many = peak_bytes("many", 0, count)
        # Eight times the events: 35 MB more of them in the log.
        self.assertLess(many - few, 8 << 20, (few, many))
        self.assertLess(many, 128 << 20)

    def test_a_journal_alone_is_handed_over_too(self):
        self.end(self.make_recorded(3000))
        self.export("--format", "jsonl", target=self.journal_of())
        self.check_rows(self.check_directory(0, 3000), range(3000))
        # The stream of that journal goes on in the same directory.
        self.export("--format", "jsonl", "--since-last")

    def test_only_what_is_durable_is_handed_over(self):
        recorder = self.make_recorded(50)
        self.kill(recorder)
        self.publish(50, 80)
        ran = self.export("--format", "csv")
        self.assertIn("30 events from 50 on aren't durable", ran.errors.replace("\n  ", " "))
        self.check_directory(0, 50)
        self.start_recorder()
        self.wait_until("everything to be durable", lambda: self.reader("journal")["seq"] >= 80)
        self.export("--format", "csv", "--since-last")
        self.check_rows(self.check_directory(0, 80), range(80))

    def test_gaps_are_stated(self):
        self.end(self.make_recorded(25_000))
        self.export("--format", "csv", "--until", "100")
        first = self.ok("trim", "s", "--before", "24000", "--yes",
                        "--json").json["kept_first_seq"]
        self.assertGreater(first, 100)
        self.ok("rm", "s", "--yes", "--force")
        ran = self.export("--format", "csv", "--since-last", code=3, target=self.journal_of())
        self.assertIn(f"[100, {first})", ran.errors)
        self.check_rows(self.check_directory(0, 25_000, missing=first - 100),
                        [*range(100), *range(first, 25_000)])
        gaps = [gap for part in self.manifest()["parts"] for gap in part["gaps"]]
        self.assertEqual(gaps, [{"first_seq": 100, "end_seq": first, "kind": "retired"}])

    def test_a_cursor_goes_along(self):
        recorder = self.make_recorded(200)
        self.export("--format", "csv", "--since-last", "--cursor", "batch", "--until", "120")
        self.assertEqual(self.ok("cursor", "show", "s", "batch", "--json").json["seq"], 120)
        self.ok("cursor", "set", "s", "batch", "--to", "10")  # as a kill would leave it behind
        self.export("--format", "csv", "--since-last", "--cursor", "batch", "--until", "120")
        self.assertEqual(self.ok("cursor", "show", "s", "batch", "--json").json["seq"], 120)
        self.end(recorder)
        self.check_rows(self.check_directory(0, 120), range(120))

    # --- killed

    def test_killed_at_random_it_is_finished_by_the_next_one(self):
        seed = int(os.environ.get("TAILRACE_SEED", random.randrange(1 << 30)))
        print(f"TAILRACE_SEED={seed}", flush=True)
        chance = random.Random(seed)
        count, kills = 20_000, 0
        self.end(self.make_recorded(count))
        words = ["export", "s", "--to", self.out, "--since-last", "--format", "csv",
                 "--split", "10KiB"]
        for _ in range(40):
            process = self.start(*words)
            try:
                process.wait(timeout=chance.uniform(0.005, 0.1))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.communicate()
            if process.returncode == 0:
                break
            kills += process.returncode == -signal.SIGKILL
            # Whoever loads what is there finds no event twice.
            sequences = [line.split(",", 1)[0] for file in
                         (self.named_files() if self.out.exists() else [])
                         for line in file.read_text().splitlines() if line[:1].isdigit()]
            self.assertEqual(len(sequences), len(set(sequences)))
        self.ok(*words)
        self.assertGreater(kills, 0, "nothing was killed")
        self.check_rows(self.check_directory(0, count), range(count))

    def test_stopped_it_keeps_what_it_has(self):
        self.make_events(2000)
        process = self.start("export", "s", "--to", self.out, "--format", "csv", "--split", "1KiB")
        self.wait_until("a file", lambda: self.out.exists() and self.named_files())
        process.send_signal(signal.SIGTERM)
        process.communicate()
        self.assertIn(process.returncode, (0, 130))
        self.check_directory(0, self.manifest()["end_seq"])
        self.export("--format", "csv", "--since-last")
        self.check_rows(self.check_directory(0, 2000), range(2000))

    # --- bad input

    def test_a_directory_that_cant_be_used_is_refused(self):
        self.make_events(10)
        self.work.joinpath("file").write_text("mine")
        self.refused(8, "export", "s", "--to", self.work / "file", names=["no directory"])
        self.out.mkdir()
        (self.out / "mine.txt").write_text("mine")
        self.refused(8, "export", "s", "--to", self.out, names=["mine.txt"])
        (self.out / "mine.txt").unlink()
        self.export("--format", "csv")
        self.refused(8, "export", "s", "--to", self.out, "--format", "csv", names=["[0, 10)"])
        self.refused(2, "export", "s", "--to", self.out, "--since-last", names=["csv"])
        self.assertEqual((self.out / "manifest.json").stat().st_nlink, 1)
        if os.geteuid() != 0:
            os.chmod(self.work, 0o500)
            self.refused(10, "export", "s", "--to", self.work / "deeper")
            os.chmod(self.work, 0o700)
        # Nothing is made for a stream that isn't there, or a field that no type has.
        self.refused(4, "export", "none", "--to", self.work / "new")
        self.refused(2, "export", "s", "--to", self.work / "new", "--fields", "prise",
                     names=["prise", "price"])
        self.refused(2, "export", "s", "--to", self.work / "new", "--where", "prise > 1",
                     names=["column 1"])
        self.refused(2, "export", "s", "--to", self.work / "new", "--format", "csv",
                     "--plain-times")
        self.assertFalse((self.work / "new").exists())

    def test_another_streams_manifest_is_refused(self):
        self.make_events(10)
        self.export("--format", "csv")
        self.make("--capacity", "1MiB", stream="t")
        words = ("--to", self.out, "--format", "csv", "--since-last")
        self.refused(2, "export", "t", *words, names=["'s'", "'t'"])
        # The same name, and another stream.
        self.ok("rm", "s", "--yes", "--force")
        self.make_events(20)
        self.refused(2, "export", "s", *words, names=["another stream"])

    def test_a_log_that_isnt_what_it_was_is_refused(self):
        self.end(self.make_recorded(50))
        words = ("--to", self.out, "--format", "csv", "--since-last")
        self.ok("export", "s", *words)
        backup = self.work / "earlier"
        manifest = (self.out / "manifest.json").read_text()
        # The log has lost events that were handed over.
        shutil.copytree(self.journal_of(), backup)
        self.ok("rm", "s", "--journal", "--yes", "--force")
        self.make_journaled("--segment", "1MiB")
        self.publish(0, 20)
        self.record_all()
        other = self.ok("export", "s", "--to", self.work / "other", "--format", "csv", "--json")
        self.assertEqual(other.json["rows"], 20)
        identity = json.loads((self.work / "other" / "manifest.json").read_text())["source"]
        self.refused(2, "export", "s", *words, names=["another stream"])
        self.assertNotEqual(identity, json.loads(manifest)["source"])
        self.refused(2, "export", self.journal_of(), *words, names=["another stream"])
        self.ok("export", backup, *words)

    def test_a_damaged_manifest_is_refused(self):
        self.make_events(10)
        self.export("--format", "csv")
        path = self.out / "manifest.json"
        text = path.read_text()
        words = ("export", "s", "--to", self.out, "--format", "csv", "--since-last")
        for code, damaged in ((3, text[:-40]), (3, text.replace('"rows":', '"rows": ', 1)),
                              (3, ""), (15, "{}"), (15, "hello"),
                              (7, text.replace("tailrace-export 1", "tailrace-export 2"))):
            path.write_text(damaged)
            self.refused(code, *words, names=["manifest.json"])
            self.assertEqual(path.read_text(), damaged)
        path.write_text(text)
        self.ok(*words)

    def test_a_disk_that_is_full_loses_nothing(self):
        if os.geteuid() != 0 or shutil.which("mount") is None:
            self.skipTest("a small file system is mounted by root alone")
        self.out.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "none", self.out],
                                 check=False)
        if mounted.returncode != 0:
            self.skipTest("no file system can be mounted here")
        try:
            self.make_events(4000)
            words = ("export", "s", "--to", self.out, "--format", "csv", "--since-last",
                     "--split", "4KiB")
            self.refused(9, *words, "-q")
            end = self.manifest()["end_seq"]
            self.assertGreater(end, 0)
            self.check_rows(self.check_directory(0, end), range(end))
            subprocess.run(["mount", "-o", "remount,size=4m", self.out], check=True)
            self.ok(*words)
            self.check_rows(self.check_directory(0, 4000), range(4000))
        finally:
            subprocess.run(["umount", self.out], check=True)

    def test_two_at_a_time_are_refused(self):
        self.make_events(10)
        self.out.mkdir()
        holder = subprocess.Popen(["flock", self.out, "cat"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        holder.stdin.write(b"x\n")
        holder.stdin.flush()
        holder.stdout.readline()
        self.refused(13, "export", "s", "--to", self.out, names=["somebody else"])
        holder.communicate()
        self.ok("export", "s", "--to", self.out)

"""Streams that say what their events are made of: what the tools print, choose and publish."""

import csv
import ctypes
import io
import json
import re
import shutil
import struct
import subprocess

from sandbox import Case

SCHEMA = """tailrace-schema 1
type 1 Trade struct
version 24
field price f64 0
field quantity i32 8
field instrument u32 12
field symbol char[8] 16
type 2 Note json
type 3 Book struct
version 40
field sent_ns u64 0
field ratio f32 8
field is_open bool 12
field side char 13
field levels[0].price i16 14
field levels[1].price i16 16
field sizes i32[3] 20
field tag char[8] 32
"""
GROWN = SCHEMA.replace("type 2", "version 32\nfield price f64 0\nfield quantity i32 8\n"
                       "field instrument u32 12\nfield symbol char[8] 16\nfield order u64 24\n"
                       "type 2")
TRADES = [{"price": 101.25, "quantity": 10, "instrument": 7, "symbol": "ABC"},
          {"price": 55.1, "quantity": -4, "instrument": 9, "symbol": "X Y"},
          {"price": 250, "quantity": 1, "instrument": 7, "symbol": ""}]
BOOK = {"sent_ns": "1795384806000000001", "ratio": 0.1, "is_open": True, "side": "B",
        "levels[0].price": -1, "levels[1].price": 2, "sizes": [1, -2, 3], "tag": "a,\"b\""}


class Typed(Case):
    def setUp(self):
        super().setUp()
        self.schema(SCHEMA)

    def schema(self, text):
        path = self.work / "schema"
        path.write_text(text, encoding="utf-8")
        return path

    def make_typed(self, *options, stream="s"):
        self.make("--schema", self.work / "schema", "--capacity", "1MiB", *options, stream=stream)

    def publish(self, stream="s"):
        """Three trades, a note, a book, and an event that nobody has declared."""
        for trade in TRADES:
            self.ok("pub", stream, "--as", "Trade", json.dumps(trade))
        self.ok("pub", stream, "--as", "Note", '{"a":1}')
        self.ok("pub", stream, "--as", "Book", json.dumps(BOOK))
        self.ok("pub", stream, "bytes", "--type", "9")

    def chosen(self, where, *words):
        """Sequences of the events of which it is true."""
        rows = self.ok("tail", "s", "-e", "--json", "--where", where, *words).json_lines
        return [row["seq"] for row in rows]


class Schema(Typed):
    def test_a_schema_is_printed_as_it_was_given_and_taken_again(self):
        made = self.ok("create", "s", "--schema", self.work / "schema", "--capacity", "1MiB")
        self.assertRegex(made.text, r"(?m)^types +Trade, Note, Book$")
        text = self.ok("schema", "s").text
        self.assertEqual(re.sub(r"(version \d+) [0-9a-f]{16}", r"\1", text), SCHEMA)
        self.ok("create", "again", "--schema", self.schema(text), "--capacity", "1MiB")
        self.assertEqual(self.ok("schema", "again").text, text)
        self.assertEqual(self.ok("schema", self.rings / "again").text, text)
        self.make(stream="plain")
        ran = self.ok("schema", "plain")
        self.assertEqual(ran.text, "tailrace-schema 1\n")
        self.assertIn("nobody has declared", ran.errors)

    def test_a_journal_keeps_it_when_its_ring_is_gone(self):
        self.make_typed("--journal")
        self.publish()
        self.record_all()
        text = self.ok("schema", "s").text
        self.assertEqual(self.ok("schema", self.journal_of()).text, text)
        self.ok("rm", "s", "--yes")
        self.assertEqual(self.ok("schema", "s").text, text)
        line = self.ok("inspect", self.journal_of(), "--record", "0").text
        self.assertIn("Trade  price=101.25 quantity=10 instrument=7 symbol=ABC", line)
        # A stream that contradicts its journal isn't made.
        contrary = self.schema(SCHEMA.replace("price f64", "price i64"))
        ran = self.run_any("create", "s", "--schema", contrary, "--journal", "--capacity", "1MiB")
        self.assertIn("'price' is i64 at byte 0, not f64", ran.errors)
        self.assertNotEqual(ran.code, 0)
        self.assertEqual(self.run_any("tail", "s", "-e").code, 4)

    def test_what_is_no_schema_or_another_version_of_one_makes_no_stream(self):
        for code, text, names in (
                (7, "tailrace-schema 2\n", ("version '2'", "knows 1")),
                (15, "something else\n", ("is no schema",)),
                (3, "tailrace-schema 1\ntype 1 Trade struct\n", ("line 2", "no version")),
                (3, SCHEMA.replace("char[8]", "char[80]"), ("'symbol' ends behind the event",))):
            self.refused(code, "create", "s", "--schema", self.schema(text), names=names)
        self.refused(4, "create", "s", "--schema", self.work / "nowhere", names=("nowhere",))
        self.assertEqual(self.ok("ls", "--json").json["streams"], [])
        # One that is there takes what it doesn't know, and nothing that contradicts it.
        self.schema(SCHEMA)
        self.make_typed()
        self.ok("create", "s", "--schema", self.schema(GROWN), "--if-not-exists")
        self.assertIn("field order u64 24", self.ok("schema", "s").text)
        contrary = self.schema(SCHEMA.replace("quantity i32", "amount i32"))
        self.refused(7, "create", "s", "--schema", contrary, "--if-not-exists",
                     names=("'quantity', i32 at byte 8, is missing",))

    def test_c_puts_each_field_where_it_is_and_so_does_cxx(self):
        # One that no compiler lays out by itself, and names that are none in C.
        odd = ("type 4 Odd struct\nversion 7\nfield a u8 0\nfield b u32 1\nfield for u8 5\n"
               "type 5 Twins struct\nversion 8\nfield a.b u16 2\nfield a_b u16 4\n")
        self.schema(GROWN + odd)
        self.make_typed()
        header = self.ok("schema", "s", "--format", "c").text
        self.assertRegex(header, r"struct Trade_24 \{\n    double price;\n    int32_t quantity;")
        self.assertIn("/* type 2, Note: json */", header)
        (self.work / "types.h").write_text(header, encoding="utf-8")
        (self.work / "t.c").write_text('#include "types.h"\nint main(void) { return 0; }\n',
                                       encoding="utf-8")
        compilers = [name for name in ("gcc", "g++", "clang") if shutil.which(name)]
        self.assertTrue(compilers)
        for compiler in compilers:
            language = "c++" if compiler == "g++" else "c"
            ran = subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x",
                                  language, self.work / "t.c"], capture_output=True, check=False)
            self.assertEqual(ran.returncode, 0, ran.stderr.decode())

    def test_json_and_numpy_say_the_same(self):
        self.schema(GROWN)
        self.make_typed()
        types = self.ok("schema", "s", "--json").json["types"]
        self.assertEqual([(row["type"], row["name"], row["encoding"]) for row in types],
                         [(1, "Trade", "struct"), (2, "Note", "json"), (3, "Book", "struct")])
        self.assertEqual([version["size_bytes"] for version in types[0]["versions"]], [24, 32])
        self.assertEqual(types[0]["versions"][0]["fields"][3],
                         {"name": "symbol", "type": "char", "count": 8, "offset_bytes": 16})
        code = self.ok("schema", "s", "--format", "numpy").text
        dtypes = {}

        class Numpy:
            """Only as much as the code asks for."""
            dtype = staticmethod(dict)

        exec(compile(code.replace("import numpy\n", ""), "dtypes", "exec"),
             {"numpy": Numpy}, dtypes)
        self.assertEqual(set(dtypes), {"Trade_24", "Trade", "Book"})
        for name, version in (("Trade_24", types[0]["versions"][0]),
                              ("Trade", types[0]["versions"][1]),
                              ("Book", types[2]["versions"][0])):
            dtype = dtypes[name]
            self.assertEqual(dtype["itemsize"], version["size_bytes"])
            self.assertEqual(dtype["names"], [row["name"] for row in version["fields"]])
            self.assertEqual(dtype["offsets"], [row["offset_bytes"] for row in version["fields"]])
        self.assertEqual(dtypes["Book"]["formats"],
                         ["<u8", "<f4", "?", "S1", "<i2", "<i2", ("<i4", (3,)), "S8"])
        try:
            import numpy
        except ImportError:
            return
        scope = {}
        exec(code, scope)
        self.publish()
        payload = self.ok("tail", "s", "-e", "--where", "Book.side == 'B'", "--format",
                          "raw").stdout[:40]
        row = numpy.frombuffer(payload, scope["Book"])[0]
        self.assertEqual((row["side"], list(row["sizes"]), row["tag"]),
                         (b"B", [1, -2, 3], b'a,"b"'))


class Printing(Typed):
    def setUp(self):
        super().setUp()
        self.make_typed("--journal")
        self.publish()

    def test_text_shows_fields_and_names_encodings(self):
        lines = [line.partition("  ")[2] for line in self.ok("tail", "s", "-e").lines]
        self.assertEqual(lines, [
            "#0  Trade  price=101.25 quantity=10 instrument=7 symbol=ABC",
            '#1  Trade  price=55.1 quantity=-4 instrument=9 symbol="X Y"',
            '#2  Trade  price=250 quantity=1 instrument=7 symbol=""',
            '#3  Note(json)  {"a":1}',
            "#4  Book  sent_ns=1795384806000000001 ratio=0.1 is_open=true side=B "
            'levels[0].price=-1 levels[1].price=2 sizes=[1,-2,3] tag="a,\\"b\\""',
            "#5  type 9  bytes"])
        self.record_all()
        replayed = self.ok("replay", "s").lines
        self.assertEqual([line.partition("  ")[2] for line in replayed], lines)
        self.assertEqual(self.ok("inspect", "s", "--record", "1").text.partition("  ")[2].strip(),
                         lines[1])
        # One after the other, each by its own types.
        self.make(stream="plain")
        self.ok("pub", "plain", "x", "--type", "1")
        merged = self.ok("tail", "s", "plain", "-e").lines
        self.assertTrue(merged[0].startswith("s      ") and merged[0].endswith(lines[0]))
        self.assertTrue(merged[-1].endswith("#0  type 1  x"))

    def test_json_has_the_fields_and_is_published_again(self):
        rows = self.ok("tail", "s", "-e", "--json").json_lines
        self.assertEqual([row["fields"] for row in rows[:3]], TRADES)
        self.assertEqual(rows[4]["fields"], BOOK)
        self.assertEqual([row.get("type_name") for row in rows],
                         ["Trade", "Trade", "Trade", "Note", "Book", None])
        self.assertEqual((rows[3]["encoding"], rows[3]["data"]), ("json", '{"a":1}'))
        self.assertNotIn("data", rows[0])
        lines = self.ok("tail", "s", "-e", "--json").stdout
        self.make_typed(stream="copy")
        self.ok("pub", "copy", "--as", "json", stdin=lines)
        digests = [self.ok("tail", stream, "-e", "--format", "digest").text
                   for stream in ("s", "copy")]
        self.assertEqual(*digests)
        # Where nobody knows the type, its fields mean nothing.
        self.make(stream="plain")
        self.refused(2, "pub", "plain", "--as", "json", stdin=lines,
                     names=("no fields for type 1",))

    def test_csv_has_a_column_for_each_field(self):
        text = self.ok("tail", "s", "-e", "--format", "csv").text
        rows = list(csv.DictReader(io.StringIO(text)))
        self.assertEqual(list(rows[0]), [
            "seq", "time", "type", "key", "price", "quantity", "instrument", "symbol", "sent_ns",
            "ratio", "is_open", "side", "levels[0].price", "levels[1].price", "sizes[0]",
            "sizes[1]", "sizes[2]", "tag"])
        self.assertEqual([row["type"] for row in rows],
                         ["Trade", "Trade", "Trade", "Note", "Book", "9"])
        self.assertEqual([row["price"] for row in rows], ["101.25", "55.1", "250", "", "", ""])
        self.assertEqual((rows[4]["sizes[1]"], rows[4]["tag"], rows[4]["is_open"]),
                         ("-2", 'a,"b"', "true"))
        chosen = self.ok("tail", "s", "-e", "--format", "csv", "--fields", "symbol,price").lines
        self.assertEqual(chosen[0], "seq,time,type,key,symbol,price")
        self.assertEqual([line.split(",")[4:] for line in chosen[1:]],
                         [["ABC", "101.25"], ["X Y", "55.1"], ["", "250"]])
        # A table of nothing has its head.
        empty = self.ok("tail", "s", "-e", "--format", "csv", "--where", "price > 1e6").lines
        self.assertEqual(empty, [text.splitlines()[0]])
        self.record_all()
        self.assertEqual(self.ok("replay", "s", "--format", "csv").text, text)

    def test_fields_chooses_and_orders_them_and_what_has_none_is_passed_over(self):
        lines = self.ok("tail", "s", "-e", "--fields", "sizes[1],price", "--fields", "symbol").lines
        self.assertEqual([line.split("  ", 2)[2] for line in lines], [
            "Trade  price=101.25 symbol=ABC", 'Trade  price=55.1 symbol="X Y"',
            'Trade  price=250 symbol=""', "Book  sizes[1]=-2"])
        rows = self.ok("tail", "s", "-e", "--json", "--fields", "Trade.price").json_lines
        self.assertEqual([row["fields"] for row in rows],
                         [{"Trade.price": 101.25}, {"Trade.price": 55.1}, {"Trade.price": 250}])

    def test_an_event_of_another_size_shows_what_it_has(self):
        self.ok("create", "s", "--schema", self.schema(GROWN), "--if-not-exists")
        self.ok("pub", "s", "--as", "Trade", '{"price":1,"order":77}')
        longer = struct.pack("<dii8sQ", 2, 3, 4, b"Z", 5) + b"\1\2"
        self.ok("pub", "s", "--type", "1", "--as", "whole", stdin=longer)
        self.ok("pub", "s", "--type", "1", "short")
        lines = [line.split("  ", 2)[2] for line in self.ok("tail", "s", "--from", "6", "-e").lines]
        self.assertEqual(lines, [
            'Trade  price=1 quantity=0 instrument=0 symbol="" order=77',
            "Trade  price=2 quantity=3 instrument=4 symbol=Z order=5  and 2 bytes",
            "Trade  short"])
        rows = self.ok("tail", "s", "-e", "--json").json_lines
        self.assertNotIn("order", rows[0]["fields"])
        self.assertEqual((rows[7]["rest_b64"], rows[8]["data"]), ("AQI=", "short"))
        # And so it comes out again: an old event stays an old one.
        lines = self.ok("tail", "s", "-e", "--json").stdout
        self.make_typed(stream="copy")
        self.ok("pub", "copy", "--as", "json", stdin=lines)
        self.assertEqual(self.ok("tail", "copy", "-e", "--format", "digest").text,
                         self.ok("tail", "s", "-e", "--format", "digest").text)


class Where(Typed):
    def setUp(self):
        super().setUp()
        self.make_typed("--journal")
        self.publish()

    def test_where_chooses_by_fields_live_and_replayed(self):
        for where, sequences in (
                ("price > 100 and instrument == 7", [0, 2]),
                ("not price > 100", [1]),
                ("symbol == 'X Y' or side == 'B'", [1, 4]),
                ("is_open and sizes[1] < levels[0].price", [4]),
                ("sent_ns >= 1795384806000000001 and ratio == 0.1", [4]),
                ("quantity < price", [0, 1, 2]),
                ("Trade.price > 1e6", [])):
            self.assertEqual(self.chosen(where), sequences, where)
        self.assertEqual(self.chosen("price > 100", "-n", "1"), [0])
        counted = self.ok("tail", "s", "-e", "--count-only", "--json", "--where", "price > 100")
        self.assertEqual(counted.json["events"], 2)
        self.record_all()
        rows = self.ok("replay", "s", "--json", "--where", "price > 100", "--fields",
                       "symbol").json_lines
        self.assertEqual([(row["seq"], row["fields"]) for row in rows],
                         [(0, {"symbol": "ABC"}), (2, {"symbol": ""})])
        self.make_typed(stream="chosen")
        self.ok("replay", "s", "--into", "chosen", "--speed", "max", "--where", "instrument == 7")
        self.assertEqual(len(self.ok("tail", "chosen", "-e").lines), 2)

    def test_what_makes_no_sense_is_refused_with_its_column(self):
        for where, names in (
                ("price > 1 and pricee < 2", ("--where, column 15", "no field 'pricee'", "'s'")),
                ("Trdae.price > 1", ("column 1", "no type 'Trdae'")),
                ("Note.a == 1", ("column 1", "type 'Note' is json")),
                ("symbol > 7", ("column 1", "char[8]", "compared with a number")),
                ("price >", ("column 8",))):
            ran = self.refused(2, "tail", "s", "-e", "--where", where, names=names)
            self.assertEqual(ran.text, "")
        self.refused(2, "tail", "s", "-e", "--fields", "price,symbl",
                     names=("'symbl'", "did you mean 'symbol'"))
        self.refused(2, "tail", "s", "-e", "--format", "raw", "--fields", "price",
                     names=("--fields",))
        self.refused(2, "tail", "s", "-e", "--format", "c", names=("types are printed",))
        self.refused(2, "schema", "s", "--format", "raw", names=("schema prints",))
        self.make(stream="plain")
        self.refused(2, "tail", "s", "plain", "-e", "--format", "csv", names=("csv",))
        self.refused(2, "tail", "plain", "--where", "price > 1",
                     names=("nobody has declared", "plain"))
        self.record_all()
        self.refused(2, "replay", "s", "--where", "pricee > 1", names=("column 1", "'pricee'"))

    def test_types_that_come_later_are_heeded_at_once(self):
        self.make(stream="late-1")
        reader = self.start("tail", "late-*", "--where", "price > 100 or order == 77", "--fields",
                            "price,order", "-n", "2", "--format", "json")
        plain = self.start("tail", "late-1", "--from", "start", "-n", "2")
        # Both are there before any type is.
        self.ok("pub", "late-1", "first", "--type", "9")
        self.assertTrue(self.read_line(plain).endswith("type 9  first"))
        # Of a stream that is there, and has no types, no field is known.
        self.assertIn("nobody has declared", self.end(reader, by=None, code=2).errors)
        reader = self.start("tail", "later-*", "--where", "price > 100 or order == 77", "--fields",
                            "price,order", "-n", "2", "--format", "json")
        self.read_errors_until(reader, "waiting for one")
        self.make(stream="later-1")
        self.ok("create", "later-1", "--schema", self.schema(GROWN), "--if-not-exists")
        self.ok("create", "late-1", "--schema", self.schema(GROWN), "--if-not-exists")
        for stream in ("later-1", "late-1"):
            self.ok("pub", stream, "--as", "Trade", '{"price":101.5,"order":1}')
        self.ok("pub", "later-1", "--as", "Trade", '{"price":1,"order":1}', '{"order":77}')
        rows = [json.loads(line) for line in self.end(reader, by=None).lines]
        self.assertEqual([row["fields"] for row in rows],
                         [{"price": 101.5, "order": 1}, {"price": 0, "order": 77}])
        self.assertTrue(self.end(plain, by=None).lines[-1].endswith('symbol="" order=1'))


class Named(Typed):
    """--type by the name that the stream has for it."""

    def setUp(self):
        super().setUp()
        self.make_typed("--journal")
        self.publish()

    def sequences(self, *words):
        return [row["seq"] for row in self.ok(*words, "--json").json_lines]

    def test_a_type_is_chosen_by_its_name_live_and_replayed(self):
        self.record_all()
        for words in (("tail", "s", "-e"), ("replay", "s"), ("replay", self.journal_of())):
            self.assertEqual(self.sequences(*words, "--type", "Trade"), [0, 1, 2])
            # Names and numbers, each of them.
            self.assertEqual(self.sequences(*words, "--type", "Note", "--type", "9"), [3, 5])
            self.assertEqual(self.sequences(*words, "--type", "3"), [4])
            self.assertEqual(self.sequences(*words, "--type", "Trade", "--where", "price > 100"),
                             [0, 2])
            self.assertEqual(self.sequences(*words, "--type", "Book", "-n", "1"), [4])
        counted = self.ok("replay", "s", "--type", "Trade", "--count-only", "--json").json
        self.assertEqual(counted["events"], 3)
        self.make_typed(stream="copy")
        self.ok("replay", "s", "--into", "copy", "--type", "Trade", "--speed", "max")
        self.assertEqual(self.sequences("tail", "copy", "-e"), [0, 1, 2])

    def test_each_stream_of_several_has_its_own_number_for_a_name(self):
        self.schema(SCHEMA.replace("type 1 Trade", "type 41 Trade"))
        self.make_typed(stream="other")
        self.ok("pub", "other", "--as", "Trade", '{"price":7}')
        self.ok("pub", "other", "bytes", "--type", "1")
        rows = self.ok("tail", "s", "other", "-e", "--type", "Trade", "--json").json_lines
        self.assertEqual(sorted((row["stream"], row["seq"]) for row in rows),
                         [("other", 0), ("s", 0), ("s", 1), ("s", 2)])

    def test_a_group_takes_the_events_of_a_name(self):
        self.make_typed(stream="t")
        self.publish("t")
        rows = self.ok("tail", "t", "--group", "g", "--type", "Trade", "-n", "3", "--json")
        self.assertEqual([row["seq"] for row in rows.json_lines], [0, 1, 2])
        self.refused(2, "tail", "t", "--group", "h", "--type", "Trode", names=["'Trade'"])

    def test_an_export_of_a_name_has_that_table_alone(self):
        self.make_typed(stream="t")
        self.publish("t")
        out = self.work / "out"
        ran = self.ok("export", "t", "--to", out, "--format", "csv", "--type", "Trade", "--json")
        self.assertEqual((ran.json["rows"], ran.json["left_out"]), (3, 3))
        self.assertEqual({path.name[:6] for path in out.glob("*.csv")}, {"Trade-"})
        self.refused(2, "export", "t", "--to", self.work / "no", "--type", "Trode",
                     names=["'Trade'"])
        self.assertFalse((self.work / "no").exists())
        # The next run has to make the same choice, by the same word.
        self.ok("export", "t", "--to", out, "--format", "csv", "--type", "Trade", "--since-last")

    def test_a_name_that_no_type_has_is_refused_with_those_there_are(self):
        self.record_all()
        for words in (("tail", "s"), ("replay", "s")):
            ran = self.refused(2, *words, "--type", "Trode", names=["'Trode'", "'Trade'"])
            self.assertIn("Trade, Note, Book", ran.errors)
        self.make(stream="plain")
        self.refused(2, "tail", "plain", "--type", "Trade", names=["--type", "plain"])
        for text in ("65536", "-1", "7x"):
            self.refused(2, "tail", "s", f"--type={text}", names=[text])

    def test_a_type_that_is_declared_later_is_there_at_once(self):
        self.make(stream="first")
        reader = self.start("tail", "late-*", "--type", "Trade", "-n", "1", "--json")
        self.read_errors_until(reader, "waiting for one")
        self.make(stream="late-1")
        self.ok("create", "late-1", "--schema", self.work / "schema", "--if-not-exists")
        self.ok("pub", "late-1", "--as", "Note", "{}")
        self.ok("pub", "late-1", "--as", "Trade", '{"price":3}')
        self.assertEqual(json.loads(self.end(reader, by=None).text)["type_name"], "Trade")


class Publishing(Typed):
    def setUp(self):
        super().setUp()
        self.make_typed()

    def fields(self):
        return [row["fields"] for row in self.ok("tail", "s", "-e", "--json").json_lines]

    def test_arguments_and_lines_of_fields_become_events(self):
        ran = self.ok("pub", "s", "--as", "Trade", '{"price": 1.5}', '{"symbol":"ABCDEFGH"}')
        self.assertIn("published 2 events (48 B", ran.text)
        lines = "".join(json.dumps(trade) + "\n" for trade in TRADES)
        self.ok("pub", "s", "--as", "Trade", "--key", "7", stdin=lines.encode())
        self.assertEqual(self.fields()[2:], TRADES)
        nested = dict(BOOK, levels=[{"price": -1}, {"price": 2}], ratio="NaN")
        del nested["levels[0].price"], nested["levels[1].price"]
        self.ok("pub", "s", "--as", "Book", json.dumps(nested), '{"tag":{"b64":"AQID"}}')
        books = self.fields()[5:]
        self.assertEqual(books[0], dict(BOOK, ratio="NaN"))
        self.assertEqual(books[1]["tag"], {"b64": "AQID"})
        rows = self.ok("tail", "s", "-e", "--json", "--key", "7").json_lines
        self.assertEqual(len(rows), 3)

    def test_what_doesn_t_fit_is_refused_with_its_column_and_nothing_is_published(self):
        for fields, what in (
                ('{"pricee": 1}', "column 2: type 'Trade' has no field 'pricee'; did you "
                                  "mean 'price'"),
                ('{"price":1,"price":2}', "column 12: 'price' is there twice"),
                ('{"quantity": 2147483648}', "'quantity' is i32, and 2147483648 is more than"),
                ('{"quantity": 1.5}', "'quantity' is i32, and 1.5 is no whole number"),
                ('{"instrument": -1}', "'instrument' is u32, and -1 is more than"),
                ('{"symbol": "ABCDEFGHI"}', "'symbol' is char[8], and the text has 9 bytes"),
                ('{"symbol": 7}', "'symbol' is char[8], and wants a string"),
                ('{"price": "1"}', "'price' is f64, and wants a number"),
                ('{"price": true}', "'price' is f64, and true is none"),
                ('{"price": null}', "leave it out"),
                ('{"price": [1]}', "'price' is f64, no array"),
                ('{"price": {"a":1}}', "'price' is f64, no object"),
                ('{"price": 1', "no JSON"),
                ('[1]', "the fields are to be an object"),
                ('7', "the fields are to be an object"),
                ('{"symbol":{"b64":"?"}}', "b64 isn't base64")):
            ran = self.refused(2, "pub", "s", "--as", "Trade", fields, names=("argument 1", what))
            self.assertIn("nothing was published", ran.errors)
        for fields, what in (('{"sizes":[1,2,3,4]}', "has no element 3"),
                             ('{"sizes":1}', "'sizes' is i32[3], and wants an array"),
                             ('{"levels":[{"size":1}]}', "no field 'levels[0].size'"),
                             ('{"ratio":1e39}', "is more than that holds"),
                             ('{"is_open":1}', "wants true or false")):
            self.refused(2, "pub", "s", "--as", "Book", fields, names=(what,))
        self.refused(2, "pub", "s", "--as", "Trade", stdin=b'{"price":1}\n{"prise":2}\n',
                     names=("line 2", "column 2", "'prise'"))
        self.refused(2, "pub", "s", "--as", "Trdae", "{}",
                     names=("'Trdae'", "did you mean 'Trade'"))
        self.refused(2, "pub", "s", "--as", "Trade", "--type", "2", "{}", names=("--type",))
        self.assertEqual(len(self.fields()), 1)

    def test_a_struct_of_c_and_the_tools_mean_the_same_bytes(self):
        class Trade(ctypes.LittleEndianStructure):
            _fields_ = [("price", ctypes.c_double), ("quantity", ctypes.c_int32),
                        ("instrument", ctypes.c_uint32), ("symbol", ctypes.c_char * 8)]

        self.ok("pub", "s", "--type", "1", "--as", "whole",
                stdin=bytes(Trade(-0.5, -7, 4000000000, b"ABCDEFGH")))
        self.assertEqual(self.fields(), [{"price": -0.5, "quantity": -7, "instrument": 4000000000,
                                          "symbol": "ABCDEFGH"}])
        self.ok("pub", "s", "--as", "Trade", json.dumps(self.fields()[0]))
        raw = self.ok("tail", "s", "-e", "--format", "raw").stdout
        self.assertEqual(raw[:24], raw[25:49])

"""create, ls, rm, pub, and what holds for every command."""

import base64
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import time

from sandbox import Case


class ClosedDescriptors(Case):
    def test_with_0_to_2_closed_a_command_writes_nothing_over_the_ring(self):
        self.make()
        self.ok("pub", "s", "one")
        for words in (["tail", "s", "--from", "start", "-e"], ["pub", "s", "two"], ["ls"],
                      ["tail", "nowhere"]):
            subprocess.run(["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', self.program, *words],
                           env=self.environment, timeout=60, check=False)
        self.assertEqual(self.payloads("tail", "s", "--from", "start", "-e"), ["one", "two"])


class Create(Case):
    def test_create_says_where_everything_is(self):
        ran = self.ok("create", "orders", "--capacity", "1MiB", "--journal")
        self.assertIn(str(self.rings / "orders"), ran.text)
        self.assertIn(str(self.journals / "orders"), ran.text)
        self.assertIn("tailrace pub orders", ran.text)
        self.assertEqual(ran.errors, "")

    def test_create_prints_one_json_document(self):
        document = self.ok("create", "s", "--capacity", "1MiB", "--json").json
        self.assertEqual(
            list(document),
            ["stream", "created", "path", "capacity_bytes", "max_event_bytes", "publishers",
             "readers", "publish_time", "alignment_bytes", "first_seq", "journal",
             "journal_missing", "pages", "mode", "group_id"])
        self.assertEqual(document["capacity_bytes"], 1 << 20)
        self.assertIsNone(document["journal"])

    def test_create_options_reach_the_stream(self):
        self.make("--capacity", "128KiB", "--max-event", "1KiB", "--single", "--align", "64",
                  "--publish-time", "off", "--mode", "0600", "--readers", "3")
        stream = self.ok("inspect", "s", "--json").json
        self.assertEqual(stream["capacity_bytes"], 128 << 10)
        self.assertEqual(stream["max_event_bytes"], 1024)
        self.assertEqual(stream["publishers_allowed"], "single")
        self.assertEqual(stream["alignment_bytes"], 64)
        self.assertEqual(stream["publish_time"], "off")
        self.assertEqual((self.rings / "s" / "control").stat().st_mode & 0o777, 0o600)
        self.ok("pub", "s", "x")
        self.assertIsNone(self.ok("tail", "s", "-e", "--json").json["time_ns"])

    def test_create_makes_room_for_a_thousand(self):
        self.make("--capacity", "1MiB", "--publishers", "1000", "--readers", "1000")
        self.assertIn("up to 1000 publishers",
                      self.ok("create", "t", "--capacity", "1MiB", "--publishers", "1000").text)
        self.assertEqual(self.ok("inspect", "s", "--json").json["publishers_allowed"], "multi")
        for wrong in ("0", "1025", "many"):
            self.refused(2, "create", "u", "--publishers", wrong, names=["--publishers", wrong])

    def test_create_group_and_pages_reach_the_stream(self):
        self.make("--capacity", "4MiB", "--group", str(os.getgid()), "--huge-pages", "off",
                  "--mode", "0640")
        stream = self.ok("inspect", "s", "--json").json
        self.assertEqual((stream["pages"], stream["mode"], stream["group_id"]),
                         ("4 KiB", "0640", os.getgid()))
        self.assertEqual((self.rings / "s" / "control").stat().st_gid, os.getgid())
        self.assertEqual(self.ok("ls", "--json").json["streams"][0]["pages"], "4 KiB")
        self.assertIn("1 on pages of 4 KiB", self.ok("doctor").text)
        self.assertRegex(self.ok("inspect", "s").text, r"(?m)^pages +4 KiB +mode 0640 +group \d+$")

    def test_create_says_why_there_are_no_huge_pages(self):
        made = self.ok("create", "s", "--capacity", "1MiB", "--huge-pages", "auto")
        self.assertRegex(made.text, r"(?m)^pages +4 KiB +no huge ones: the ring is smaller than 2")

    def test_create_bad_group_and_pages(self):
        self.refused(4, "create", "s", "--group", "no-such-group", names=["no-such-group"])
        self.refused(2, "create", "s", "--huge-pages", "4M", names=["4M"])
        self.refused(2, "create", "s", "--huge-pages", "2M", "--capacity", "64KiB",
                     names=["smaller than one huge page of 2 MiB"])
        for mode in ("9", "rw", "07777"):
            self.refused(2, "create", "s", "--mode", mode, names=[mode])
        self.refused(4, "inspect", "s")

    def test_create_takes_the_name_behind_journal(self):
        self.ok("create", "--journal", "s", "--capacity", "1MiB")
        self.assertEqual(self.ok("inspect", "s", "--json").json["journal"]["directory"],
                         str(self.journals / "s"))

    def test_create_stores_an_absolute_journal_directory(self):
        self.ok("create", "s", "--capacity", "1MiB", "--journal=here", cwd=self.work)
        self.assertEqual(self.ok("inspect", "s", "--json").json["journal"]["directory"],
                         str(self.work / "here"))

    def test_create_makes_the_journal_that_its_first_recorder_looks_for(self):
        self.ok("create", "s", "--capacity", "1MiB", "--journal")
        place, away = self.journals / "s", self.journals / "away"
        self.refused(4, "verify", place, names=[place, "is empty"])
        place.rename(away)
        for _ in range(2):
            self.refused(4, "record", "s", names=[place, "where it was made"])
            self.assertFalse(place.exists())
        away.rename(place)
        self.ok("pub", "s", "one", "two")
        self.record_all()
        self.assertEqual(self.ok("verify", place, "--json").json["end_seq"], 2)

    def test_create_that_fails_leaves_no_journal(self):
        self.refused(2, "create", "s", "--capacity", "1MiB", "--huge-pages", "1G", "--journal")
        self.assertFalse((self.journals / "s").exists())
        self.refused(4, "inspect", "s")

    def test_create_where_no_journal_can_be_made_makes_no_stream(self):
        (self.work / "file").write_text("x")
        place = self.work / "file" / "s"
        code = self.run_any("create", "s", "--capacity", "1MiB", "--journal", place).code
        self.assertNotEqual(code, 0)
        self.refused(4, "inspect", "s")

    def test_create_if_not_exists_leaves_the_stream_alone(self):
        self.make()
        self.ok("pub", "s", "kept")
        again = self.ok("create", "s", "--capacity", "1MiB", "--if-not-exists", "--json").json
        self.assertFalse(again["created"])
        self.assertEqual(self.payloads("tail", "s", "-e"), ["kept"])


class Templates(Case):
    def test_a_template_prints_events_as_it_says(self):
        self.make_journaled()
        self.ok("pub", "s", "a b", "\u20ac", "--key", "7", "--type", "3")
        self.record_all()
        for command in (("tail", "s", "-e"), ("replay", "s", "--speed", "max")):
            ran = self.ok(*command, "-f", r"%s %k %y [%v] %V %t %x %b\n")
            self.assertEqual(ran.text, "0 7 3 [a b] 3 s 612062 YSBi\n"
                                       "1 7 3 [\u20ac] 3 s e282ac 4oKs\n")
        times = self.ok("tail", "s", "-e", "-n", "1", "-f", r"%d %T %E\n").text.split()
        self.assertRegex(times[0], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")
        self.assertGreater(int(times[1]), 10**18)
        self.assertEqual(times[2], "0")

    def test_a_template_that_is_wrong_names_its_column(self):
        self.make()
        self.refused(2, "tail", "s", "-f", "%s %q", names=["column 4", "%q"])
        # As somebody writes who wants to follow.
        self.refused(2, "tail", "-f", "s", names=["no field"])
        self.refused(2, "tail", "s", "-f", "%s", "--format", "hex",
                     names=["--template", "--format"])
        self.refused(2, "replay", "s", "-f", "%s", "--into", "t", names=["--into"])


class List(Case):
    def test_ls_shows_streams_and_journals(self):
        self.make(stream="plain")
        self.make_journaled(stream="kept")
        self.ok("pub", "kept", "a", "b")
        self.record_all(stream="kept")
        self.ok("rm", "kept", "--yes")
        self.ok("pub", "plain", "c")
        rows = {row["stream"]: row for row in self.ok("ls", "--json").json["streams"]}
        self.assertEqual(rows["plain"]["state"], "ok")
        self.assertEqual(rows["plain"]["end_seq"], 1)
        self.assertEqual(rows["plain"]["journal_state"], "off")
        self.assertEqual(rows["kept"]["state"], "journal only")
        self.assertEqual(rows["kept"]["end_seq"], 2)
        self.assertRegex(self.ok("ls").text, r"(?m)^plain +1 MiB +0 +1 ")

    def test_ls_of_names_and_patterns(self):
        for stream in ("eu-a", "eu-b", "us"):
            self.make(stream=stream)
        self.make_journaled(stream="eu-gone")
        self.ok("pub", "eu-gone", "a")
        self.record_all(stream="eu-gone")
        self.ok("rm", "eu-gone", "--yes")

        def listed(*words):
            return [row["stream"] for row in self.ok("ls", *words, "--json").json["streams"]]

        self.assertEqual(listed("eu-*"), ["eu-a", "eu-b", "eu-gone"])
        self.assertEqual(listed("us", "eu-?"), ["eu-a", "eu-b", "us"])
        self.assertEqual(len(self.ok("ls", "eu-gone").lines), 2)
        self.refused(4, "ls", "asia-*", names=["asia-*"])
        ran = self.refused(4, "ls", "eu-goen", names=["'eu-goen'", "did you mean 'eu-gone'?"])
        self.assertIn("tailrace ls eu-gone", ran.errors)

    def test_lag_of_patterns(self):
        for stream in ("eu-a", "eu-b", "us"):
            self.make_journaled(stream=stream)
        rows = self.ok("lag", "eu-*", "--json").json["readers"]
        self.assertEqual([row["stream"] for row in rows], ["eu-a", "eu-b"])
        self.refused(4, "lag", "asia-*", names=["asia-*"])

    def test_ls_of_nothing_says_how_to_begin(self):
        ran = self.ok("ls")
        self.assertEqual(ran.text, "")
        self.assertIn("tailrace create", ran.errors)

    def test_ls_shows_a_stream_once_though_its_ring_cannot_say_where_its_journal_is(self):
        self.make_journaled(stream="kept")
        self.ok("pub", "kept", "a")
        self.record_all(stream="kept")
        self.patch(self.rings / "kept" / "control", 0, b"foreign!")
        rows = self.ok("ls", "--json").json["streams"]
        self.assertEqual([(row["stream"], row["state"]) for row in rows],
                         [("kept", "not_tailrace")])
        self.assertTrue(rows[0]["journal"].endswith("/kept"))

    def test_ls_shows_a_damaged_stream_and_goes_on(self):
        self.make(stream="a")
        self.make(stream="b")
        self.patch(self.rings / "a" / "control", 0, b"foreign!")
        ran = self.ok("ls", "--json")
        self.assertEqual([row["state"] for row in ran.json["streams"]], ["not_tailrace", "ok"])


class Remove(Case):
    def test_rm_without_a_terminal_needs_yes(self):
        self.make()
        self.refused(2, "rm", "s", names=["remove s?"])
        self.ok("inspect", "s")
        self.ok("rm", "s", "--yes")
        self.refused(4, "inspect", "s", names=["s"])

    def test_rm_asks_on_a_terminal(self):
        self.make()
        code, shown = self.on_terminal("rm", "s", answer=b"n\n")
        self.assertEqual(code, 0, shown)
        self.assertIn("[y/N]", shown)
        self.ok("inspect", "s")
        code, shown = self.on_terminal("rm", "s", answer=b"y\n")
        self.assertEqual(code, 0, shown)
        self.refused(4, "inspect", "s")

    def test_rm_leaves_the_journal(self):
        self.make_journaled()
        self.ok("pub", "s", "kept")
        self.record_all()
        self.assertIn(str(self.journal_of()), self.ok("rm", "s", "--yes").errors)
        self.assertEqual(self.payloads("replay", "s"), ["kept"])

    def test_rm_force_tells_its_readers(self):
        self.make()
        reader = self.start("tail", "s", "--policy", "gate", "--name", "r")
        self.wait_for_reader("r")
        self.refused(13, "rm", "s", "--yes", names=["s"])
        self.ok("rm", "s", "--yes", "--force")
        self.assertIn("removed", self.end(reader, by=None).errors)

    def test_rm_of_several_removes_none_when_one_is_misspelt(self):
        self.make(stream="a")
        self.refused(4, "rm", "a", "nobody", "--yes", names=["nobody"])
        self.ok("inspect", "a")

    def test_rm_stale_removes_what_killed_processes_left(self):
        self.make()
        dead = subprocess.Popen(["true"])
        dead.wait()
        leftover = self.rings / f".creating-x.{dead.pid}.1.0123456789abcdef"
        leftover.mkdir()
        (leftover / "events").write_bytes(b"x")
        self.assertEqual(self.ok("doctor", "--json").code, 0)
        document = self.ok("rm", "--stale", "--yes", "--json").json
        self.assertEqual(document, {"removed": [], "leftovers_removed": 1})
        self.assertFalse(leftover.exists())
        self.ok("inspect", "s")


class Publish(Case):
    def test_pub_arguments_lines_and_files(self):
        self.make()
        self.ok("pub", "s", "one", "two words")
        self.ok("pub", "s", stdin=b"three\n\nfive without an end")
        file = self.work / "lines"
        file.write_bytes(b"six\nseven\n")
        other = self.work / "more"
        other.write_bytes(b"eight\n")
        self.ok("pub", "s", "--file", file, "--file", other)
        self.assertEqual(self.payloads("tail", "s", "-e"),
                         ["one", "two words", "three", "", "five without an end", "six", "seven",
                          "eight"])

    def test_pub_reports_what_it_did(self):
        self.make()
        self.assertEqual(self.ok("pub", "s", stdin=b"1\n2\n3\n").text,
                         "published 3 events (3 B of payload), sequence [0, 3)\n")
        self.assertEqual(
            self.ok("pub", "s", "abc", "--json").json,
            {"stream": "s", "events": 1, "payload_bytes": 3, "first_seq": 3, "last_seq": 3,
             "durable": False})
        self.assertEqual(self.ok("pub", "s", stdin=b"").text, "published 0 events\n")

    def test_pub_keeps_bytes_as_they_are(self):
        self.make()
        line = bytes(byte for byte in range(256) if byte != 10)
        self.ok("pub", "s", stdin=line + b"\n" + line)
        self.assertEqual(self.ok("tail", "s", "-e", "--format", "raw").stdout,
                         line + b"\n" + line + b"\n")

    def test_pub_count_repeats_and_limits(self):
        self.make()
        file = self.work / "lines"
        file.write_bytes(b"a\nb\nc\n")
        self.ok("pub", "s", "x", "y", "-n", "3")
        self.ok("pub", "s", "--file", file, "-n", "2")
        self.ok("pub", "s", "--file", file, "--repeat", "-n", "4")
        self.assertEqual("".join(self.payloads("tail", "s", "-e")), "xyx" + "ab" + "abca")

    def test_pub_makes_up_events_of_a_size(self):
        self.make()
        self.ok("pub", "s", "--size", "64B", "-n", "100")
        payloads = self.payloads("tail", "s", "-e")
        self.assertEqual({len(payload) for payload in payloads}, {64})
        self.assertEqual(len(set(payloads)), 100)

    def test_pub_type_and_key_travel_along(self):
        self.make()
        self.ok("pub", "s", "x", "--type", "7", "--key", "12345678901234567890")
        self.ok("pub", "s", "y", "--key", "a name")
        first, second = self.ok("tail", "s", "-e", "--json").json_lines
        self.assertEqual((first["type"], first["key"]), (7, "12345678901234567890"))
        self.assertGreater(int(second["key"]), 0)

    def test_pub_rate_is_kept(self):
        self.make()
        begin = time.monotonic()
        self.ok("pub", "s", "x", "-n", "21", "--rate", "100/s")
        self.assertGreaterEqual(time.monotonic() - begin, 0.2)

    def test_pub_interrupted_is_130_only_when_there_was_an_end(self):
        self.make()
        finite = self.start("pub", "s", "x", "-n", "1000000", "--rate", "100/s")
        self.wait_for_end(5)
        ran = self.end(finite, by=signal.SIGINT, code=130)
        self.assertRegex(ran.text, r"published \d+ events")
        endless = self.start("pub", "s", "x", "--repeat", "--rate", "100/s")
        self.wait_for_end(self.end_sequence() + 5)
        self.end(endless, by=signal.SIGTERM)
        lines = self.start("pub", "s", stdin=subprocess.PIPE)
        lines.stdin.write(b"typed\n")
        lines.stdin.flush()
        self.wait_until("the line", lambda: "typed" in self.ok("tail", "s", "-e").text)
        lines.send_signal(signal.SIGINT)
        self.assertEqual(lines.wait(timeout=60), 0)

    def test_pub_timeout_names_who_holds_it_up(self):
        self.make("--capacity", "64KiB")
        holder = self.start("tail", "s", "--policy", "gate", "--name", "holder", "--delay", "1h")
        self.wait_for_reader("holder")
        ran = self.run_any("pub", "s", "--size", "1KiB", "-n", "1000", "--timeout", "300ms")
        self.assertEqual(ran.code, 5, ran)
        self.assertIn("'holder'", ran.errors)
        self.assertRegex(ran.text, r"published \d+ events")
        self.kill(holder)

    def test_pub_shows_its_progress_on_a_terminal_only(self):
        self.make()
        words = ("pub", "s", "x", "-n", "30", "--rate", "20/s")
        self.assertEqual(self.ok(*words).errors, "")
        code, shown = self.on_terminal(*words)
        self.assertEqual(code, 0, shown)
        self.assertRegex(shown, r"\[#+-+\] +\d+%")


class Everywhere(Case):
    def test_global_options_stand_before_or_behind(self):
        self.make()
        self.ok("pub", "s", "x")
        before = self.ok("--json", "tail", "s", "-e").json
        behind = self.ok("tail", "s", "-e", "--format", "json").json
        self.assertEqual(before, behind)
        other = {"TAILRACE_DIR": "/nonexistent"}
        self.ok("tail", "s", "-e", "--dir", self.rings, environment=other)
        self.ok("--dir", self.rings, "tail", "s", "-e", environment=other)

    def test_wrong_usage_is_2_and_names_the_command(self):
        for words, name in ((("nonsense",), "nonsense"), (("tail",), "STREAM"),
                            (("tail", "s", "--nonsense"), "--nonsense"),
                            (("pub", "s", "--rate", "fast"), "--rate"),
                            (("tail", "s", "--from", "yesterday"), "--from"),
                            (("create", "s", "--capacity", "100"), "100"),
                            (("create", "s", "--mode", "999"), "--mode"),
                            (("create", "s", "--align", "17"), "--align"),
                            (("lag", "--fail-above", "10"), "--fail-above"),
                            (("record", "s", "--sync", "never"), "--sync"),
                            (("replay", "s", "--speed", "0"), "--speed"),
                            (("pub", "s", "x", "--size", "1"), "--size"),
                            (("tail", "s", "--name", "x"), "observer"),
                            (("ls", "--format", "raw"), "ls"),
                            (("rm",), "rm"),
                            (("help", "nonsense"), "nonsense")):
            if words[0] in ("pub", "tail") and not (self.rings / "s").exists():
                self.make()
            self.refused(2, *words, names=[name])

    def test_errors_are_json_when_asked_for(self):
        for words in (("tail", "nobody", "--json"), ("--format", "json", "tail", "nobody")):
            ran = self.run_any(*words)
            self.assertEqual(ran.code, 4, ran)
            error = json.loads(ran.errors)["error"]
            self.assertEqual((error["code"], error["exit_code"]), ("not_found", 4))
            self.assertIn("nobody", error["message"])
            self.assertEqual(error["hint"], "tailrace create nobody")
        usage = json.loads(self.run_any("tail", "--json").errors)["error"]
        self.assertEqual((usage["code"], usage["exit_code"]), ("invalid_argument", 2))

    def test_help_lists_commands_and_exit_codes(self):
        text = self.ok("--help").text
        for name in ("create", "ls", "rm", "pub", "tail", "record", "replay", "lag", "inspect",
                     "verify", "doctor", "version"):
            self.assertRegex(text, rf"(?m)^  {name}[ ,]")
            self.assertIn("tailrace", self.ok(name, "--help").text)
            self.assertEqual(self.ok("help", name).errors, "")
        codes = re.findall(r"(?m)^ +(\d+)  \w", self.ok("help", "exit-codes").text)
        self.assertEqual(codes, [str(code) for code in [*range(19), 130]])
        for code in codes:
            self.assertRegex(text, rf"(?m)^ +{code}  ")

    def test_version_names_the_formats(self):
        document = self.ok("version", "--json").json
        self.assertEqual(list(document), ["version", "ring_layout", "journal_format", "compiler"])
        self.assertIn(document["version"], self.ok("--version").text)

    def test_a_full_disk_behind_stdout_is_an_error(self):
        self.make()
        self.ok("pub", "s", "x")
        with open("/dev/full", "wb") as full:
            done = self.run_into(full, "tail", "s", "-e")
        self.assertEqual(done.returncode, 9)
        self.assertIn(b"cannot write the output", done.stderr)

    def test_colours_are_for_terminals(self):
        self.make_journaled()
        self.assertNotIn("\033", self.ok("lag", "s").text)
        self.assertIn("\033[31mSTOPPED", self.ok("lag", "s", "--color", "always").text)
        self.assertIn("\033", self.ok("lag", "s", environment={"FORCE_COLOR": "1"}).text)
        code, shown = self.on_terminal("lag", "s")
        self.assertIn("\033[31mSTOPPED", shown)
        self.environment["NO_COLOR"] = "1"
        code, shown = self.on_terminal("lag", "s")
        self.assertEqual(code, 0)
        self.assertNotIn("\033[31m", shown)

    def test_quiet_leaves_only_errors(self):
        self.assertEqual(self.ok("ls", "-q").errors, "")
        self.refused(4, "-q", "tail", "nobody")

    def test_quiet_says_no_word_of_what_was_done(self):
        self.environment["HOME"] = str(self.work)
        for words in (("create", "s", "--capacity", "1MiB", "--journal"), ("pub", "s", "x"),
                      ("sample", "s", "-n", "1"), ("cursor", "set", "s", "c", "--to", "start"),
                      ("cursor", "rm", "s", "c")):
            ran = self.ok("-q", *words)
            self.assertEqual((ran.text, ran.errors), ("", ""), words)
        self.record_all()
        for words in (("backup", "s", self.work / "copy"), ("compress", "s"),
                      ("trim", "s", "--keep-events", "1", "--yes"),
                      ("rm", "s", "--journal", "--yes")):
            ran = self.ok(*words, "-q")
            self.assertEqual((ran.text, ran.errors), ("", ""), words)
        self.assertEqual(self.ok("create", "s", "-q", "--json").json["stream"], "s")

    def test_doctor_looks_at_the_machine(self):
        document = self.ok("doctor", "--json").json
        names = [check["name"] for check in document["checks"]]
        for name in ("kernel", "io_uring", "ring memory", "locked memory", "huge pages", "clock",
                     "O_DIRECT", "fallocate", "pid namespace", "leftovers", "journal directory"):
            self.assertIn(name, names)
        for check in document["checks"]:
            self.assertIn(check["verdict"], ("ok", "warn", "skip"))
            self.assertEqual("hint" in check, check["verdict"] == "warn", check)
        self.assertEqual(len(self.ok("doctor").lines), len(names) + 1)
        self.assertEqual(list(self.rings.iterdir()), [])

    def test_doctor_fails_where_nothing_can_work(self):
        ran = self.run_any("doctor", "--dir", "/proc/rings")
        self.assertEqual(ran.code, 1, ran)
        self.assertRegex(ran.text, r"(?m)^FAIL .*--dir")

    def test_doctor_counts_what_is_left_behind(self):
        pathlib.Path(self.rings, ".removed-x.1.1.0").mkdir()
        self.assertIn("tailrace rm --stale", self.ok("doctor").text)

    def test_sample_publishes_this_machines_counters(self):
        self.make()
        report = self.ok("sample", "s", "-n", "40", "--rate", "max", "--json").json
        self.assertEqual((report["events"], report["last_seq"]), (40, 39))
        events = self.ok("tail", "s", "-e", "--json").json_lines
        self.assertGreaterEqual({0x0101, 0x0102, 0x0103} & {event["type"] for event in events},
                                {0x0101, 0x0102})
        memory = next(event for event in events if event["type"] == 0x0102)
        meminfo = pathlib.Path("/proc/meminfo").read_text(encoding="utf-8")
        total = int(re.search(r"MemTotal: +(\d+) kB", meminfo).group(1)) * 1024
        data = memory.get("data_b64")
        self.assertIsNotNone(data)
        self.assertEqual(struct.unpack("<7Q", base64.b64decode(data))[1], total)
        begin = time.monotonic()
        self.ok("sample", "s", "--for", "200ms")
        self.assertGreaterEqual(time.monotonic() - begin, 0.2)

"""record --all, and the systemd units that run it and the dashboard."""

import os
import pathlib
import re
import shutil
import signal
import subprocess

from sandbox import Case


class RecordAll(Case):
    def start_all(self, *options):
        return self.start("record", "--all", "--segment", "1MiB", *options)

    def wait_until_recorded(self, stream):
        self.wait_until(f"{stream} to be recorded", lambda: self.ok(
            "inspect", stream, "--json").json["journal"]["state"] == "running")

    def wait_until_durable(self, stream, end):
        self.wait_until(f"{stream} to be durable below {end}", lambda: (
            self.reader("journal", stream) or {"seq": -1})["seq"] >= end)

    def test_record_all_serves_every_journaled_stream_and_those_that_come_later(self):
        for name in ("one", "two"):
            self.make_journaled(stream=name)
            self.ok("pub", name, "x", "-n", "100")
        self.make(stream="bare")
        self.ok("pub", "bare", "x")
        process = self.start_all("--json")
        for name in ("one", "two"):
            self.wait_until_durable(name, 100)
        self.make_journaled(stream="late")
        self.wait_until_recorded("late")
        self.ok("pub", "late", "x", "-n", "50", "--durable")
        self.assertIsNone(self.reader("journal", "bare"))
        ran = self.end(process)
        events = [(line["event"], line["stream"]) for line in ran.json_lines]
        for name in ("one", "two", "late"):
            self.assertIn(("started", name), events)
            self.assertIn(("ended", name), events)
            self.assertTrue(self.ok("inspect", self.journal_of(name), "--json").json["clean_close"])
            self.ok("verify", name)
        self.assertNotIn("bare", [name for _, name in events])
        self.assertEqual(len(self.payloads("replay", "late", "--speed", "max")), 50)

    def test_record_all_goes_on_when_one_stream_fails(self):
        for name in ("good", "bad"):
            self.make_journaled(stream=name)
        aside = self.journals / "aside"
        self.journal_of("bad").rename(aside)
        self.journal_of("bad").write_text("a file where a directory should be")
        self.ok("pub", "good", "x", "-n", "10")
        process = self.start_all()
        self.wait_until_durable("good", 10)
        self.ok("pub", "good", "x", "-n", "10", "--durable")
        told = self.read_errors_until(process, "'bad': ")
        # What stood in the way is gone: the writer finds out by itself.
        self.ok("pub", "bad", "x", "-n", "5")
        self.journal_of("bad").unlink()
        aside.rename(self.journal_of("bad"))
        self.wait_until_durable("bad", 5)
        told += self.end(process).errors
        self.assertEqual(told.count("'bad': "), 2, told)  # failed once, ended
        self.assertIn("it is tried again", told)
        for name, count in (("good", 20), ("bad", 5)):
            self.assertEqual(len(self.payloads("replay", name, "--speed", "max")), count)

    def test_record_all_leaves_a_stream_to_the_writer_that_it_has(self):
        self.make_journaled(stream="taken")
        self.make_journaled(stream="free")
        other = self.start_recorder(stream="taken")
        process = self.start_all()
        self.wait_until_recorded("free")
        self.ok("pub", "free", "x", "--durable")
        self.ok("pub", "taken", "x", "--durable")
        self.read_errors_until(process, "'taken': ")
        self.end(process, code=13)
        self.end(other)

    def test_record_all_ends_one_stream_that_is_removed(self):
        self.make_journaled(stream="gone")
        self.make_journaled(stream="stays")
        process = self.start_all("--json")
        for name in ("gone", "stays"):
            self.ok("pub", name, "x")
            self.wait_until_durable(name, 1)
        self.ok("rm", "gone", "--yes", "--force")
        self.wait_until("the journal to be closed", lambda: self.ok(
            "inspect", self.journal_of("gone"), "--json").json["clean_close"])
        self.make_journaled(stream="gone")
        self.ok("pub", "gone", "y")
        self.wait_until_durable("gone", 2)
        self.end(process, by=signal.SIGINT)
        self.assertEqual(self.payloads("replay", "gone", "--speed", "max"), ["x", "y"])

    def test_record_wants_a_stream_or_all(self):
        self.refused(2, "record")
        self.refused(2, "record", "s", "--all")
        self.refused(2, "record", "--all", "--to", "/tmp/x")
        self.refused(2, "record", "--all", "--sync", "never")


class Backup(Case):
    def test_backups_of_a_running_journal_are_each_a_whole_one(self):
        self.make("--capacity", "4MiB", "--journal")
        recorder = self.start_recorder()
        publisher = self.start("pub", "s", "--size", "500", "--repeat", "--rate", "20k/s")
        self.wait_until("the first events", lambda: self.reader("journal")["seq"] > 500)
        copy = self.work / "copy"
        end = 0
        for _ in range(8):
            before = self.reader("journal")["seq"]
            report = self.ok("backup", "s", copy, "--json").json
            self.assertGreaterEqual(report["end_seq"], min(before, end + 1))
            end = report["end_seq"]
            verified = self.ok("verify", copy, "--json").json
            self.assertEqual((verified["first_seq"], verified["end_seq"]), (0, end))
            self.assertEqual(verified["findings"], [])
            self.wait_until("more events", lambda seen=end: self.reader("journal")["seq"] > seen)
        publisher.send_signal(signal.SIGTERM)
        publisher.communicate(timeout=60)
        shown = self.ok("replay", copy, "--speed", "max", "--format", "digest").lines
        self.assertEqual(len(shown), end)
        self.end(recorder)
        last = self.ok("backup", "s", copy, "--json").json
        self.assertGreater(last["kept_segments"], 0)
        self.assertEqual(self.ok("replay", copy, "--speed", "max", "--format", "digest").text,
                         self.ok("replay", "s", "--speed", "max", "--format", "digest").text)
        self.assertIn("0 B in 0 segments", self.ok("backup", "s", copy).text)

    def test_backup_refuses_what_is_no_backup(self):
        self.make_journaled()
        self.ok("pub", "s", "x")
        self.refused(4, "backup", "s", self.work / "copy", names=[self.journal_of()])
        self.assertFalse((self.work / "copy").exists())
        self.record_all()
        (self.work / "full").mkdir()
        (self.work / "full" / "letter").write_text("hello")
        self.refused(8, "backup", "s", self.work / "full", names=[self.work / "full"])
        self.assertEqual([one.name for one in (self.work / "full").iterdir()], ["letter"])
        self.refused(2, "backup", "s", self.journal_of(), names=[self.journal_of()])
        self.refused(2, "backup", "s")
        self.refused(4, "backup", "/nowhere", self.work / "copy", names=["/nowhere"])


class Unit(Case):
    def unit(self, service):
        path = (pathlib.Path(self.program).parent / "tools" / "systemd"
                / f"tailrace-{service}.service")
        if not path.exists():
            self.skipTest(f"there is no {path}: the command was not built in a build directory")
        return path

    @staticmethod
    def settings_of(unit):
        return dict(line.split("=", 1) for line in unit.read_text().splitlines()
                    if re.match(r"[A-Za-z]+=", line))

    def complaints(self, unit, text):
        """What systemd has to say about a unit of this text."""
        copy = self.work / unit.name
        copy.write_text(text)
        ran = subprocess.run([shutil.which("systemd-analyze"), "verify", "--man=no", str(copy)],
                             capture_output=True, text=True, timeout=60, check=False)
        return [line for line in ran.stderr.splitlines() if unit.name in line]

    def test_units_are_ones_that_systemd_takes(self):
        units = [self.unit("record"), self.unit("serve")]
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        for unit in units:
            # As installed, but for the place of the command.
            text = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={self.program}", unit.read_text())
            self.assertEqual(self.complaints(unit, text), [])
            # It does find mistakes.
            wrong = self.complaints(unit, text.replace("LimitNOFILE=", "LimitNofiles="))
            self.assertIn("LimitNofiles", " ".join(wrong))

    def test_unit_allows_what_the_writer_needs(self):
        unit = self.unit("record")
        settings = self.settings_of(unit)
        self.assertRegex(settings["ExecStart"], r"^/\S+/tailrace record --all$")
        self.assertEqual(settings["LimitMEMLOCK"], "infinity")
        self.assertEqual(settings["LimitRTPRIO"], "10")  # what --priority fifo asks for
        self.assertNotIn("RestrictRealtime", settings)
        for call in ("io_uring_setup", "io_uring_enter", "io_uring_register", "membarrier"):
            self.assertRegex(unit.read_text(), rf"(?m)^SystemCallFilter=.*\b{call}\b")
        for forbidden in ("ProtectProc", "PrivateUsers", "PrivateIPC", "ProcSubset"):
            self.assertNotIn(forbidden, settings)  # it must see the processes of a stream

    def test_unit_of_the_dashboard_sees_all_and_writes_nothing(self):
        unit = self.unit("serve")
        settings = self.settings_of(unit)
        self.assertRegex(settings["ExecStart"], r"^/\S+/tailrace serve$")
        self.assertEqual(settings["ProtectSystem"], "strict")
        self.assertIn("AF_INET", settings["RestrictAddressFamilies"])
        recorder = self.unit("record").read_text()
        for place in re.findall(r"(?m)^Environment=.*$", recorder):
            self.assertIn(place, unit.read_text())  # it looks where the recorder writes
        for forbidden in ("ProtectProc", "PrivateUsers", "PrivateIPC", "ProcSubset",
                          "PrivateNetwork", "ReadWritePaths", "StateDirectory"):
            self.assertNotIn(forbidden, settings)

    def test_a_watcher_that_may_only_read_sees_every_stream(self):
        # What the unit leaves to root: reading what belongs to others, and looking at processes.
        if os.geteuid() != 0 or not shutil.which("setpriv"):
            self.skipTest("only root can give up the powers that the unit takes away")
        self.make_journaled()
        self.ok("pub", "s", "x", "-n", "10")
        for path in (*self.rings.rglob("*"), *self.journals.rglob("*")):
            os.chown(path, 12345, 12345)
            os.chmod(path, path.stat().st_mode & ~0o007)
        kept = "-all,+dac_read_search,+sys_ptrace"
        ran = subprocess.run(["setpriv", "--no-new-privs", f"--bounding-set={kept}",
                              f"--inh-caps={kept}", self.program, "lag", "--json"],
                             capture_output=True, timeout=60, check=False, env=self.environment)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn(b'"s"', ran.stdout)

"""A stream in use stays; one that goes is called gone, and takes nothing along that only it has."""

import os
import resource
import shutil
import signal
import subprocess

from sandbox import DEADLINE_S, Case, Ran


def limited(**limits):
    """Options that run a command under limits: AS, NOFILE."""
    def limit():
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    return {"preexec_fn": limit}


class InUse(Case):
    def start_reader(self):
        self.make("--capacity", "128MiB")
        reader = self.start("tail", "s", "--policy", "gate", "--name", "r")
        self.wait_for_reader("r")
        return reader

    def test_rm_without_room_to_map_it_spares_a_stream_in_use(self):
        reader = self.start_reader()
        for words in (("rm", "s", "--yes"), ("rm", "--stale", "--yes")):
            self.run_any(*words, **limited(AS=200 << 20))
            self.ok("inspect", "s")
        ran = self.refused(13, "rm", "s", "--yes", **limited(AS=200 << 20), names=["'s'"])
        self.assertIn("tailrace lag s", ran.errors)
        self.ok("rm", "s", "--yes", "--force", **limited(AS=200 << 20))
        self.assertIn("was removed", self.end(reader, by=None).errors)

    def test_rm_without_descriptors_removes_nothing_and_says_so(self):
        reader = self.start_reader()
        ran = self.refused(1, "rm", "s", "--yes", **limited(NOFILE=4), names=["'s'", "EMFILE"])
        self.assertIn("ulimit -n", ran.errors)
        self.ok("inspect", "s")
        self.end(reader, by=signal.SIGINT)

    def test_a_machine_without_proc_has_no_stale_streams(self):
        if os.geteuid() != 0 or shutil.which("unshare") is None:
            self.skipTest("only root can hide /proc from a command")
        self.make()
        self.ok("pub", "s", "kept")
        hidden = ["unshare", "--mount", "sh", "-c",
                  'mount -t tmpfs none /proc && exec "$0" "$@"', self.program]
        for words in (("rm", "--stale", "--yes"), ("tail", "s", "-e", "--format", "raw")):
            done = subprocess.run([*hidden, *words], capture_output=True, check=False,
                                  env=self.environment, timeout=DEADLINE_S)
            ran = Ran(words, done.returncode, done.stdout, done.stderr)
            if "mount" in ran.errors or "unshare" in ran.errors:
                self.skipTest(f"/proc can't be hidden here: {ran.errors}")
            self.assertEqual(ran.code, 0, ran)
        self.assertEqual(ran.lines, ["kept"])
        self.ok("inspect", "s")

    def test_record_all_calls_a_shortage_of_descriptors_by_its_name(self):
        names = [f"s{index}" for index in range(12)]
        for name in names:
            self.make("--capacity", "64KiB", "--journal", stream=name)
        process = subprocess.Popen([self.program, "record", "--all", "--segment", "1MiB"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=self.environment,
                                   **limited(NOFILE=64))
        self.started.append(process)
        told = self.read_errors_until(process, "LimitNOFILE")
        process.send_signal(signal.SIGTERM)
        told += process.communicate(timeout=DEADLINE_S)[1].decode()
        self.assertEqual(told.count("needs more"), 1, told)
        for wrong in ("earlier boot", "tailrace rm"):
            self.assertNotIn(wrong, told)
        for name in names:
            self.ok("inspect", name)


class Gone(Case):
    def test_who_uses_files_that_vanish_is_told_and_the_journal_is_closed(self):
        self.make_journaled()
        recorder = self.start_recorder()
        reader = self.start("tail", "s", "--policy", "skip", "--name", "r")
        self.wait_for_reader("r")
        publisher = self.start("pub", "s", "x", "--repeat", "--rate", "20/s")
        self.wait_for_end(5)
        shutil.rmtree(self.rings / "s")
        for process, code in ((reader, 0), (publisher, None), (recorder, 0)):
            stdout, stderr = process.communicate(timeout=DEADLINE_S)
            ran = Ran(process.args[1:], process.returncode, stdout, stderr)
            self.assertIn("'s' is gone: its files in", ran.errors, ran)
            if code is not None:
                self.assertEqual(ran.code, code, ran)
        document = self.ok("inspect", self.journal_of(), "--json").json
        self.assertTrue(document["clean_close"])
        made = self.ok("create", "s", "--capacity", "1MiB", "--journal", "--json").json
        self.assertEqual(made["first_seq"], document["end_seq"])

    def test_a_publisher_that_is_alone_is_told(self):
        for number, options in enumerate(((), ("--publish-time", "off", "--single"))):
            name = f"s{number}"
            self.make("--capacity", "1MiB", *options, stream=name)
            publisher = self.start("pub", name, "x", "--repeat", "--rate", "20/s")
            self.wait_for_end(2, stream=name)
            shutil.rmtree(self.rings / name)
            _, stderr = publisher.communicate(timeout=DEADLINE_S)
            self.assertIn("is gone", stderr.decode())
            self.assertNotEqual(publisher.returncode, 0)

    def test_what_a_cleaner_left_of_a_stream_can_be_removed(self):
        self.make()
        (self.rings / "s" / "control").unlink()
        self.refused(8, "create", "s")
        self.ok("rm", "s", "--yes")
        self.make()

    def test_rm_leaves_what_is_no_stream(self):
        (self.rings / "letters").mkdir()
        (self.rings / "letters" / "one").write_text("Dear reader", encoding="utf-8")
        self.refused(15, "rm", "letters", "--yes", "--force", names=["one"])
        self.assertTrue((self.rings / "letters" / "one").exists())


class Made(Case):
    def test_create_without_room_to_map_makes_a_whole_stream_or_none(self):
        for limit in (60, 100, 200):
            ran = self.run_any("create", "s", "--capacity", "128MiB", **limited(AS=limit << 20))
            if ran.code == 0:
                self.ok("pub", "s", "x")
                self.ok("rm", "s", "--yes")
            self.assertEqual(list(self.rings.iterdir()), [], ran)

    def test_create_leaves_nothing_when_its_settings_can_not_be_kept(self):
        in_the_way = self.work / "file"
        in_the_way.write_text("", encoding="utf-8")
        ran = self.run_any("create", "s", "--capacity", "64KiB", "--retain-age", "1h",
                           f"--journal={in_the_way}/journal")
        self.assertNotEqual(ran.code, 0, ran)
        self.assertEqual(list(self.rings.iterdir()), [])

    def test_names_that_commands_take_for_something_else(self):
        for name in ("-x", "--all", "-"):
            self.assertEqual(self.run_any("create", "--", name).code, 2)
        self.assertEqual(list(self.rings.iterdir()), [])
        for name in ("create", "ls", "rm", "pub", "tail", "help", "all", "0", "start", "s.seg"):
            self.make("--capacity", "64KiB", stream=name)
            self.ok("pub", name, "x")
            self.assertEqual(self.payloads("tail", name, "-e"), ["x"])
            self.assertEqual(self.ok("inspect", name, "--json").json["end_seq"], 1)
            self.ok("rm", name, "--yes")


class Journals(Case):
    def test_create_refuses_the_journal_of_another_stream(self):
        self.make_journaled()
        self.ok("pub", "s", "x")
        self.record_all()
        self.refused(8, "create", "t", f"--journal={self.journal_of()}",
                     names=["stream 's'", self.journal_of()])
        self.ok("rm", "s", "--yes")
        self.refused(2, "create", "t", f"--journal={self.journal_of()}", names=["'s'", "'t'"])
        self.assertEqual(list(self.rings.iterdir()), [])
        made = self.ok("create", "s", "--capacity", "1MiB", "--journal", "--json").json
        self.assertEqual(made["first_seq"], 1)

    def test_create_refuses_a_journal_that_is_being_written(self):
        self.make_journaled()
        recorder = self.start_recorder()
        self.ok("create", "s", "--journal", "--if-not-exists")
        # Stopped, it can't see that its stream is gone.
        recorder.send_signal(signal.SIGSTOP)
        shutil.rmtree(self.rings / "s")
        self.refused(13, "create", "s", "--journal", names=[self.journal_of(), recorder.pid])
        self.assertEqual(list(self.rings.iterdir()), [])
        recorder.send_signal(signal.SIGCONT)
        self.end(recorder, by=None)
        self.make_journaled()

    def test_rm_keeps_events_that_only_the_ring_has(self):
        self.make_journaled()
        self.ok("pub", "s", "a", "b")
        self.record_all()
        self.ok("pub", "s", "c", "d", "e")
        ran = self.refused(13, "rm", "s", "--yes", names=["3 events", "[2, 5)", "'s'"])
        self.assertIn("tailrace record s", ran.errors)
        self.record_all()
        self.ok("rm", "s", "--yes")
        self.make_journaled()
        self.ok("pub", "s", "f")
        self.assertIn("sequence [5, 6)", self.ok("rm", "s", "--yes", "--force").errors)
        self.assertEqual(self.payloads("replay", "s"), ["a", "b", "c", "d", "e"])


class WithJournal(Case):
    """rm --journal, and a path: all of a journal goes, and it says before what that is."""

    def record_two(self):
        self.make_journaled()
        self.ok("pub", "s", "a", "b")
        self.record_all()

    def test_the_stream_and_its_journal_go(self):
        self.record_two()
        self.ok("cursor", "set", self.journal_of(), "night", "--to", "1")
        asked = self.refused(2, "rm", "s", "--journal", names=["2 events [0, 2)", "'night'"])
        self.assertIn("rm s --journal --yes", asked.errors)
        self.ok("pub", "s", "not recorded")
        gone = self.ok("rm", "s", "--journal", "--yes", "--json").json
        self.assertEqual(gone["removed"], ["s"])
        journal, = gone["journals"]
        self.assertEqual((journal["journal"], journal["first_seq"], journal["end_seq"]),
                         (str(self.journal_of()), 0, 2))
        self.assertEqual((journal["complete"], journal["cursors"], journal["stays"]),
                         (True, ["night"], []))
        self.assertFalse(self.journal_of().exists())
        self.assertEqual(self.ok("ls", "--json").json["streams"], [])
        self.refused(4, "rm", "s", "--journal", "--yes", names=["'s'"])

    def test_what_is_left_of_a_stream_goes_by_its_name_or_its_path(self):
        for words in (("s", "--journal"), (self.journal_of(),), (f"{self.journal_of()}/",)):
            self.record_two()
            self.ok("rm", "s", "--yes")
            self.assertIn("removed the journal", self.ok("rm", *words, "--yes").text)
            self.assertFalse(self.journal_of().exists())

    def test_a_path_is_never_a_stream_and_a_name_never_a_path(self):
        self.record_two()
        self.refused(13, "rm", self.journal_of(), "--yes", names=["the journal of stream 's'"])
        self.make(stream="here")
        (self.work / "here").mkdir()
        self.ok("rm", "here", "--yes", cwd=self.work)
        self.assertTrue((self.work / "here").is_dir())
        self.refused(4, "rm", "./here", "--yes", cwd=self.work, names=["no journal", "here"])

    def test_in_use_it_stays_unless_forced(self):
        self.make_journaled()
        recorder = self.start_recorder()
        self.ok("pub", "s", "a", "--durable")
        self.refused(13, "rm", "s", "--journal", "--yes", names=["'s'"])
        self.assertEqual(self.ok("inspect", "s", "--json").json["journal"]["state"], "running")
        gone = self.ok("rm", "s", "--journal", "--yes", "--force")
        self.assertIn("1 event [0, 1)", gone.text)
        self.end(recorder, by=None)
        self.assertFalse(self.journal_of().exists())

    def test_who_reads_it_is_named(self):
        self.make_journaled()
        self.ok("pub", "s", "--size", "4000", "-n", "200")  # more than is read at once
        self.record_all()
        self.ok("rm", "s", "--yes")
        reader = self.start("replay", self.journal_of(), "--speed", "0.0001x", "--format", "raw")
        self.read_line(reader)
        ran = self.refused(13, "rm", self.journal_of(), "--yes", names=["somebody reads", ".seg"])
        self.assertIn("fuser", ran.errors)
        self.ok("verify", self.journal_of())
        self.kill(reader)
        self.ok("rm", self.journal_of(), "--yes")

    def test_strangers_stay_and_are_named(self):
        self.record_two()
        (self.journal_of() / "notes").write_text("mine")
        self.assertIn("notes: not the journal's", self.ok("rm", "s", "--journal", "--yes").text)
        self.assertEqual([path.name for path in self.journal_of().iterdir()], ["notes"])

    def test_half_removed_it_says_so_and_the_same_command_ends_it(self):
        self.record_two()
        self.ok("rm", "s", "--yes")
        (self.journal_of() / "REMOVING").write_text("as a removal leaves it that was killed")
        self.segments_of()[0].unlink()
        for words in (("replay",), ("verify",), ("inspect",), ("trim", "--before", "1")):
            self.refused(3, words[0], self.journal_of(), *words[1:], names=["half removed"])
        self.assertEqual([row["state"] for row in self.ok("ls", "--json").json["streams"]],
                         ["corrupt"])
        self.refused(3, "create", "s", "--capacity", "1MiB", "--journal", names=["half removed"])
        gone = self.ok("rm", "s", "--journal", "--yes", "--json").json["journals"][0]
        self.assertEqual((gone["complete"], gone["end_seq"]), (True, None))
        self.assertFalse(self.journal_of().exists())

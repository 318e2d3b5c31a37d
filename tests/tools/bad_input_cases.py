"""Each bad input: its own exit code, and an error that names the object and what helps."""

import os
import pathlib
import shlex
import shutil
import struct
import subprocess

from sandbox import Case

try:
    import xxhash
except ImportError:
    xxhash = None

LAYOUT_MAJOR = 8  # offset in a ring's header
BOOT_ID = 64
CREATED_NS = 80
CAPACITY = 32
FORMAT_MAJOR = 16  # offset in a segment's header
HEADER_SIZE = 704


class Misspelt(Case):
    def test_misspelt_names_get_the_nearest_and_a_line_to_copy(self):
        self.make(stream="orders")
        for words, named, line in (
                (("taill", "orders"), ("'taill'", "'tail'"), "tailrace tail orders"),
                (("tail", "orders", "--form", "start"), ("'--form'", "'--from'"),
                 "tailrace tail orders --from start"),
                (("tail", "orders", "--form=start"), ("'--form'", "'--from'"),
                 "tailrace tail orders --from=start"),
                (("--colour", "never", "ls"), ("'--colour'", "'--color'"),
                 "tailrace --color never ls")):
            ran = self.refused(2, *words, names=named)
            self.assertEqual(ran.errors.splitlines()[1], f"  try: {line}", ran)
        ran = self.refused(4, "pub", "ordres", "it's one", names=["'ordres'", "'orders'"])
        # The line that it gives is one that works.
        line = ran.errors.splitlines()[1].removeprefix("  try: tailrace ")
        self.assertEqual(line, "pub orders 'it'\\''s one'")
        self.ok(*shlex.split(line))
        ran = self.ok("tail", "orders", "--from", "start", "-e", "--format", "raw")
        self.assertEqual(ran.text, "it's one\n")

    def test_misspelt_verbs_of_a_command_get_the_nearest(self):
        for typed, meant in ((("cursor", "shwo", "s", "risk"), "show"),
                             (("cursor", "hodl", "s", "risk", "--max", "1GiB"), "hold"),
                             (("context", "sho"), "show")):
            ran = self.refused(2, *typed, names=[f"there is no command '{typed[0]} {typed[1]}'",
                                                 f"did you mean '{meant}'?"])
            self.assertEqual(ran.errors.splitlines()[1],
                             "  try: tailrace " + " ".join((typed[0], meant, *typed[2:])))
        ran = self.refused(2, "cursor", "frobnicate", names=["'cursor frobnicate'"])
        self.assertEqual(ran.errors.splitlines()[1], "  try: tailrace cursor --help")
        self.make(stream="orders")
        ran = self.refused(4, "cursor", "ls", "ordres", names=["did you mean 'orders'?"])
        self.assertIn("tailrace cursor ls orders", ran.errors)
        ran = self.refused(2, "cursor", "ls", "orders", "--jsn", names=["did you mean '--json'?"])

    def test_misspelt_beyond_recognition_get_help(self):
        ran = self.refused(2, "frobnicate", names=["'frobnicate'"])
        self.assertEqual(ran.errors.splitlines()[1], "  try: tailrace --help")
        ran = self.refused(2, "doctor", "orders", names=["'orders'"])
        self.assertEqual(ran.errors.splitlines()[1], "  try: tailrace doctor --help")

    def test_misspelt_help_topics_and_targets_get_the_nearest(self):
        ran = self.refused(2, "help", "taill", names=["'taill'", "'tail'"])
        self.assertEqual(ran.errors.splitlines()[1], "  try: tailrace help tail")
        self.refused(2, "help", "cursor", "frobnicate", names=["'cursor frobnicate'"])
        self.make(stream="copied")
        self.make_journaled(stream="orders")
        self.ok("pub", "orders", "x")
        self.record_all("orders")
        ran = self.refused(4, "replay", "orders", "--into", "copeid",
                           names=["did you mean 'copied'?"])
        self.assertEqual(ran.errors.splitlines()[1],
                         "  try: tailrace replay orders --into copied")


class Missing(Case):
    def test_missing_stream_is_4(self):
        for words in (("tail", "s"), ("pub", "s", "x"), ("lag", "s"), ("record", "s"),
                      ("inspect", "s"), ("rm", "s", "--yes"), ("sample", "s", "-n", "1")):
            self.refused(4, *words, names=["'s'"])
        self.assertEqual(list(self.rings.iterdir()), [])

    def test_missing_journal_is_4(self):
        self.refused(4, "replay", "s", names=["'s'", self.journals])
        self.refused(4, "verify", "s", names=["'s'"])
        self.refused(4, "repair", "s", names=["'s'"])
        self.refused(4, "replay", "/nowhere/at/all", names=["/nowhere/at/all"])
        self.make()
        self.refused(4, "replay", "s", names=["'s'"])
        empty = self.work / "empty"
        empty.mkdir()
        for verb in ("replay", "verify", "repair", "inspect"):
            self.refused(4, verb, empty, names=[empty])

    def test_replay_into_a_missing_stream_is_4(self):
        self.make_journaled()
        self.ok("pub", "s", "x")
        self.record_all()
        self.refused(4, "replay", "s", "--into", "nobody", names=["nobody"])


class Names(Case):
    def test_name_with_a_slash_is_2(self):
        for words in (("create", "a/b"), ("pub", "a/b", "x"), ("tail", "a/b"), ("lag", "a/b"),
                      ("record", "a/b"), ("rm", "a/b", "--yes")):
            self.refused(2, *words, names=["a/b", "slash"])
        self.assertEqual(list(self.rings.iterdir()), [])

    def test_other_bad_names_are_2(self):
        for name in ("", ".hidden", "a b", "x" * 64, "ö"):
            self.refused(2, "create", name)

    def test_name_that_exists_is_8(self):
        self.make()
        self.ok("pub", "s", "kept")
        self.refused(8, "create", "s", names=["'s'"])
        self.assertEqual(self.payloads("tail", "s", "-e"), ["kept"])


class Sizes(Case):
    def test_event_too_large_is_14_and_nothing_is_half_made(self):
        self.make("--capacity", "64KiB", "--max-event", "100")
        self.refused(14, "pub", "s", "small", "x" * 101, names=["101", "100", "'s'", "nothing"])
        self.refused(14, "pub", "s", "--size", "101", "-n", "1", names=["101", "'s'"])
        self.assertEqual(self.end_sequence(), 0)
        ran = self.run_any("pub", "s", stdin=b"fits\n" + b"x" * 101 + b"\nnever\n")
        self.assertEqual(ran.code, 14, ran)
        self.assertIn("line 2 of stdin", ran.errors)
        self.assertEqual(ran.text, "published 1 event (4 B of payload), sequence [0, 1)\n")
        ran = self.run_any("pub", "s", stdin=b"x" * 1_000_000)
        self.assertEqual(ran.code, 14, ran)
        self.assertEqual(self.payloads("tail", "s", "-e"), ["fits"])
        self.ok("pub", "s", "x" * 100)

    def test_replayed_event_too_large_is_14(self):
        self.make_journaled()
        self.ok("pub", "s", "x" * 200)
        self.record_all()
        self.make("--capacity", "64KiB", "--max-event", "100", stream="small")
        self.refused(14, "replay", "s", "--into", "small", names=["small", "200"])

    def test_capacity_out_of_range_is_2(self):
        for capacity in ("100", "63KiB", "100KiB", "32GiB"):
            self.refused(2, "create", "s", "--capacity", capacity)
        self.refused(2, "create", "s", "--capacity", "64KiB", "--max-event", "5GiB")
        self.assertEqual(list(self.rings.iterdir()), [])


class Rings(Case):
    """Every command that opens the ring gives the same answer."""

    def opened_by_all(self, code, names):
        for words in (("tail", "s"), ("pub", "s", "x"), ("lag", "s"), ("inspect", "s"),
                      ("record", "s")):
            self.refused(code, *words, names=names)

    def control(self):
        return self.rings / "s" / "control"

    def reseal(self):
        """Makes the header's checksum fit again."""
        if xxhash is None:
            self.skipTest("python3-xxhash is not installed")
        header = self.control().read_bytes()[24:HEADER_SIZE]
        self.patch(self.control(), 16, struct.pack("<Q", xxhash.xxh3_64_intdigest(header)))

    def test_foreign_ring_is_15(self):
        self.make()
        self.control().write_bytes(b"#!/bin/sh\n" * 2000)
        self.opened_by_all(15, [self.control()])
        self.ok("rm", "s", "--yes")

    def test_truncated_ring_is_16(self):
        self.make()
        size = self.control().stat().st_size
        for length in (0, 20, 500, 4096, size - 1):
            os.truncate(self.control(), length)
            self.opened_by_all(16, [self.control()])
            os.truncate(self.control(), size)
            self.ok("rm", "s", "--yes", "--force")
            self.make()
        os.truncate(self.rings / "s" / "events", 4096)
        self.opened_by_all(16, [self.rings / "s" / "events"])

    def test_newer_and_older_ring_is_7(self):
        self.make()
        for major, word in ((7, "newer"), (5, "older"), (0, "older")):
            self.patch(self.control(), LAYOUT_MAJOR, struct.pack("<H", major))
            self.opened_by_all(7, [self.control(), word])

    def test_ring_of_an_earlier_boot_is_17_until_it_is_removed(self):
        # Only what lies on a disk can be.
        kind = subprocess.run(["stat", "-f", "-c", "%T", self.work], capture_output=True,
                              check=True).stdout.strip()
        if kind in (b"tmpfs", b"ramfs"):
            self.skipTest(f"{self.work} lies in memory")
        shutil.rmtree(self.rings)
        self.rings = self.work / "rings"
        self.environment["TAILRACE_DIR"] = str(self.rings)
        self.make()
        self.patch(self.control(), BOOT_ID, b"\x01" * 16)
        self.patch(self.control(), CREATED_NS, struct.pack("<Q", 1))
        self.reseal()
        self.opened_by_all(17, [self.control(), "earlier boot"])
        self.assertIn("1 of an earlier boot", self.ok("doctor").text)
        self.assertEqual(self.ok("rm", "--stale", "--yes", "--json").json["removed"], ["s"])
        self.refused(4, "inspect", "s")

    def test_damaged_ring_is_3(self):
        self.make()
        self.patch(self.control(), CAPACITY, struct.pack("<Q", 3 << 20))
        self.opened_by_all(3, [self.control()])
        self.reseal()
        self.opened_by_all(3, [self.control()])

    def test_hostile_event_bytes_are_refused(self):
        self.make("--capacity", "64KiB", "--single")
        self.ok("pub", "s", "x", "y")
        # The size of the second event runs far beyond the ring.
        self.patch(self.rings / "s" / "events", 32 + 8, b"\xff\xff\xff\x7f")
        for policy in ("observe", "skip", "gate"):
            ran = self.run_any("tail", "s", "-e", "--policy", policy, "--format", "raw")
            self.assertEqual(ran.code, 3, ran)
            self.assertIn("'s'", ran.errors)
            self.assertEqual(ran.text, "x\n")


class Segments(Case):
    def setUp(self):
        super().setUp()
        self.make_journaled()
        self.ok("pub", "s", "--size", "100", "-n", "50")
        self.record_all()
        self.segment = self.segments_of()[0]

    def read_by_all(self, code, names):
        for words in (("replay", "s"), ("inspect", self.segment)):
            self.refused(code, *words, names=names)
        ran = self.run_any("inspect", self.journal_of())
        self.assertEqual(ran.code, code, ran)
        ran = self.run_any("verify", "s")
        self.assertEqual(ran.code, 3, ran)
        self.assertIn("DAMAGE", ran.text)

    def test_foreign_segment_is_15(self):
        self.patch(self.segment, 0, b"#!/bin/sh\n")
        self.read_by_all(15, [self.segment])

    def test_truncated_segment_is_16(self):
        os.truncate(self.segment, 100)
        self.read_by_all(16, [self.segment])

    def test_newer_and_older_segment_is_7(self):
        for major, word in ((2, "newer"), (0, "older")):
            self.patch(self.segment, FORMAT_MAJOR, struct.pack("<H", major))
            self.read_by_all(7, [self.segment, word])

    def test_damaged_segment_header_is_3(self):
        self.patch(self.segment, 80, b"\x07")
        self.read_by_all(3, [self.segment])

    def test_file_that_is_no_segment_is_15(self):
        other = self.work / "letter"
        other.write_text("Dear reader", encoding="utf-8")
        self.refused(15, "inspect", other, names=[other])


class Sequences(Case):
    def test_sequence_gone_is_11(self):
        self.make("--capacity", "64KiB", "--max-event", "4KiB")
        self.ok("pub", "s", "--size", "1KiB", "-n", "500")
        oldest = self.ok("inspect", "s", "--json").json["oldest_seq"]
        self.assertGreater(oldest, 0)
        for policy in ("observe", "skip", "gate"):
            self.refused(11, "tail", "s", "--from", "0", "--policy", policy, names=["'s'"])
        self.refused(11, "inspect", "s", "--record", "0", names=["'s'"])

    def test_sequence_gone_from_the_journal_is_11(self):
        self.make("--capacity", "64KiB", "--max-event", "4KiB", "--journal")
        self.ok("pub", "s", "--size", "1KiB", "-n", "500")
        self.record_all()
        first = self.ok("inspect", self.journal_of(), "--json").json["first_seq"]
        self.assertGreater(first, 0)
        self.refused(11, "inspect", self.journal_of(), "--record", "0", names=["sequence 0"])
        ran = self.refused(11, "replay", "s", "--from", "0", names=["sequence 0"])
        self.assertIn(str(first), ran.errors)
        self.assertIn("tailrace replay s --from start", ran.errors)

    def test_sequence_ahead_is_12(self):
        self.make_journaled()
        self.ok("pub", "s", "x", "y")
        self.refused(12, "tail", "s", "--from", "3", names=["'s'", "3"])
        self.refused(12, "inspect", "s", "--record", "2", names=["'s'", "2"])
        self.record_all()
        self.refused(12, "replay", "s", "--from", "3", names=["3"])
        self.assertEqual(self.payloads("replay", "s", "--from", "2"), [])


class Busy(Case):
    def test_second_publisher_of_a_single_publisher_stream_is_13(self):
        self.make("--capacity", "64KiB", "--single")
        first = self.start("pub", "s", "x", "--repeat", "--rate", "10/s", "--name", "first")
        self.wait_for_end(1)
        self.refused(13, "pub", "s", "y", names=["'s'", "first", first.pid])
        self.kill(first)
        self.ok("pub", "s", "y")

    def test_one_reader_too_many_is_13(self):
        self.make("--capacity", "64KiB", "--readers", "1")
        reader = self.start("tail", "s", "--policy", "gate", "--name", "one")
        self.wait_for_reader("one")
        self.refused(13, "tail", "s", "--policy", "skip", names=["'s'"])
        self.ok("tail", "s", "-e")  # an observer needs no slot
        self.kill(reader)
        self.ok("tail", "s", "-e", "--policy", "gate")

    def test_second_journal_writer_is_13(self):
        self.make_journaled()
        first = self.start_recorder()
        self.refused(13, "record", "s", names=["'s'", first.pid])
        self.end(first)

    def test_durability_without_a_journal_writer_is_18(self):
        self.make_journaled()
        ran = self.refused(18, "pub", "s", "x", "--durable", names=["'s'"])
        self.assertIn("tailrace record s", ran.errors)
        self.assertEqual(self.end_sequence(), 0)


class Places(Case):
    def as_nobody(self, *words):
        """Runs the command without root's rights."""
        if os.geteuid() == 0:
            reachable = subprocess.run([self.program, "version"], user="nobody", group="nogroup",
                                       extra_groups=[], capture_output=True, check=False)
            if reachable.returncode != 0:
                self.skipTest("an ordinary user can't run the command from this directory")
            for path in (self.work, self.rings):
                path.chmod(0o755)
            return {"user": "nobody", "group": "nogroup", "extra_groups": []}
        return {}

    def test_stream_of_somebody_else_is_10(self):
        self.make("--capacity", "64KiB", "--mode", "0600")
        options = self.as_nobody()
        if not options:
            for name in ("control", "events"):
                (self.rings / "s" / name).chmod(0)
        for words in (("tail", "s"), ("pub", "s", "x"), ("lag", "s"), ("record", "s")):
            self.refused(10, *words, names=["'s'", self.rings / "s" / "control"], **options)

    def test_readers_need_no_write_permission(self):
        self.make("--capacity", "64KiB", "--mode", "0644")
        self.ok("pub", "s", "x")
        options = self.as_nobody()
        if not options:
            self.skipTest("not root: every file here is our own")
        self.assertEqual(self.ok("tail", "s", "-e", "--format", "raw", **options).lines, ["x"])
        self.ok("lag", "s", **options)
        self.ok("inspect", "s", **options)
        self.refused(10, "pub", "s", "y", names=["'s'"], **options)

    def test_who_may_not_make_the_journal_makes_the_stream(self):
        options = self.as_nobody()
        if not options:
            self.skipTest("not root: every directory here is our own")
        self.journals.mkdir(exist_ok=True)
        self.journals.chmod(0o755)
        self.rings.chmod(0o777)
        ran = self.ok("create", "s", "--capacity", "1MiB", "--mode", "0666", "--journal",
                      **options)
        self.assertIn("made by the stream's first recorder", ran.errors)
        self.assertFalse((self.journals / "s").exists())
        self.ok("pub", "s", "one", **options)
        self.record_all()
        self.assertEqual(self.ok("verify", self.journals / "s", "--json").json["end_seq"], 1)

    def test_journal_that_may_not_be_read_is_10_and_never_silence(self):
        options = self.as_nobody()
        if not options:
            self.skipTest("not root: every file here is our own")
        self.make("--capacity", "64KiB", "--max-event", "4KiB", "--mode", "0666", "--journal")
        recorder = self.start_recorder()
        self.ok("pub", "s", "--size", "1KiB", "-n", "500", "--durable")
        journal = self.journals / "s"
        journal.chmod(0o700)
        for words in (("--from", "start"), ("-e",), ("--from", "3", "-e"), ("--from", "-499", "-e"),
                      ("--from", "@-1h", "-e"), ("--policy", "spill"),
                      ("--policy", "gate", "--from", "start"), ("--cursor", "mine")):
            self.refused(10, "tail", "s", *words, names=[journal], **options)
        for verb, *words in (("ls",), ("show", "mine"), ("rm", "mine"),
                             ("set", "mine", "--to", "5"), ("hold", "mine", "--max", "1MiB")):
            self.refused(10, "cursor", verb, "s", *words, names=[journal], **options)
        # What the ring has needs no journal.
        self.assertEqual(len(self.ok("tail", "s", "--from", "-3", "-e", **options).lines), 3)
        self.ok("tail", "s", "--policy", "skip", "--from", "start", "-n", "1", **options)
        self.ok("lag", "s", **options)
        self.end(recorder)

    def test_a_ledger_that_may_not_be_read_is_called_so(self):
        options = self.as_nobody()
        if not options:
            self.skipTest("not root: every file here is our own")
        self.make_journaled("--mode", "0666")
        self.ok("pub", "s", "one", "two")
        self.record_all()
        self.ok("cursor", "set", "s", "mine", "--to", "1")
        ledger = self.journal_of() / "LEDGER"
        ledger.chmod(0o600)
        self.journals.chmod(0o755)
        # What the ring knows is shown, and what isn't known is said.
        ran = self.ok("cursor", "ls", "s", **options)
        self.assertIn("mine", ran.text)
        self.assertIn(f"ls -ld {ledger}", ran.errors)
        self.assertNotIn("df ", ran.errors)

    def test_place_that_may_not_be_written_is_10(self):
        options = self.as_nobody()
        if not options:
            self.rings.chmod(0o555)
        self.refused(10, "create", "s", "--capacity", "64KiB", names=["'s'", self.rings], **options)
        self.rings.chmod(0o755)
        self.assertEqual(list(self.rings.iterdir()), [])
        ran = self.run_any("create", "s", "--capacity", "64KiB", "--journal=/proc/journal")
        self.assertIn(ran.code, (4, 10), ran)  # /proc itself says ENOENT
        self.assertIn("/proc/journal", ran.errors)
        self.make("--capacity", "64KiB", "--mode", "0666")
        ran = self.run_any("record", "s", "--to", "/proc/journal", **options)
        self.assertIn(ran.code, (4, 10), ran)
        self.assertIn("/proc/journal", ran.errors)

    def small_disk(self, size):
        if os.geteuid() != 0 or shutil.which("mount") is None:
            self.skipTest("only root can mount a small file system")
        path = self.work / "small"
        path.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path],
                                 capture_output=True, check=False)
        if mounted.returncode != 0:
            self.skipTest(f"mount is not permitted: {mounted.stderr.decode().strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", path], check=False)
        return path

    def test_full_shared_memory_is_9_and_leaves_nothing(self):
        path = self.small_disk("1m")
        ran = self.refused(9, "create", "s", "--capacity", "4MiB", "--dir", path,
                           names=["'s'", "4 MiB", path])
        self.assertIn("--capacity", ran.errors)
        self.assertEqual(list(path.iterdir()), [])
        self.ok("create", "s", "--capacity", "64KiB", "--dir", path)
        doctor = self.run_any("doctor", "--dir", path)
        self.assertRegex(doctor.text, r"(?m)^warn .*ring memory .*--shm-size")

    def test_full_journal_disk_is_9(self):
        path = self.small_disk("1m")
        self.make("--capacity", "64KiB", f"--journal={path}/journal")
        self.ok("pub", "s", "kept")
        self.refused(9, "record", "s", "--segment", "4MiB", names=[path])
        self.assertEqual(self.payloads("tail", "s", "-e"), ["kept"])
        self.assertFalse(list(pathlib.Path(path).rglob("*.seg")))

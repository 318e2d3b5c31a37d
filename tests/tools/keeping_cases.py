"""How a journal is kept: settings, retention, leases, and a disk that fills up."""

import errno
import fcntl
import json
import os
import shutil
import struct
import subprocess
import time

from sandbox import Case

MIB = 1 << 20


class Settings(Case):
    def settings(self):
        return self.ok("inspect", self.journal_of(), "--json").json["settings"]

    def record_some(self, *options):
        self.ok("pub", "s", "--size", "1000", "-n", "200")
        process = self.start("record", "s", "--json", *options)
        self.wait_until("durability",
                        lambda: (self.reader("journal") or {}).get("seq") == self.end_sequence())
        return self.end(process).json_lines

    def test_create_keeps_how_the_journal_is_written(self):
        self.make_journaled("--sync", "interval=7ms", "--retain-bytes", "8MiB",
                            "--retain-age", "2h", "--segment-size", "2MiB")
        started = self.record_some()[0]
        self.assertEqual(started["sync"], "interval=7ms")
        kept = {"sync": "interval=7ms", "retain_bytes": 8 * MIB,
                "retain_age_ns": str(2 * 3600 * 10**9), "segment_bytes": 2 * MIB,
                "compress": "off"}
        self.assertEqual(self.settings(), kept)
        segments = self.ok("inspect", self.journal_of(), "--segments", "--json").json["segments"]
        self.assertEqual(segments[0]["size_bytes"], 2 * MIB)
        # For one time it may be said otherwise; a stream that is made anew changes what it names.
        self.assertEqual(self.record_some("--sync", "group")[0]["sync"], "group")
        self.assertEqual(self.settings(), kept)
        self.ok("rm", "s", "--yes")
        self.make_journaled("--sync", "none")
        self.assertEqual(self.settings(), {**kept, "sync": "none"})
        self.assertIn("sync none", self.ok("inspect", self.journal_of()).text)

    def test_segments_are_compressed_while_it_is_written(self):
        made = self.run_any("create", "s", "--capacity", "4MiB", "--journal",
                            str(self.journals / "s"), "--segment-size", "1MiB",
                            "--compress", "5")
        if "without zstd" in made.errors:
            self.skipTest("this build has no zstd")
        self.assertEqual(made.code, 0, made.errors)
        process = self.start("record", "s", "--json")
        self.assertEqual(json.loads(self.read_line(process))["compress"], "5")
        for _ in range(4):
            self.ok("pub", "s", "--size", "1000", "-n", "1000")

        def smaller():
            looked = self.ok("inspect", self.journal_of(), "--segments", "--json").json
            return sum(one["size_bytes"] < MIB for one in looked["segments"]) >= 2

        self.wait_until("compressed segments", smaller)
        end = self.end(process).json_lines[-1]
        # The second may have had its place for a moment only, and not be counted yet.
        self.assertGreaterEqual(end["compressed_segments"], 1)
        self.assertLess(end["compressed_stored_bytes"], end["compressed_raw_bytes"])
        self.assertEqual(self.settings()["compress"], "5")
        self.assertIn("level 5", self.ok("inspect", self.journal_of()).text)
        self.assertIn("sound", self.ok("verify", "s").text)
        self.assertEqual(len(self.payloads("replay", "s", "--speed", "max")), 4000)
        off = self.record_some("--compress", "off")
        self.assertEqual((off[0]["compress"], off[-1]["compressed_segments"]), ("off", 0))
        for level in ("0", "20", "much"):
            self.refused(2, "record", "s", "--compress", level, names=("--compress", level))

    def test_settings_that_cannot_be(self):
        for words, name in ((("--sync", "often"), "often"), (("--retain-bytes", "1MiB"), "1048576"),
                            (("--segment-size", "5000000"), "5000000")):
            self.refused(2, "create", "s", "--capacity", "1MiB", "--journal", *words, names=(name,))
        self.refused(2, "create", "s", "--capacity", "1MiB", "--sync", "none", names=("--sync",))
        self.assertEqual(self.run_any("inspect", "s").code, 4)
        self.make_journaled("--sync", "none")
        path = self.journals / "s" / "SETTINGS"
        path.write_text(path.read_text() + "retain_age_ns = soon\n")
        self.refused(3, "record", "s", names=("SETTINGS", "line 3", "soon"))


class SyncPolicies(Case):
    """What each policy costs in flushes and in acknowledgements, through the whole chain."""

    def run_recorder(self, policy):
        """Publishes for a while; the figures of the recorder and how long it ran."""
        self.make_journaled("--sync", policy)
        process = self.start("record", "s", "--segment", "4MiB", "--json")
        started = json.loads(self.read_line(process))
        self.assertEqual(started["sync"], policy)
        for _ in range(30):
            self.ok("pub", "s", "--size", "100", "-n", "20")
        return process

    def test_group_acknowledges_without_being_asked(self):
        process = self.run_recorder("group")
        self.wait_until("durability", lambda: self.reader("journal")["seq"] == 600)
        self.ok("pub", "s", "x", "--durable")
        self.assertGreaterEqual(self.end(process).json_lines[-1]["flushes"], 5)

    def test_interval_flushes_no_more_often(self):
        process = self.run_recorder("interval=1h")
        self.wait_until("writing", lambda: self.journal()["written_seq"] == 600)
        # One flush may be due at once, and covers what was written by then: all so far, if it comes
        # late. The next is due in an hour, or when the journal is closed.
        self.wait_until("an event that stays unflushed", self.leaves_one_unflushed)
        self.assertLessEqual(self.journal()["flushes"], 1)
        end = self.end_sequence()
        lines = self.end(process).json_lines
        self.assertEqual((lines[-1]["durable_seq"], lines[-1]["clean"]), (end, True))
        self.assertLessEqual(lines[-1]["flushes"], 3)

    def test_none_flushes_at_the_end_alone(self):
        process = self.run_recorder("none")
        self.wait_until("writing", lambda: self.journal()["written_seq"] == 600)
        self.assertEqual(self.journal()["flushes"], 0)
        self.assertEqual(self.journal()["durable_seq"], 0)
        # Killed: the kernel has what was written, whatever the policy.
        self.kill(process)
        shown = self.ok("replay", "s", "--speed", "max", "--json").lines
        self.assertEqual(len(shown), 600)
        process = self.start("record", "s", "--segment", "4MiB", "--json")
        self.wait_until("recovery", lambda: self.journal()["durable_seq"] == 600)
        self.end(process)

    def leaves_one_unflushed(self):
        self.ok("pub", "s", "x")
        end = self.end_sequence()
        self.wait_until("writing", lambda: self.journal()["written_seq"] == end)
        return self.journal()["durable_seq"] < end

    def journal(self):
        return self.ok("inspect", "s", "--json").json["journal"]


class Retention(Case):
    def test_the_oldest_go_and_readers_are_told(self):
        self.make_journaled("--retain-bytes", "3MiB", "--segment-size", "1MiB")
        process = self.start("record", "s", "--json")
        for _ in range(12):
            self.ok("pub", "s", "--size", "1000", "-n", "900")
        self.wait_until("durability", lambda: self.reader("journal")["seq"] == 12 * 900)
        summary = self.wait_until("retention", lambda: self.small_journal())
        self.assertGreater(summary["first_seq"], 4000)
        self.assertGreater(summary["oldest_segment"], 4)
        refusal = self.refused(11, "replay", "s", "--from", "5", names=("5",))
        self.assertIn(str(self.summary()["first_seq"]), refusal.errors)
        report = self.end(process).json_lines[-1]
        self.assertGreater(report["recycled_segments"], 3)
        self.assertGreater(report["fill_ratio"], 0.3)
        self.ok("verify", "s")
        first = self.summary()["first_seq"]
        shown = self.ok("replay", "s", "--speed", "max", "--json").json_lines
        self.assertEqual([line["seq"] for line in shown], list(range(first, 12 * 900)))

    def summary(self):
        return self.ok("inspect", self.journal_of(), "--json").json

    def small_journal(self):
        summary = self.summary()
        # Looking leases what it looks at, for a moment: what is retired just then stays a while.
        is_small = summary["segment_count"] <= 4 and summary["retired_segments"] == 0
        return summary if is_small else None


class SmallDisk(Case):
    """On a real ext4 of 24 MiB."""

    def setUp(self):
        super().setUp()
        self.mount = self.work / "disk"
        image = self.work / "image"
        self.mount.mkdir()
        with open(image, "wb") as file:
            file.truncate(24 * MIB)
        try:
            subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", "-m", "0", image], check=True,
                           capture_output=True)
            subprocess.run(["mount", "-o", "loop", image, self.mount], check=True,
                           capture_output=True)
        except (OSError, subprocess.CalledProcessError) as refusal:
            print("SKIPPED: no loop device can be mounted here:", refusal)
            self.skipTest("no loop device")
        self.addCleanup(subprocess.run, ["umount", "-l", self.mount], check=False)

    def state(self):
        return (self.reader("journal") or {}).get("state")


class FailingDisk(SmallDisk):
    SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
    WITHOUT_LOG = 2

    def stop_the_file_system(self):
        directory = os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(directory, self.SHUTDOWN, struct.pack("I", self.WITHOUT_LOG))
        except OSError as refusal:
            print("SKIPPED: this file system can't be stopped:", refusal)
            self.skipTest("no shutdown")
        finally:
            os.close(directory)

    def unmounts(self):
        # What a ring of io_uring had in flight may hold the file system for a moment after the end
        # of its process.
        return subprocess.run(["umount", self.mount], capture_output=True,
                              check=False).returncode == 0

    def test_a_disk_that_fails_is_told_by_every_command_and_mended_by_opening_anew(self):
        self.make("--capacity", "1MiB", "--journal", self.mount / "j", "--segment-size", "4MiB")
        recorder = self.start("record", "s", "--json")
        self.read_line(recorder)
        self.ok("pub", "s", "--size", "100", "-n", "500", "--durable")
        durable = self.reader("journal")["seq"]
        self.assertEqual(durable, 500)
        # It waits for what will never be durable, and is told at once, with the reason.
        self.stop_the_file_system()
        refused = self.run_any("pub", "s", "lost", "--durable")
        self.assertNotEqual(refused.code, 0)
        self.assertIn("Input/output error", refused.errors)
        # The fault was real.
        with self.assertRaises(OSError):
            (self.mount / "probe").write_bytes(b"x")
        ended = self.end(recorder, by=None, code=1)
        self.assertIn("Input/output error", ended.errors)

        journal = self.reader("journal")
        self.assertEqual((journal["state"], journal["errno"], journal["seq"]),
                         ("FAILED", errno.EIO, durable))
        self.assertIn("tailrace record s", journal["hint"])
        lag = self.run_any("lag", "s")
        self.assertIn("FAILED", lag.text)
        for part in ("Input/output error", "sequence 500", "tailrace record s"):
            self.assertIn(part, lag.errors)
        shown = self.ok("inspect", "s").text
        for part in ("failed", "Input/output error", "durable below 500"):
            self.assertIn(part, shown)
        told = self.ok("inspect", "s", "--json").json["journal"]
        self.assertEqual((told["state"], told["errno"], told["durable_seq"]),
                         ("failed", errno.EIO, durable))

        # Mounted again, and opened anew by who comes next.
        self.wait_until("the disk to be let go", self.unmounts)
        subprocess.run(["mount", "-o", "loop", self.work / "image", self.mount], check=True)
        recorder = self.start("record", "s", "--json")
        self.read_line(recorder)
        self.ok("pub", "s", "back", "--durable")
        self.wait_until("a state that is well", lambda: self.state() == "OK")
        self.end(recorder)
        self.ok("verify", self.mount / "j")


class FullDisk(SmallDisk):
    def fill_disk(self):
        """Leaves room for less than a segment, beside the recorder's spare, which is there once a
        sixteenth of its first segment is filled: its path."""
        self.ok("pub", "s", "--size", "1000", "-n", "300", "--durable")
        self.wait_until("a spare", lambda: self.ok("inspect", self.mount / "j", "--json")
                        .json["spare"] == "ready")
        ballast = self.mount / "ballast"
        free = shutil.disk_usage(self.mount).free
        with open(ballast, "wb") as file:
            file.write(b"x" * (free - 2 * MIB))
            os.fsync(file.fileno())
        return ballast

    def test_low_space_is_told_early_and_passes_by_itself(self):
        self.make("--capacity", "1MiB", "--journal", self.mount / "j", "--segment-size", "4MiB")
        process = self.start("record", "s", "--json")
        self.read_line(process)
        ballast = self.fill_disk()
        self.ok("pub", "s", "--size", "1000", "-n", "4200", "--timeout", "1h")
        self.wait_until("low space", lambda: self.state() == "LOW-SPACE")
        self.assertIn("low on space", self.ok("inspect", "s").text)
        # Refused early: nothing is published that could not be kept.
        self.refused(9, "pub", "s", "y", "--durable", names=("'s'", "no room"))
        lag = self.run_any("lag", "s")
        self.assertIn("df ", lag.errors)
        self.wait_until("durability", lambda: self.reader("journal")["seq"] == 4500)
        # Then it is full, publishers are held back, and all that was acknowledged is there.
        publisher = self.start("pub", "s", "--size", "1000", "-n", "5500", "--timeout", "1h")
        self.wait_until("a full disk", lambda: self.state() == "DISK-FULL")
        self.assertIn("disk full", self.ok("inspect", "s").text)
        self.assertIsNone(publisher.poll())
        durable = self.reader("journal")["seq"]
        self.assertGreater(durable, 4600)
        shown = self.ok("replay", "s", "--speed", "max", "--json").lines
        self.assertGreaterEqual(len(shown), durable)
        self.ok("verify", self.mount / "j")
        # Room again: it goes on by itself, and nothing was lost.
        ballast.unlink()
        self.end(publisher, by=None)
        self.wait_until("durability", lambda: self.reader("journal")["seq"] == 10000)
        self.wait_until("a state that is well", lambda: self.state() == "OK")
        report = self.end(process).json_lines[-1]
        self.assertEqual((report["lost_events"], report["durable_seq"]), (0, 10000))
        self.ok("verify", self.mount / "j")

    def test_on_a_full_disk_it_ends_when_it_is_told_to_and_loses_nothing(self):
        self.make("--capacity", "1MiB", "--journal", self.mount / "j", "--segment-size", "4MiB")
        process = self.start("record", "s", "--json")
        self.read_line(process)
        ballast = self.fill_disk()
        publisher = self.start("pub", "s", "--size", "1000", "-n", "16000", "--timeout", "1h")
        self.wait_until("a full disk", lambda: self.state() == "DISK-FULL")
        # It would go on over what nobody has recorded, once there is no recorder that holds it up.
        self.end(publisher, code=130)
        told = time.monotonic()
        ended = self.end(process, code=9)
        self.assertLess(time.monotonic() - told, 20)  # it is about one
        self.assertIn("no room", ended.errors)
        ballast.unlink()
        process = self.start("record", "s", "--json")
        self.read_line(process)
        self.wait_until("durability",
                        lambda: self.reader("journal")["seq"] == self.end_sequence())
        report = self.end(process).json_lines[-1]
        self.assertEqual(report["lost_events"], 0)
        self.ok("verify", self.mount / "j")

    def test_with_drop_a_full_disk_holds_nobody_up_and_the_gap_is_exact(self):
        self.make("--capacity", "1MiB", "--journal", self.mount / "j", "--segment-size", "4MiB")
        process = self.start("record", "s", "--json", "--journal-lag", "drop")
        self.read_line(process)
        ballast = self.fill_disk()
        # Far more than disk and ring hold together; a publisher that were held up would time out.
        published = 300
        while self.state() != "DISK-FULL":
            self.ok("pub", "s", "--size", "1000", "-n", "2000", "--timeout", "1h")
            published += 2000
        for _ in range(4):
            self.ok("pub", "s", "--size", "1000", "-n", "1000", "--timeout", "1h")
            published += 1000
        self.assertEqual(self.end_sequence(), published)
        self.wait_until("the loss to be told",
                        lambda: self.reader("journal")["lost_events"] > 1000)
        # Durability is not to be had, and says why.
        self.refused(9, "pub", "s", "y", "--durable", names=("'s'", "no room"))
        ballast.unlink()
        self.wait_until("a state that is well", lambda: self.state() == "OK")
        self.ok("pub", "s", "z", "--durable")
        ended = self.end(process, code=3).json_lines[-1]
        self.assertEqual(ended["durable_seq"], self.end_sequence())
        shown = self.run_any("replay", "s", "--speed", "max", "--json")
        self.assertEqual(shown.code, 3)
        sequence = lost = 0
        for line in shown.json_lines:
            self.assertEqual(line.get("gap_first_seq", line.get("seq")), sequence)
            sequence += line.get("gap_events", 1)
            lost += line.get("gap_events", 0)
        self.assertEqual((sequence, lost), (ended["durable_seq"], ended["lost_events"]))
        self.ok("verify", self.mount / "j")

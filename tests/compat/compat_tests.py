#!/usr/bin/env python3
"""An independent reader against what the library wrote, read and verified.

    compat_tests.py --list                            the names of all cases
    compat_tests.py TAILRACE JOURNAL_SAMPLE [CASE...]
"""

import base64
import contextlib
import ctypes.util
import faulthandler
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    import xxhash
    import journal_reader
    import ring_cases
except ImportError as problem:
    if "--list" in sys.argv:
        print("without_xxhash")
        sys.exit(0)
    print(f"SKIPPED: {problem}; ./dev deps installs python3-xxhash")
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENT = HERE.parent.parent / "docs" / "journal_format.md"
GOLDEN = HERE.parent / "journal" / "golden"
DEADLINE_S = 100
MIB = 1 << 20


def hex_dump_of(document):
    """The annotated dump in the document, as the bytes of that segment."""
    data = bytearray()
    is_repeating = False
    for line in document.splitlines():
        if line == "*":
            is_repeating = True
            continue
        match = re.match(r"([0-9a-f]{8})(?:  ((?:[0-9a-f]{2} ){7}[0-9a-f]{2})"
                         r"  ((?:[0-9a-f]{2} ){7}[0-9a-f]{2})  \|(.{16})\||$)", line)
        if not match:
            continue
        offset = int(match.group(1), 16)
        assert is_repeating or offset == len(data), f"{line}: {len(data):#x} bytes stand before it"
        data += bytes(offset - len(data))
        is_repeating = False
        if match.group(2):
            row = bytes.fromhex(match.group(2) + match.group(3))
            shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
            assert shown == match.group(4), f"{line}: the text is {shown}"
            data += row
    return bytes(data)


class Case(unittest.TestCase):
    tailrace = sample = None
    longMessage = True

    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="tailrace-compat-", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)
        self.journal = self.work / "journal"

    def run_any(self, *words):
        return subprocess.run([str(word) for word in words], capture_output=True, check=False,
                              timeout=DEADLINE_S)

    def write_sample(self, seed=7, alignment=16, retain=0):
        """Makes the journal; returns what must be read: ("event", ...), ("gap", ...)."""
        ran = self.run_any(self.sample, self.journal, seed, alignment, retain)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        expected = []
        for line in ran.stdout.decode().splitlines():
            kind, *fields = line.split()
            expected.append((kind, *fields))
        self.assertGreater(len(expected), 1000)
        for kind in ("tombstone", "gap"):
            self.assertTrue(any(one[0] == kind for one in expected), kind)
        self.assertGreaterEqual(len(self.segments()), 3 if retain else 8)
        return expected

    def segments(self):
        return sorted(self.journal.glob("*.seg"))

    def read(self, start=None):
        return list(journal_reader.Journal(str(self.journal)).items(start))

    def as_lines(self, items):
        lines = []
        for item in items:
            if isinstance(item, tuple):
                lines.append(("gap", str(item[0]), str(item[1])))
            elif item.tombstone:
                lines.append(("tombstone", str(item.sequence)))
            else:
                words = [item.time_ns, item.event_time_ns, *(item.publisher or ()), item.key]
                lines.append(("event", str(item.sequence), str(item.type), str(item.flags),
                              str(len(item.payload)), xxhash.xxh3_64_hexdigest(item.payload),
                              *(str(one) for one in words if one is not None)))
        return lines

    def verify(self):
        ran = self.run_any(self.tailrace, "verify", self.journal, "--json")
        self.assertIn(ran.returncode, (0, 3), ran.stderr)
        return json.loads(ran.stdout)

    def patch(self, path, offset, data):
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def flip(self, path, offset):
        data = path.read_bytes()
        self.patch(path, offset, bytes([data[offset] ^ 1]))


class Written(Case):
    def test_every_event_gap_and_tombstone_is_read_as_written(self):
        for seed, alignment in ((1, 16), (2, 64)):
            expected = self.write_sample(seed, alignment)
            self.assertEqual(self.as_lines(self.read()), expected)
            shutil.rmtree(self.journal)

    def test_replay_gives_the_same(self):
        self.write_sample(3)
        ran = self.run_any(self.tailrace, "replay", self.journal, "--speed", "max", "--json")
        self.assertEqual(ran.returncode, 3, ran.stderr)  # the gaps are a loss
        ours = [item for item in self.read() if isinstance(item, tuple) or not item.tombstone]
        lines = [json.loads(line) for line in ran.stdout.splitlines()]
        self.assertEqual(len(lines), len(ours))
        for line, item in zip(lines, ours):
            if isinstance(item, tuple):
                self.assertEqual((line["gap_first_seq"], line["gap_events"]), item[:2])
                self.assertEqual(line["gap_kind"], "never_journaled")
                self.assertFalse(item.is_lost)
                continue
            data = (base64.b64decode(line["data_b64"]) if "data_b64" in line
                    else line["data"].encode())
            self.assertEqual((line["seq"], line["type"], data),
                             (item.sequence, item.type, item.payload))
            self.assertEqual(line["time_ns"], str(item.time_ns) if item.time_ns else None)

    def test_verify_counts_the_same(self):
        expected = self.write_sample(4)
        report = self.verify()
        self.assertTrue(report["sound"])
        kinds = [one[0] for one in expected]
        self.assertEqual(report["events"], kinds.count("event") + kinds.count("tombstone"))
        self.assertEqual(report["tombstones"], kinds.count("tombstone"))
        self.assertEqual(report["gaps"], kinds.count("gap"))

    def test_every_start_is_found_through_the_index(self):
        self.write_sample(5)
        journal = journal_reader.Journal(str(self.journal))
        self.assertTrue(any(segment.index() for segment in journal.segments))
        whole = self.as_lines(self.read())
        numbers = [int(one[1]) for one in whole if one[0] != "gap"]
        for start in numbers[::len(numbers) // 40]:
            behind = [one for one in whole if int(one[1]) >= start]
            self.assertEqual(self.as_lines(self.read(start)), behind, start)

    def test_the_catalogue_says_what_the_headers_say(self):
        self.write_sample(6)
        segments = journal_reader.Journal(str(self.journal)).segments
        entries = journal_reader.catalogue(str(self.journal))
        self.assertEqual(set(entries) | {segments[-1].number},
                         {segment.number for segment in segments})
        for segment, follower in zip(segments, segments[1:]):
            entry = entries[segment.number]
            self.assertEqual((entry.salt, entry.first_sequence, entry.floor_time_ns, entry.size),
                             (segment.salt, segment.first_sequence, segment.floor_time_ns,
                              segment.size))
            self.assertEqual((entry.end_sequence, entry.max_time_ns, entry.end_offset),
                             (follower.first_sequence, follower.floor_time_ns, segment.end))

    def test_compressed_segments_are_read_as_before(self):
        expected = self.write_sample(12)
        ran = self.run_any(self.tailrace, "compress", self.journal, "--json")
        if ran.returncode == 1 and b"without zstd" in ran.stderr:
            self.skipTest("this build has no zstd")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        # The sample's payloads don't shrink, so of segments that hold little else none may.
        self.assertGreaterEqual(json.loads(ran.stdout)["compressed_segments"], 1)
        self.assertEqual(self.as_lines(self.read()), expected)
        numbers = [int(one[1]) for one in expected if one[0] != "gap"]
        for start in numbers[::len(numbers) // 10]:
            self.assertEqual(self.as_lines(self.read(start)),
                             [one for one in expected if int(one[1]) >= start])

    def test_super_names_the_newest_segment(self):
        self.write_sample(6)
        found = journal_reader.Super.read(str(self.journal))
        journal = journal_reader.Journal(str(self.journal))
        self.assertEqual(found.newest, journal.segments[-1].number)
        self.assertEqual(found.journal_id, journal.segments[0].journal_id)
        self.assertEqual(found.oldest, 1)

    def test_it_begins_where_the_newest_header_says_when_super_is_lost(self):
        expected = self.write_sample(13, retain=4 * MIB)
        whole = self.as_lines(self.read())
        self.assertEqual(whole, expected[-len(whole):])
        begin = journal_reader.Super.read(str(self.journal)).oldest
        self.assertGreater(begin, 3)
        # Given up, and still there in part.
        (self.journal / "0000000000000002.seg").write_bytes(b"what retention left")
        self.assertEqual(self.as_lines(self.read()), whole)
        os.truncate(self.journal / "SUPER", 0)
        self.assertEqual(self.as_lines(self.read()), whole)
        ran = self.run_any(self.tailrace, "verify", self.journal, "--json")
        self.assertEqual(ran.returncode, 0, ran.stdout)


class Golden(Case):
    """The journals of earlier versions in tests/journal/golden, by their manifests."""

    def unpack(self, source):
        self.journal.mkdir()
        manifest = []
        path = None
        for line in source.read_text().splitlines():
            kind, *fields = line.split()
            if kind == "file":
                path = self.journal / fields[0]
                with open(path, "wb") as file:
                    file.truncate(int(fields[1]))
            elif kind in ("event", "gap"):
                manifest.append(line)
            else:
                self.patch(path, int(kind), bytes.fromhex(fields[0]))
        return manifest

    def manifest_of(self, items):
        lines = []
        for item in items:
            if isinstance(item, tuple):
                lines.append(f"gap {item[0]} {item[1]}")
            else:
                lines.append(f"event {item.sequence} {item.type} {item.flags} {len(item.payload)} "
                             f"{xxhash.xxh3_64_intdigest(item.record):x}")
        return lines

    def test_every_golden_file_gives_what_its_manifest_says(self):
        sources = sorted(GOLDEN.glob("*.txt"))
        self.assertGreaterEqual(len(sources), 4)
        for source in sources:
            with self.subTest(source.name):
                if "compressed" in source.name and not ctypes.util.find_library("zstd"):
                    self.skipTest("libzstd is not installed")
                manifest = self.unpack(source)
                self.assertGreater(len(manifest), 20)
                self.assertEqual(self.manifest_of(self.read()), manifest)
            shutil.rmtree(self.journal, ignore_errors=True)


class Damaged(Case):
    def damage_of(self, call):
        with self.assertRaises(journal_reader.Damage) as caught:
            call()
        return caught.exception

    def test_damage_has_the_same_place_as_in_verify(self):
        self.write_sample(8)
        journal = journal_reader.Journal(str(self.journal))
        batches = list(journal.batches(journal.segments[2]))
        victim = batches[len(batches) // 2]
        segment = self.segments()[2]
        self.flip(segment, victim.offset + 128 + victim.body_size // 2)
        damage = self.damage_of(self.read)
        finding = next(one for one in self.verify()["findings"] if one["damage"])
        self.assertEqual((damage.offset, damage.first),
                         (finding["offset_bytes"], finding["first_seq"]))
        self.assertEqual(finding["offset_bytes"], victim.offset)

    def test_a_torn_tail_is_the_end_and_damage_below_a_promise_is_not(self):
        self.write_sample(9)
        segment = self.segments()[-1]
        journal = journal_reader.Journal(str(self.journal))
        newest = journal.segments[-1]
        last = list(journal.batches(newest))
        whole = self.read()
        torn, below = last[-1], last[0]
        kept = segment.read_bytes()
        self.flip(segment, torn.offset + 130)
        self.assertEqual(self.as_lines(self.read()),
                         self.as_lines([one for one in whole if torn.first_sequence > (
                             one.first + one.count if isinstance(one, tuple) else one.sequence)]))
        self.assertTrue(self.verify()["sound"])
        segment.write_bytes(kept)
        self.flip(segment, below.offset + 130)
        self.assertEqual(self.damage_of(self.read).first, newest.first_sequence)
        self.assertFalse(self.verify()["sound"])

    def test_what_was_repaired_is_read_with_the_same_gaps(self):
        self.write_sample(11)
        whole = self.read()
        journal = journal_reader.Journal(str(self.journal))
        self.flip(self.segments()[1], 300)  # a header
        lost = []
        for nth in (2, 4, 5):
            batches = [one for one in journal.batches(journal.segments[nth]) if one.count]
            victim = batches[len(batches) // 2]
            self.flip(self.segments()[nth], victim.offset + 140)
            lost.append(range(victim.first_sequence, victim.end_sequence))
        self.segments()[6].unlink()
        lost.append(range(journal.segments[6].first_sequence, journal.segments[7].first_sequence))
        with self.assertRaises((journal_reader.Damage, journal_reader.Refused)):
            self.read()
        ran = self.run_any(self.tailrace, "repair", self.journal, "--apply", "--json")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertTrue(self.verify()["sound"])
        kept = [one for one in whole if not isinstance(one, tuple) and
                not any(one.sequence in part for part in lost)]
        read = self.read()
        self.assertEqual(self.as_lines([one for one in read if not isinstance(one, tuple)]),
                         self.as_lines(kept))
        told = set()
        for gap in (one for one in read if isinstance(one, tuple)):
            told.update(range(gap.first, gap.first + gap.count))
        everything = set(range(journal.segments[0].first_sequence, whole[-1].sequence + 1))
        self.assertEqual(told, everything - {one.sequence for one in kept})
        # Lost to damage, or never journaled: never both.
        before = {(one.first, one.count) for one in whole if isinstance(one, tuple)}
        for gap in (one for one in read if isinstance(one, tuple) and not one.is_lost):
            self.assertIn((gap.first, gap.count), before)
        damaged = {number for part in lost for number in part}
        told_lost = {number for one in read if isinstance(one, tuple) and one.is_lost
                     for number in range(one.first, one.first + one.count)}
        self.assertTrue(damaged <= told_lost)
        self.assertTrue(told_lost <= damaged | {number for first, count in before
                                                for number in range(first, first + count)})

    def test_missing_segments_have_the_same_range_for_everybody_before_and_after_repair(self):
        self.write_sample(14)
        whole = journal_reader.Journal(str(self.journal)).segments
        end = self.verify()["end_seq"]
        bounds = [segment.first_sequence for segment in whole] + [end]
        original = self.work / "original"
        shutil.copytree(self.journal, original)
        for first, count in ((0, 1), (0, 3), (3, 2), (len(whole) - 1, 1)):
            shutil.rmtree(self.journal)
            shutil.copytree(original, self.journal)
            for path in self.segments()[first:first + count]:
                path.unlink()
            # Of the newest, which nobody closed, nothing says where it ended.
            is_known = first + count < len(whole)
            expected = (bounds[first], bounds[first + count if is_known else first])
            damage = self.damage_of(self.read)
            self.assertEqual((damage.first, damage.end), expected)
            report = self.verify()
            found = [(one["first_seq"], one["end_seq"]) for one in report["findings"]
                     if one["damage"]]
            self.assertEqual(found, [expected])
            text = (f"[{expected[0]}, {expected[1]})" if is_known else
                    f"events from {expected[0]} on")
            for words in (("replay", self.journal, "--speed", "max"), ("inspect", self.journal),
                          ("backup", self.journal, self.work / "copy")):
                ran = self.run_any(self.tailrace, *words)
                self.assertEqual(ran.returncode, 3, (words, ran.stderr))
                self.assertIn(text, ran.stderr.decode(), words)
            ran = self.run_any(self.tailrace, "repair", self.journal, "--apply", "--json")
            self.assertEqual(ran.returncode, 0, ran.stderr)
            plan = json.loads(ran.stdout)
            self.assertEqual(plan["lost_events"], expected[1] - expected[0])
            self.assertEqual(plan["may_have_lost_more"], not is_known)
            report = self.verify()
            self.assertTrue(report["sound"])
            stated = [expected] if is_known else []
            self.assertEqual([(one["first_seq"], one["end_seq"]) for one in report["findings"]
                              if one["kind"] == "lost_events"], stated)
            gaps = [(one.first, one.first + one.count) for one in self.read()
                    if isinstance(one, tuple) and one.is_lost]
            self.assertEqual(gaps, stated)

    def test_a_damaged_batch_without_events_is_no_loss_for_anybody(self):
        self.write_sample(15)
        whole = self.as_lines(self.read())
        journal = journal_reader.Journal(str(self.journal))
        bare = [(nth, batch) for nth, segment in enumerate(journal.segments)
                for batch in journal.batches(segment)
                if batch.count == 0 and not batch.flags & journal_reader.GAP_BEFORE]
        self.assertGreater(len(bare), 7)
        for nth, batch in bare:
            path = self.segments()[nth]
            self.flip(path, batch.offset + 50)
            self.assertEqual(self.as_lines(self.read()), whole, (nth, batch.offset))
            report = self.verify()
            self.assertTrue(report["sound"], report["findings"])
            self.flip(path, batch.offset + 50)

    def test_another_header_byte_anywhere_is_noticed(self):
        self.write_sample(10)
        segment = self.segments()[1]
        for offset in (3, 12, 17, 25, 50, 70, 90, 110, 140, 200, 4000):
            self.flip(segment, offset)
            with self.assertRaises((journal_reader.Refused, journal_reader.Damage),
                                   msg=str(offset)):
                self.read()
            self.flip(segment, offset)
        self.read()


class Document(Case):
    def setUp(self):
        super().setUp()
        self.text = DOCUMENT.read_text()
        self.journal.mkdir()
        self.segment = self.journal / "0000000000000001.seg"
        segment_dump, catalogue_dump = self.text.split("Its `CATALOGUE`")
        self.segment.write_bytes(hex_dump_of(segment_dump))
        self.catalogue = self.journal / "CATALOGUE"
        self.catalogue.write_bytes(hex_dump_of(catalogue_dump))

    def test_its_hex_dump_is_a_journal(self):
        self.assertEqual(self.segment.stat().st_size, MIB)
        self.assertEqual([(one.sequence, one.type, one.payload) for one in self.read()],
                         [(0, 1, b"hello, log"), (1, 2, b"bye")])
        report = self.verify()
        self.assertEqual((report["events"], report["batches"], report["end_seq"]), (2, 3, 2))
        self.assertTrue(report["sound"])
        self.assertNotIn("catalogue", json.dumps(report))
        ran = self.run_any(self.tailrace, "replay", self.journal, "--speed", "max",
                           "--format", "raw")
        self.assertEqual(ran.stdout, b"hello, log\nbye\n", ran.stderr)

    def test_its_catalogue_is_that_of_its_segment(self):
        self.assertEqual(self.catalogue.stat().st_size, 128)
        (entry,) = journal_reader.catalogue(str(self.journal)).values()
        journal = journal_reader.Journal(str(self.journal))
        (segment,) = journal.segments
        events = [one for batch in journal.batches(segment) for one in batch.events]
        self.assertEqual(entry.salt, segment.salt)
        self.assertEqual((entry.first_sequence, entry.end_sequence), (0, len(events)))
        self.assertEqual((entry.floor_time_ns, entry.max_time_ns), (0, events[-1].time_ns))
        self.assertEqual((entry.end_offset, entry.size), (16384, MIB))

    def test_its_program_checks_the_dump(self):
        program = re.search(r"```python\n(.*?)```", self.text, re.DOTALL).group(1)
        for is_damaged in (False, True):
            if is_damaged:
                self.flip(self.segment, 4096 + 140)
            ran = subprocess.run([sys.executable, "-c", program], cwd=self.journal, check=False,
                                 capture_output=True, timeout=DEADLINE_S)
            self.assertEqual(ran.returncode == 0, not is_damaged, ran.stderr)

    def test_its_tables_leave_no_hole(self):
        """Each field begins where the one before it ends."""
        for heading, size in (("### Segment header", 4096), ("### The batch", 128),
                              ("## SUPER", 4096), ("## The catalogue", 64),
                              ("### An entry of the catalogue", 64)):
            part = self.text.split(heading, 1)[1].split("\n#", 1)[0]
            end = 0
            for offset, length in re.findall(r"(?m)^\| (\d+) \| (\d+) \|", part):
                self.assertEqual(int(offset), end, f"{heading}: offset {offset}")
                end += int(length)
            self.assertEqual(end, size, heading)

    def test_its_program_prints_json_lines(self):
        shown = io.StringIO()
        sys.argv[1:] = [str(self.journal)]
        with contextlib.redirect_stdout(shown):
            self.assertEqual(journal_reader.main(), 0)
        lines = [json.loads(line) for line in shown.getvalue().splitlines()]
        self.assertEqual([line["seq"] for line in lines], [0, 1])
        self.assertEqual(base64.b64decode(lines[1]["data_b64"]), b"bye")


def all_cases():
    cases = {}
    for module in (sys.modules[__name__], ring_cases):
        for suite in unittest.defaultTestLoader.loadTestsFromModule(module):
            for case in suite:
                cases[case.id().split(".")[-1].removeprefix("test_")] = case
    return cases


def main():
    cases = all_cases()
    if sys.argv[1:] == ["--list"]:
        print("\n".join(cases))
        return 0
    if len(sys.argv) < 3:
        print(__doc__)
        return 2
    Case.tailrace, Case.sample = map(os.path.abspath, sys.argv[1:3])
    ring_cases.Rings.tailrace = Case.tailrace
    names = sys.argv[3:] or list(cases)
    faulthandler.dump_traceback_later(DEADLINE_S + 10, exit=True)
    suite = unittest.TestSuite(cases[name] for name in names)
    return 0 if unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())

"""The page of the ring's layout, held against the code's structures and against rings that the
command made."""

import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

import ring_reader

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEADLINE_S = 100


def page():
    return ring_reader.DOCUMENT.read_text(encoding="utf-8")


class Tables(unittest.TestCase):
    """The tables against themselves and against the compiler."""

    def statements(self, document):
        for structure in document.structures.values():
            for field in structure.fields:
                member = f"{structure.name}, {field.name}"
                yield (f"static_assert(offsetof({member}) == {field.offset} && "
                       f"sizeof({structure.name}::{field.name}) == {field.size});")
            # A structure of several writers is padded to the distance between them.
            yield (f"static_assert(sizeof({structure.name}) >= {structure.size} && "
                   f"sizeof({structure.name}) < {structure.size} + 128);")

    def compile(self, document):
        source = "\n".join([
            "#include <tailrace/base/event_header.hpp>",
            "#include <tailrace/bus/latency_histogram.hpp>",
            "#include <tailrace/bus/layout.hpp>",
            "#include <tailrace/bus/statistics.hpp>",
            "#include <cstddef>",
            "using namespace tailrace; using namespace tailrace::bus;",
            *self.statements(document)])
        return subprocess.run(
            [os.environ.get("CXX", "c++"), "-std=c++20", "-fsyntax-only", "-Wno-invalid-offsetof",
             *(f"-I{ROOT / room / 'include'}" for room in ("base", "schema", "bus")),
             "-x", "c++", "-"],
            input=source, capture_output=True, text=True, timeout=DEADLINE_S, check=False)

    def test_ring_every_field_lies_where_the_compiler_puts_it(self):
        document = ring_reader.Document(page())
        self.assertGreater(len(list(self.statements(document))), 130)
        ran = self.compile(document)
        self.assertEqual(ran.returncode, 0, ran.stderr[:4000])

    def test_ring_a_wrong_table_is_noticed(self):
        text = page()
        wrong = text.replace("| 512 | 4 | `life` |", "| 520 | 4 | `life` |")
        self.assertNotEqual(wrong, text)
        self.assertNotEqual(self.compile(ring_reader.Document(wrong)).returncode, 0)

    def test_ring_fields_fill_their_structures_without_overlap(self):
        document = ring_reader.Document(page())
        for structure in document.structures.values():
            end = 0
            for field in structure.fields:
                with self.subTest(f"{structure.name}.{field.name}"):
                    self.assertGreaterEqual(field.offset, end)
                    # What is left out stands between the words of different writers, or pads.
                    if field.offset != end:
                        self.assertEqual(field.offset % 8, 0)
                    end = field.offset + field.size
            self.assertLessEqual(end, structure.size)
            self.assertGreater(end, structure.size - 128, structure.name)


class Rings(unittest.TestCase):
    tailrace = None  # set by compat_tests.py
    longMessage = True

    def setUp(self):
        rings = tempfile.TemporaryDirectory(prefix="tailrace-compat-", dir="/dev/shm")
        self.addCleanup(rings.cleanup)
        self.rings = pathlib.Path(rings.name)
        os.chmod(self.rings, 0o755)

    def run_tailrace(self, *words, **more):
        ran = subprocess.run([self.tailrace, *map(str, words)], capture_output=True, check=False,
                             timeout=DEADLINE_S, **more,
                             env={**os.environ, "TAILRACE_DIR": str(self.rings)})
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return ran.stdout

    def tail(self):
        lines = self.run_tailrace("tail", "orders", "--from", "start", "-e", "--json")
        told = []
        for line in map(json.loads, lines.splitlines()):
            data = (base64.b64decode(line["data_b64"]) if "data_b64" in line
                    else line["data"].encode())
            told.append((line["seq"], line["type"], line.get("time_ns"), line.get("key"), data))
        return told

    def read(self, document=None):
        def text(event, flag):
            return str(event.words[flag][0]) if flag in event.words else None

        return [(event.sequence, event.type, text(event, "kHasPublishTime"),
                 text(event, "kHasKey"), event.payload)
                for event in ring_reader.Ring(self.rings / "orders", document).events()
                if not event.is_tombstone]

    def publish_some(self):
        self.run_tailrace("pub", "orders", "one", "zwei", "trois", "--type", "7", "--key", "5")
        for size, count in ((0, 1), (1, 3), (17, 20), (1000, 5), (8000, 2)):
            self.run_tailrace("pub", "orders", "--size", size, "-n", count, "--type", size)

    def test_ring_every_event_is_read_as_tail_reads_it(self):
        for words in (["--single"], ["--align", "64"], ["--publish-time", "off"],
                      ["--publish-time", "batch", "--readers", "3"]):
            with self.subTest(words):
                self.run_tailrace("create", "orders", "--capacity", "64KiB", *words)
                self.publish_some()
                told = self.tail()
                self.assertEqual(len(told), 34)
                self.assertEqual(self.read(), told)
                self.run_tailrace("rm", "orders", "--yes")

    def test_ring_it_is_read_from_its_oldest_place_after_many_laps(self):
        self.run_tailrace("create", "orders", "--capacity", "64KiB")
        for lap in range(5):
            self.run_tailrace("pub", "orders", "--size", 200 + lap, "-n", 700)
        told, read = self.tail(), self.read()
        self.assertGreater(told[0][0], 2000)
        self.assertEqual(read[-1], told[-1])
        first = max(read[0][0], told[0][0])
        self.assertEqual([one for one in read if one[0] >= first],
                         [one for one in told if one[0] >= first])
        self.assertGreater(len(read), 100)

    def test_ring_a_stream_that_holds_for_its_journal_says_how_far(self):
        self.run_tailrace("create", "orders", "--capacity", "64KiB", "--journal",
                          self.rings / ".journal", "--journal-missing", "hold")
        self.publish_some()
        ring = ring_reader.Ring(self.rings / "orders")
        hold = ring.state.journal_hold
        self.assertEqual((ring.header.features, hold.position, hold.sequence), (1, 0, 0))

    def ring_at_rest(self):
        """Once every reader stands at the tail: it says so behind the hand-over of an event."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            ring = ring_reader.Ring(self.rings / "orders")
            places = [(slot.sequence, slot.gate_position) for slot in ring.slots("SubscriberSlot")
                      if slot.owner.state == 1]
            if places and all(place == ring.tail() for place in places):
                return ring
            self.assertLess(time.monotonic(), deadline, "a reader never comes to the tail")

    def test_ring_who_uses_it_stands_in_its_slot(self):
        self.run_tailrace("create", "orders", "--capacity", "64KiB", "--readers", "4")
        reader = subprocess.Popen(
            [self.tailrace, "tail", "orders", "--from", "start", "--name", "slow one", "--policy",
             "evict", "--evict-after", "7s", "--type", "3", "--type", "9"], stdout=subprocess.PIPE,
            env={**os.environ, "TAILRACE_DIR": str(self.rings)})
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        self.addCleanup(reader.stdout.close)
        self.run_tailrace("pub", "orders", "x", "--type", "9")
        self.assertTrue(reader.stdout.readline())  # it is attached, and reads
        ring = self.ring_at_rest()
        shown = json.loads(self.run_tailrace("inspect", "orders", "--json"))
        active = [slot for slot in ring.slots("SubscriberSlot") if slot.owner.state == 1]
        self.assertEqual(len(active), 1)
        slot, named = active[0], shown["readers"][0]
        self.assertEqual((slot.owner.name, slot.owner.process.pid), ("slow one", reader.pid))
        self.assertEqual((slot.owner.name, str(slot.owner.attached_ns)),
                         (named["name"], named["attached_ns"]))
        declared = slot.declared
        self.assertEqual((declared.policy, declared.evict_after_ns), (5, 7_000_000_000))
        self.assertEqual((declared.type_count, declared.types[:2]), (2, [3, 9]))
        self.assertEqual(slot.gate_position, slot.position)
        self.assertEqual(ring.tail()[0], shown["end_seq"])
        self.assertEqual(ring.state.registry.publisher_attaches, shown["publisher_attaches"])
        self.assertEqual(ring.state.registry.subscriber_attaches, shown["reader_attaches"])
        header = ring.header
        self.assertEqual(f"{header.stream_id_high:016x}{header.stream_id_low:016x}", shown["id"])
        self.assertEqual((header.name, header.capacity_bytes, header.subscriber_slots),
                         ("orders", 65536, 4))
        self.assertEqual(f"{header.layout_major}.{header.layout_minor}", shown["layout"])

    def test_ring_a_wrong_page_reads_a_wrong_ring(self):
        """What shows that the reader goes by the page: of two words swapped it reads nonsense."""
        self.run_tailrace("create", "orders", "--capacity", "64KiB")
        self.publish_some()
        text = page()
        wrong = re.sub(r"\| 12 \| 2 \| `type` \| u16 \|", "| 8 | 2 | `type` | u16 |", text)
        self.assertNotEqual(wrong, text)
        self.assertNotEqual(self.read(ring_reader.Document(wrong)), self.tail())
        self.assertEqual(self.read(), self.tail())


CASES = (Tables, Rings)

if __name__ == "__main__":
    sys.exit("run by compat_tests.py")

#!/usr/bin/env python3
"""Reads a journal, knowing nothing but docs/journal_format.md; prints its events as JSON lines.

    journal_reader.py DIRECTORY             events and gaps; damage ends it with exit code 3
    journal_reader.py DIRECTORY --segments  the segments, from their headers and ends
    journal_reader.py DIRECTORY --from N    from sequence N, found through the index where one is

It shares no code with the library, and takes the page at its word: where the two disagree, one of
them is wrong.
"""

import argparse
import base64
import ctypes
import ctypes.util
import functools
import json
import os
import re
import struct
import sys
import typing

import xxhash

BLOCK = 4096
SEGMENT_MAGIC = b"TRSEG\0\0\1"
BATCH_MAGIC = b"TRBCH\0\0\1"
SUPER_MAGIC = b"TRSUP\0\0\1"
INDEX_MAGIC = b"TRIDX\0\0\1"
CATALOGUE_MAGIC = b"TRCAT\0\0\1"
MAX_BATCH = 1 << 20
SEAL, MARKER, GAP_BEFORE, CLEAN_CLOSE, MENDED = 1, 2, 4, 8, 16
KNOWN_FLAGS = SEAL | MARKER | GAP_BEFORE | CLEAN_CLOSE | MENDED
FEATURE_MENDED, FEATURE_COMPRESSED = 1, 2
COMPAT_OLDEST = 2
SUPER_CLEAN, SUPER_COPY = 1, 2
SUPER_NAMES_FIRST = 1
NEARBY = 16 * BLOCK
FRAME = 1 << 20
TOMBSTONE, PUBLISH_TIME, EVENT_TIME, PUBLISHER_ID, KEY = 1, 2, 4, 8, 16
MASK = (1 << 64) - 1


class Damage(Exception):
    """Events [first, end) were journaled and can't be read."""

    def __init__(self, path, offset, first, end, why):
        super().__init__(f"events [{first}, {end}) can't be read: '{path}', offset {offset}: {why}")
        self.path, self.offset, self.first, self.end, self.why = path, offset, first, end, why


class Refused(Exception):
    """Not a journal that this reader may read."""


class Newer(Refused):
    """Of a version that this reader doesn't know: not to be read in part either."""


class Gap(typing.NamedTuple):
    """Events that won't come: never journaled, or lost to damage before a repair."""

    first: int
    count: int
    is_lost: bool


def words(data, offset, count=1):
    return struct.unpack_from(f"<{count}Q", data, offset)


def word(data, offset):
    return words(data, offset)[0]


def checksum(data, seed):
    return xxhash.xxh3_64_intdigest(data, seed=seed & MASK)


def decompress(data, size):
    """By the distribution's libzstd, since the standard library has none."""
    name = ctypes.util.find_library("zstd")
    if not name:
        raise Refused("a compressed segment needs libzstd, which is not installed")
    library = ctypes.CDLL(name)
    library.ZSTD_decompress.restype = ctypes.c_size_t
    library.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t] * 2
    room = ctypes.create_string_buffer(size)
    if library.ZSTD_decompress(room, size, data, len(data)) != size:
        return bytes(size)
    return room.raw


def align_up(value, alignment):
    return (value + alignment - 1) // alignment * alignment


def check_block(block, magic, path, features=0):
    """What SUPER slots and segment headers have in common."""
    if len(block) < BLOCK:
        raise Refused(f"'{path}' is cut within its header")
    if block[:8] != magic:
        raise Refused(f"'{path}' doesn't begin with {magic!r}")
    if struct.unpack_from("<H", block, 16)[0] != 1:
        raise Newer(f"'{path}' has another major format")
    if checksum(block[16:BLOCK], word(magic, 0)) != word(block, 8):
        raise Refused(f"the header of '{path}' is damaged: its checksum differs")
    if word(block, 24) & ~features:
        raise Newer(f"'{path}' uses features that are not known here: {word(block, 24):#x}")


class Super:
    """The valid slot of the larger generation."""

    def __init__(self, block):
        self.journal_id = block[48:64]
        (self.generation, self.writer_epoch, self.oldest, self.newest, self.durable, self.flags,
         self.written_ns, self.clean_end_offset) = words(block, 64, 8)
        self.first = word(block, 128) if word(block, 40) & SUPER_NAMES_FIRST else None

    @staticmethod
    def read(directory):
        try:
            with open(os.path.join(directory, "SUPER"), "rb") as file:
                data = file.read(2 * BLOCK)
        except FileNotFoundError:
            return None
        best = None
        for slot in range(2):
            block = data[slot * BLOCK:(slot + 1) * BLOCK]
            try:
                check_block(block, SUPER_MAGIC, "SUPER")
            except Refused:
                continue
            found = Super(block)
            if found.generation % 2 == slot and (not best or found.generation > best.generation):
                best = found
        return best


class Batch:
    """A batch that is sound by itself, at an offset of a segment."""

    def __init__(self, data, offset):
        (self.checksum, self.body_checksum, self.salt, self.first_sequence, self.durable,
         self.record_salt, self.first_time_ns, self.max_time_ns, self.sealed_ns,
         self.previous_checksum, self.segment_number) = words(data, 8, 11)
        self.count, self.body_size, self.flags, self.version, self.header_words = (
            struct.unpack_from("<IIHBB", data, 96))
        self.mended_blocks, self.mended_checksum = struct.unpack_from("<IQ", data, 108)
        self.offset = offset
        self.body = b""

    @property
    def slot_size(self):
        return align_up(128 + self.body_size, BLOCK)

    @property
    def extent(self):
        """From here to the next batch."""
        return self.mended_blocks * BLOCK if self.flags & MENDED else self.slot_size

    @property
    def chain(self):
        """What the next batch names as its predecessor's checksum."""
        return self.mended_checksum if self.flags & MENDED else self.checksum

    @property
    def end_sequence(self):
        return self.first_sequence + self.count


class Event:
    """One event of a body: its header's fields, extension words by name, payload."""

    def __init__(self, sequence, header, extension, record, payload):
        self.sequence = sequence
        self.record = record  # all of its bytes but the padding
        _, _, self.type, self.flags, _ = header
        self.payload = payload
        self.tombstone = bool(self.flags & TOMBSTONE)
        self.time_ns = self.event_time_ns = self.publisher = self.key = None
        rest = list(extension)

        def take(bit, count=1):
            if not self.flags & bit or len(rest) < count:
                return None
            taken, rest[:count] = rest[:count], []
            return taken if count > 1 else taken[0]

        self.time_ns = take(PUBLISH_TIME)
        self.event_time_ns = take(EVENT_TIME)
        self.publisher = take(PUBLISHER_ID, 2)
        self.key = take(KEY)

    def document(self):
        line = {"seq": self.sequence, "type": self.type, "size_bytes": len(self.payload)}
        for name in ("time_ns", "event_time_ns", "key"):
            value = getattr(self, name)
            if value is not None:
                line[name] = str(value)
        if self.tombstone:
            line["tombstone"] = True
        line["data_b64"] = base64.b64encode(self.payload).decode()
        return line


class Segment:
    """One segment file; `end` is where its successor says that it ends, if there is one."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "rb")  # pylint: disable=consider-using-with
        block = self.file.read(BLOCK)
        check_block(block, SEGMENT_MAGIC, path, FEATURE_MENDED | FEATURE_COMPRESSED)
        self.journal_id = block[48:64]
        (self.number, self.salt, self.first_sequence, self.durable, self.epoch,
         self.size) = words(block, 64, 6)
        block_size, self.alignment = struct.unpack_from("<II", block, 112)
        self.created_ns, self.floor_time_ns = words(block, 120, 2)
        (self.previous_number, self.previous_salt, self.previous_end_offset,
         self.previous_end_sequence, self.previous_checksum) = words(block, 136, 5)
        name_size = struct.unpack_from("<I", block, 176)[0]
        self.stream = block[184:184 + min(name_size, 128)].decode()
        self.checksum = word(block, 8)
        self.chain = word(block, 320) if word(block, 24) & FEATURE_MENDED else self.checksum
        self.oldest = word(block, 312) if word(block, 40) & COMPAT_OLDEST else 0
        if self.oldest > self.number:
            raise Refused(f"the header of '{path}' contradicts itself")
        if block_size != BLOCK or self.alignment not in (16, 64) or self.size % BLOCK != 0:
            raise Refused(f"the header of '{path}' contradicts itself")
        self.frames = None
        stored_size = self.size
        if word(block, 24) & FEATURE_COMPRESSED:
            stored_size, self.content_end, count, table_offset, table_checksum = words(
                block, 328, 5)
            self.file.seek(table_offset)
            table = self.file.read(24 * count)
            if checksum(table, self.salt) != table_checksum:
                raise Refused(f"the table of frames of '{path}' is damaged")
            self.frames = [words(table, 24 * nth, 3) for nth in range(count)]
        if os.fstat(self.file.fileno()).st_size < stored_size:
            raise Refused(f"'{path}' is shorter than its header says")
        self.end = None

    def read(self, offset, size):
        """Bytes of the segment; of a compressed one, as they were before."""
        if self.frames is None:
            self.file.seek(offset)
            return self.file.read(size)
        data = b""
        while len(data) < size and offset + len(data) < self.size:
            nth, begin = divmod(offset + len(data) - BLOCK, FRAME)
            if nth >= len(self.frames):
                return data + bytes(size - len(data))
            data += self.frame(nth)[begin:begin + size - len(data)]
            if begin >= len(self.frame(nth)):
                return data + bytes(size - len(data))
        return data

    @functools.lru_cache(maxsize=4)  # pylint: disable=method-cache-max-size-none
    def frame(self, nth):
        offset, size, expected = self.frames[nth]
        begin = BLOCK + nth * FRAME
        self.file.seek(offset)
        stored = self.file.read(size)
        whole = min(FRAME, self.content_end - begin)
        if checksum(stored, self.salt ^ begin) != expected:
            return bytes(whole)  # no batch stands in zeroes
        return decompress(stored, whole)

    def header_at(self, offset):
        """(batch, why not): the batch header that stands there, its body not looked at."""
        block = self.read(offset, 128)
        if len(block) < 128 or block[:8] != BATCH_MAGIC:
            return None, "no batch begins here"
        batch = Batch(block, offset)
        if batch.salt != self.salt or batch.segment_number != self.number:
            return None, "a batch of another segment"
        if checksum(block[16:128], self.salt ^ offset) != batch.checksum:
            return None, "the header's checksum differs"
        if batch.version != 1 or batch.header_words != 16 or batch.flags & ~KNOWN_FLAGS:
            raise Newer(f"'{self.path}' holds a batch of a newer format at {offset}")
        why = self.contradiction(batch)
        if why is None and offset + batch.extent > self.size:
            why = "it runs over the end"
        return (batch, None) if why is None else (None, why)

    def contradiction(self, batch):
        """Why a header whose checksum holds can't be one ("The batch")."""
        is_bare = bool(batch.flags & (SEAL | MARKER))
        if batch.slot_size > MAX_BATCH or batch.body_size % self.alignment != 0:
            return "its size is none"
        if is_bare != (batch.count == 0) or is_bare != (batch.body_size == 0):
            return "the header contradicts itself"
        if batch.count * self.alignment > batch.body_size or batch.end_sequence > MASK:
            return "more events than there is room for"
        if batch.flags & CLEAN_CLOSE and not batch.flags & SEAL:
            return "a clean close without a seal"
        if batch.flags & MENDED and not (batch.flags & MARKER and batch.mended_blocks):
            return "mended, and no marker"
        if batch.durable > batch.first_sequence:
            return "it promises what comes later"
        if batch.first_time_ns > batch.max_time_ns:
            return "its times go back"
        return None

    def batch_at(self, offset):
        """The same, wholly checked, with its body."""
        batch, why = self.header_at(offset)
        if batch is None:
            return None, why
        batch.body = self.read(offset + 128, batch.body_size)
        if checksum(batch.body, self.salt ^ offset) != batch.body_checksum:
            return None, "the body's checksum differs"
        try:
            batch.events = list(self.events_of(batch))
        except ValueError as problem:
            return None, str(problem)
        return batch, None

    def events_of(self, batch):
        at = 0
        for sequence in range(batch.first_sequence, batch.end_sequence):
            if at + 16 > len(batch.body):
                raise ValueError("the events are more than the body")
            header = struct.unpack_from("<QIHBB", batch.body, at)
            stamp, payload_size, _, _, extension_words = header
            payload_at = at + 16 + 8 * extension_words
            end = at + align_up(16 + 8 * extension_words + payload_size, self.alignment)
            if stamp != sequence ^ batch.record_salt or end > len(batch.body):
                raise ValueError(f"event {sequence} has a wrong stamp or size")
            yield Event(sequence, header, words(batch.body, at + 16, extension_words),
                        batch.body[at:payload_at + payload_size],
                        batch.body[payload_at:payload_at + payload_size])
            at = end
        if at != len(batch.body):
            raise ValueError("the body is more than the events")

    def promise_behind(self, offset):
        """The largest durable sequence that a sound header in any block from `offset` promises."""
        promise = 0
        for at in range(offset, self.size, BLOCK):
            batch, _ = self.header_at(at)
            if batch:
                promise = max(promise, batch.durable)
        return promise

    def next_sound(self, position, end):
        """The first batch behind the position and before `end` that may be part of the log."""
        for at in range(position.offset + BLOCK, min(end, self.size), BLOCK):
            batch, _ = self.header_at(at)
            if batch is None or batch.first_time_ns < position.max_time_ns:
                continue
            states_gap = 1 if batch.flags & GAP_BEFORE else 0
            if batch.first_sequence < position.sequence + states_gap or at + batch.extent > end:
                continue
            batch, _ = self.batch_at(at)
            if batch:
                return batch
        return None

    def index(self):
        """The entries of its index, if there is one that counts: (first, floor time, offset)."""
        path = self.path.removesuffix(".seg") + ".idx"
        try:
            with open(path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return None
        if len(data) < 64 or data[:8] != INDEX_MAGIC:
            return None
        number, salt, count = words(data, 16, 3)
        if (number, salt, len(data)) != (self.number, self.salt, 64 + 24 * count):
            return None
        if checksum(data[16:], self.salt) != word(data, 8):
            return None
        return [words(data, 64 + 24 * nth, 3) for nth in range(count)]


class CatalogueEntry:
    """What the catalogue says of one segment."""

    def __init__(self, data, journal_id):
        self.journal_id = journal_id
        (self.salt, self.first_sequence, self.end_sequence, self.floor_time_ns, self.max_time_ns,
         self.end_offset, self.size) = words(data, 8, 7)


def catalogue(directory):
    """Segment number -> CatalogueEntry, of those that count. Not needed to read a journal."""
    try:
        with open(os.path.join(directory, "CATALOGUE"), "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return {}
    if len(data) < 64 or data[:8] != CATALOGUE_MAGIC:
        return {}
    if checksum(data[16:64], word(data, 0)) != word(data, 8):
        return {}
    first_number = word(data, 32)
    entries = {}
    for number, at in enumerate(range(64, len(data) - 63, 64), first_number):
        if checksum(data[at + 8:at + 64], word(data, 16) ^ number) == word(data, at):
            entries[number] = CatalogueEntry(data[at:at + 64], data[16:32])
    return entries


class Position:
    """Where a walk stands, and what may follow there."""

    def __init__(self, segment):
        self.offset = BLOCK
        self.sequence = segment.first_sequence
        self.checksum = segment.chain
        self.max_time_ns = segment.floor_time_ns
        self.sealed = False
        self.follows_loss = segment.previous_number != 0 and segment.previous_checksum == 0

    def fits(self, batch):
        if self.sealed or batch.previous_checksum != self.checksum:
            return False
        if batch.first_sequence < self.sequence or batch.first_time_ns < self.max_time_ns:
            return False
        return (batch.first_sequence > self.sequence) == bool(batch.flags & GAP_BEFORE)

    def advance(self, batch):
        self.offset += batch.extent
        self.sequence = batch.end_sequence
        self.checksum = batch.chain
        self.max_time_ns = batch.max_time_ns
        self.sealed = bool(batch.flags & SEAL)
        self.follows_loss = bool(batch.flags & MENDED) and not batch.flags & GAP_BEFORE

    def stand_on(self, batch):
        """On a batch behind others that can't be read."""
        self.offset = batch.offset
        self.sequence = batch.first_sequence - (1 if batch.flags & GAP_BEFORE else 0)
        self.checksum = batch.previous_checksum


class Journal:
    """The segments of a directory, joined as their headers say and held against SUPER."""

    def __init__(self, directory):
        names = sorted(name for name in os.listdir(directory)
                       if re.fullmatch(r"[0-9a-f]{16}\.seg", name))
        self.directory = directory
        self.super = Super.read(directory)
        self.oldest = self.oldest_of(directory, names)
        numbers = [int(name[:16], 16) for name in names if int(name[:16], 16) >= self.oldest]
        if self.super and self.super.newest:
            numbers.append(self.super.newest)
        if not numbers:
            raise Refused(f"there is no journal in '{directory}'")
        self.oldest = self.oldest or min(numbers)
        self.newest = max(numbers)
        self.numbers = sorted({self.oldest, *numbers})
        self.lost = {}  # number -> why
        self.segments = []
        for number in self.numbers:
            path = self.path_of(number)
            try:
                segment = Segment(path)
            except FileNotFoundError:
                continue
            except Newer:
                raise
            except (Refused, struct.error) as why:
                self.lost[number] = str(why)
                continue
            if segment.number != number or (
                    self.super and segment.journal_id != self.super.journal_id):
                self.lost[number] = "it is another segment, or of another journal"
                continue
            self.segments.append(segment)
        for before, segment in zip(self.segments, self.segments[1:]):
            if segment.number != before.number + 1:
                continue
            if (segment.previous_salt, segment.journal_id) != (before.salt, before.journal_id):
                raise Refused(f"'{segment.path}' doesn't follow '{before.path}'")
            before.end = segment.previous_end_offset

    def path_of(self, number):
        return os.path.join(self.directory, f"{number:016x}.seg")

    def oldest_of(self, directory, names):
        """Where the journal begins ("Where a journal begins")."""
        oldest = self.super.oldest if self.super else 0
        if self.super and self.super.flags & SUPER_COPY:
            return oldest
        for name in reversed(names):
            if self.super and int(name[:16], 16) <= self.super.newest:
                break
            try:
                newest = Segment(os.path.join(directory, name))
            except Refused:
                continue
            is_ours = not self.super or newest.journal_id == self.super.journal_id
            if newest.number == int(name[:16], 16) and is_ours:
                return max(oldest, newest.oldest)
        return oldest

    def first_sequence(self):
        """With which the journal begins, whether its oldest segment is there or not."""
        if self.segments and self.segments[0].number == self.oldest:
            return self.segments[0].first_sequence
        if self.super and self.super.first is not None and self.super.oldest == self.oldest:
            return self.super.first
        entry = catalogue(self.directory).get(self.oldest)
        if entry and (not self.super or entry.journal_id == self.super.journal_id):
            return entry.first_sequence
        return self.segments[0].first_sequence if self.segments else 0

    def tell_lost(self, number, sequence):
        """Raises Damage: the segments from that number on, up to the next that is there."""
        after = next((one for one in self.segments if one.number > number), None)
        end = after.first_sequence if after else (self.super.durable if self.super else 0)
        raise Damage(self.path_of(number), 0, sequence, max(sequence, end),
                     self.lost.get(number, "it is missing"))

    def batches(self, segment, position=None):
        """The batches of one segment up to its end, each with what the gap before it would be.
        Raises Damage."""
        position = position or Position(segment)
        follower = next((one for one in self.segments if one.number == segment.number + 1), None)
        while segment.end is None or position.offset < segment.end:
            batch, why = (None, "a seal stands before") if position.sealed else (
                segment.batch_at(position.offset))
            is_inside = batch and (segment.end is None
                                   or position.offset + batch.extent <= segment.end)
            if not is_inside or not position.fits(batch):
                why = why or "it doesn't continue the one before"
                if self.goes_on(segment, follower, position, why):
                    continue
                return
            batch.is_loss = position.follows_loss or bool(batch.flags & MENDED)
            yield batch
            position.advance(batch)
        if follower and position.sequence != follower.first_sequence:
            raise Damage(segment.path, position.offset, position.sequence, follower.first_sequence,
                         "its successor says that it ends elsewhere")

    def goes_on(self, segment, follower, position, why):
        """Nothing valid stands where a batch could: damage, the end, or only batches without
        events are damaged, and the position moves behind them."""
        if follower and position.sequence == follower.first_sequence:
            return False
        if follower:
            end, known = segment.end, follower.first_sequence
        else:
            if position.sealed:
                return False
            known = max(segment.promise_behind(position.offset), segment.durable)
            is_newest = segment.number == self.newest
            if is_newest and self.super:
                known = max(known, self.super.durable)
            if known <= position.sequence:
                return False
            end = min(position.offset + BLOCK + NEARBY, segment.size)
        after = segment.next_sound(position, end)
        if after and after.first_sequence == position.sequence and not after.flags & GAP_BEFORE:
            position.stand_on(after)
            return True
        if follower and after:
            known = after.first_sequence
        raise Damage(segment.path, position.offset, position.sequence, known, why)

    def items(self, start=None):
        """Events, and gaps, in order. Raises Damage."""
        expected = self.first_sequence() if start is None else start
        begin = self.oldest
        if start is not None:
            begin = max([one.number for one in self.segments if one.first_sequence <= start],
                        default=self.oldest)
        there = {one.number: one for one in self.segments}
        following = begin
        for number in (one for one in self.numbers if one >= begin):
            if number != following or number not in there:
                self.tell_lost(following, expected)
            following = number + 1
            segment = there[number]
            position = None
            if start is not None and number == begin:
                position = self.position_near(segment, start)
            for batch in self.batches(segment, position):
                if batch.first_sequence > expected:
                    yield Gap(expected, batch.first_sequence - expected, batch.is_loss)
                    expected = batch.first_sequence
                for event in batch.events:
                    if event.sequence >= expected:
                        yield event
                        expected = event.sequence + 1

    @staticmethod
    def position_near(segment, sequence):
        """A position from the index: its last entry that isn't above the sequence."""
        position = Position(segment)
        entries = [entry for entry in segment.index() or [] if entry[0] <= sequence]
        if not entries:
            return position
        first, floor_time_ns, offset = entries[-1]
        batch, _ = segment.header_at(offset)
        if batch and batch.first_sequence == first:
            position.stand_on(batch)
            position.max_time_ns = min(floor_time_ns, batch.first_time_ns)
            position.follows_loss = False
        return position


def main():
    parser = argparse.ArgumentParser(description="An independent reader of journals")
    parser.add_argument("directory")
    parser.add_argument("--segments", action="store_true")
    parser.add_argument("--from", dest="start", type=int)
    arguments = parser.parse_args()
    try:
        journal = Journal(arguments.directory)
        if arguments.segments:
            for segment in journal.segments:
                print(json.dumps({"segment": segment.number, "first_seq": segment.first_sequence,
                                  "end_offset": segment.end, "stream": segment.stream}))
            return 0
        for item in journal.items(arguments.start):
            line = item.document() if isinstance(item, Event) else {
                "gap_first_seq": item.first, "gap_events": item.count,
                "gap_kind": "lost" if item.is_lost else "never_journaled"}
            print(json.dumps(line))
    except (Damage, Refused) as problem:
        print(f"journal_reader.py: {problem}", file=sys.stderr)
        return 3 if isinstance(problem, Damage) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

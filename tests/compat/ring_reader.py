#!/usr/bin/env python3
"""Reads the ring of a stream, knowing nothing but docs/ring_layout.md: the tables of that page are
parsed, and are all that says where a field lies.

    ring_reader.py STREAM_DIRECTORY     its events as JSON lines

It shares no code with the library. What reads beside publishers that are at work would have to
check its copies; this one is for streams at rest.
"""

import json
import pathlib
import re
import struct
import sys

import xxhash

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "ring_layout.md"
MASK = (1 << 64) - 1
NUMBERS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}
UNIT = 16  # of the tail word


class Field:
    def __init__(self, offset, size, name, kind):
        self.offset, self.size, self.name, self.kind = offset, size, name, kind


class Structure:
    def __init__(self, name, size):
        self.name, self.size, self.fields = name, size, []


class Document:
    """The tables of the page: structures by name, and the rows of the other tables by section."""

    def __init__(self, text):
        self.structures, self.sections = {}, {}
        section = structure = None
        for line in text.splitlines():
            heading = re.match(r"#+ (.*)", line)
            if heading:
                section = self.sections.setdefault(heading.group(1), [])
                structure = None
                sized = re.match(r"(\w+) \((\d+) bytes", heading.group(1))
                if sized:
                    structure = Structure(sized.group(1), int(sized.group(2)))
                    self.structures[structure.name] = structure
            elif line.startswith("|") and section is not None:
                cells = [cell.strip() for cell in line.strip("|").split("|")]
                section.append(cells)
                if structure is not None and re.fullmatch(r"\d+", cells[0]):
                    structure.fields += self.fields_of(cells)
        event = self.structures["EventHeader"] = Structure("EventHeader", 16)
        event.fields = [field for cells in self.sections["The event"]
                        if re.fullmatch(r"\d+", cells[0]) and re.fullmatch(r"\d+", cells[1])
                        for field in self.fields_of(cells)]

    @staticmethod
    def fields_of(cells):
        """One row may name several fields of one size: `boot_id_high`, `_low`."""
        offset, size, kind = int(cells[0]), int(cells[1]), cells[3]
        names = re.findall(r"`(\w+)`", cells[2])
        assert names and size % len(names) == 0, cells
        each = size // len(names)
        if len(names) > 1:
            kind = kind.removeprefix(f"{len(names)} × ")
        for nth, name in enumerate(names):
            if name.startswith("_"):
                name = names[0][:names[0].rindex("_")] + name
            yield Field(offset + nth * each, each, name, kind)

    def number(self, section, field):
        """The value that a table of constants gives a field, such as its own version."""
        for cells in self.sections[section]:
            if cells[2:3] == [f"`{field}`"]:
                return int(cells[4])
        raise KeyError(field)


class View:
    """One structure in some bytes; fields are attributes."""

    def __init__(self, document, name, data, offset):
        self._document, self._data, self._offset = document, data, offset
        self._fields = {field.name: field for field in document.structures[name].fields}

    def __getattr__(self, name):
        field = self._fields[name]
        start = self._offset + field.offset
        raw = bytes(self._data[start:start + field.size])
        if field.kind in NUMBERS:
            return int.from_bytes(raw, "little")
        if field.kind == "bytes":
            return raw
        if field.kind == "text":
            return raw.split(b"\0")[0].decode()
        many = re.fullmatch(r"(\d+) × (u\d+)", field.kind)
        if many:
            size = NUMBERS[many.group(2)]
            return [int.from_bytes(raw[at:at + size], "little")
                    for at in range(0, field.size, size)]
        pairs = re.fullmatch(r"(\d+) × \{u64 `\w+`, u64 `\w+`\}", field.kind)
        if pairs:
            return list(struct.iter_unpack("<QQ", raw))
        return View(self._document, field.kind, self._data, start)


class Broken(Exception):
    """The ring isn't what the page says."""


class Event:
    def __init__(self, sequence, header, extensions, payload, flags):
        self.sequence, self.type, self.payload = sequence, header.type, payload
        self.is_tombstone = bool(header.flags & flags["kTombstone"][0])
        self.continues_batch = bool(header.flags & flags["kBatchContinues"][0])
        words = iter(extensions)
        self.words = {name: [next(words) for _ in range(count)]
                      for name, (bit, count) in flags.items() if count and header.flags & bit}


class Ring:
    def __init__(self, directory, document=None):
        self.document = document or Document(DOCUMENT.read_text(encoding="utf-8"))
        directory = pathlib.Path(directory)
        self.control = (directory / "control").read_bytes()
        self.events_bytes = (directory / "events").read_bytes()
        self.header = self.view("StreamHeader", 0)
        self.check_header()
        rows = [cells for cells in self.document.sections["Files and names"]
                if cells[0] == "4096" and "`StreamState`" in cells[2]]
        if not rows:
            raise Broken("the page doesn't say where StreamState lies")
        self.state = self.view("StreamState", int(rows[0][0]))
        self.flags = {cells[1].strip("`"): (1 << int(cells[0]), int(cells[2]))
                      for cells in self.document.sections["The event"]
                      if len(cells) == 4 and re.fullmatch(r"\d", cells[0])}

    def view(self, name, offset):
        return View(self.document, name, self.control, offset)

    def check_header(self):
        header, document = self.header, self.document
        title = next(one for one in document.sections if one.startswith("StreamHeader"))
        magic = next(cells[4] for cells in document.sections[title] if cells[2] == "`magic`")
        if header.magic != bytes.fromhex(magic.strip("`")):
            raise Broken("magic")
        for field in ("layout_major", "layout_minor", "header_size_bytes"):
            if getattr(header, field) != document.number(title, field):
                raise Broken(f"{field}: {getattr(header, field)}")
        covered = next(cells[4] for cells in document.sections[title]
                       if cells[2] == "`header_checksum`")
        first, end = re.search(r"\[(\d+), (\d+)\)", covered).groups()
        if header.header_checksum != xxhash.xxh3_64_intdigest(self.control[int(first):int(end)]):
            raise Broken("the header's checksum")

    def part(self, table):
        """Where a table of slots begins: from the table of parts, a sum of products."""
        for offset, size, content in (cells[:3] for cells in
                                      self.document.sections["Files and names"]):
            if content == f"`{table}` table":
                each, slots = size.split(" × ")
                return self.product(offset), int(each), getattr(self.header, slots)
        raise Broken(f"the page has no part {table}")

    def product(self, text):
        total = 0
        for term in text.split(" + "):
            value = 1
            for factor in term.split(" × "):
                value *= int(factor) if factor.isdigit() else getattr(self.header, factor)
            total += value
        return total

    def slots(self, table):
        start, each, count = self.part(table)
        return [self.view(table, start + nth * each) for nth in range(count)]

    # --- places

    def decode(self, word):
        """A packed place; the formulas of 'The tail word'."""
        reference_units = self.state.write_limit // UNIT
        reference_sequence = self.state.reference_sequence

        def signed(value):
            value &= 0xFFFFFFFF
            return value - (1 << 32) if value >> 31 else value

        units = reference_units + signed((word & 0xFFFFFFFF) - reference_units)
        sequence = reference_sequence + signed((((word - units) & MASK) >> 32) - reference_sequence)
        return sequence, units * UNIT

    def tail(self):
        return self.decode(self.state.tail)

    def oldest(self):
        """Where a reader may start: the beginning, or the oldest checkpoint that is believed."""
        limit, capacity = self.state.write_limit, self.header.capacity_bytes
        places = [(self.header.first_sequence, 0), self.tail()]
        for word in self.state.checkpoints:
            sequence, position = self.decode(word)
            if word and self.is_committed(sequence, position):
                places.append((sequence, position))
        return min(place for place in places
                   if place[1] + capacity >= limit and place[1] <= self.tail()[1])

    # --- events

    def header_at(self, position):
        return View(self.document, "EventHeader", self.events_bytes,
                    position % self.header.capacity_bytes)

    def is_committed(self, sequence, position):
        return 0 <= sequence and self.header_at(position).stamp == sequence ^ self.header.salt

    def bytes_at(self, position, size):
        at = position % self.header.capacity_bytes
        first = self.events_bytes[at:at + size]
        return first + self.events_bytes[:size - len(first)]

    def events(self):
        sequence, position = self.oldest()
        end = self.tail()
        while (sequence, position) != end:
            if position > end[1] or not self.is_committed(sequence, position):
                raise Broken(f"no event {sequence} at position {position}")
            header = self.header_at(position)
            extension_bytes = 8 * header.extension_words
            body = self.bytes_at(position + 16, extension_bytes + header.payload_size_bytes)
            extensions = struct.unpack_from(f"<{header.extension_words}Q", body)
            yield Event(sequence, header, extensions, body[extension_bytes:], self.flags)
            sequence += 1
            size = 16 + len(body)
            position += size + -size % self.header.alignment_bytes


def main():
    for event in Ring(sys.argv[1]).events():
        print(json.dumps({"seq": event.sequence, "type": event.type,
                          "tombstone": event.is_tombstone, "words": event.words,
                          "payload": event.payload.hex()}))


if __name__ == "__main__":
    main()

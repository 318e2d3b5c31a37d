"""Reads Parquet files, by the specification of the format alone: an independent look at what
links/parquet writes. Knows what that may write, and refuses everything else by an assertion.

    read(path) -> Table(columns, rows, notes, groups)
"""

import ctypes
import ctypes.util
import dataclasses
import struct

BOOLEAN, INT32, INT64, INT96, FLOAT, DOUBLE, BYTE_ARRAY, FIXED = range(8)
PLAIN, RUN_LENGTH, DELTA_BINARY_PACKED, RLE_DICTIONARY = 0, 3, 5, 8
DATA_PAGE, DICTIONARY_PAGE = 0, 2
UNCOMPRESSED, ZSTD = 0, 6
REQUIRED, OPTIONAL, REPEATED = range(3)


class Bytes:
    """A place in some bytes, moving on."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, count):
        assert self.at + count <= len(self.data), "it ends too early"
        self.at += count
        return self.data[self.at - count:self.at]

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def zigzag(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)


# --- thrift's compact protocol: a structure is a dictionary by field numbers


def thrift_value(source, kind):
    if kind in (1, 2):
        return kind == 1
    if kind == 3:
        return struct.unpack("<b", source.take(1))[0]
    if kind in (4, 5, 6):
        return source.zigzag()
    if kind == 8:
        return source.take(source.varint())
    if kind == 9:
        head = source.byte()
        count = head >> 4
        if count == 15:
            count = source.varint()
        return [thrift_value(source, head & 15) for _ in range(count)]
    assert kind == 12, f"thrift has no type {kind} here"
    return thrift_struct(source)


def thrift_struct(source):
    fields, last = {}, 0
    while True:
        head = source.byte()
        if head == 0:
            return fields
        last = last + (head >> 4) if head >> 4 else source.zigzag()
        assert last not in fields
        fields[last] = thrift_value(source, head & 15)


# --- values


def unpack_bits(data, width, count):
    number = int.from_bytes(data, "little")
    mask = (1 << width) - 1
    return [(number >> (at * width)) & mask for at in range(count)]


def hybrid(source, width, count):
    """Runs and bit-packed groups."""
    values = []
    while len(values) < count:
        head = source.varint()
        if head & 1:
            groups = head >> 1
            values += unpack_bits(source.take(groups * width), width, groups * 8)
        else:
            value = int.from_bytes(source.take((width + 7) // 8), "little")
            values += [value] * (head >> 1)
    return values[:count]


def differences(source, physical):
    bits = 32 if physical == INT32 else 64
    block, minis, total = source.varint(), source.varint(), source.varint()
    value = source.zigzag()
    assert block % 128 == 0 and block // minis % 32 == 0
    values = [value] if total else []
    while len(values) < total:
        least = source.zigzag()
        widths = source.take(minis)
        for width in widths:
            if len(values) == total:
                break
            assert width <= bits
            for delta in unpack_bits(source.take(block // minis * width // 8), width,
                                     block // minis):
                if len(values) < total:
                    value = (value + least + delta) % (1 << bits)
                    value -= (value >> (bits - 1)) << bits
                    values.append(value)
    return values


def plain(source, physical, count, width=0):
    if physical == BOOLEAN:
        return [bool(bit) for bit in unpack_bits(source.take((count + 7) // 8), 1, count)]
    if physical in (INT32, INT64, FLOAT, DOUBLE):
        letter = {INT32: "i", INT64: "q", FLOAT: "f", DOUBLE: "d"}[physical]
        size = struct.calcsize(letter)
        return list(struct.unpack(f"<{count}{letter}", source.take(count * size)))
    if physical == FIXED:
        return [source.take(width) for _ in range(count)]
    assert physical == BYTE_ARRAY
    return [source.take(struct.unpack("<I", source.take(4))[0]) for _ in range(count)]


def zstd_library():
    name = ctypes.util.find_library("zstd")
    if not name:
        return None
    library = ctypes.CDLL(name)
    library.ZSTD_decompress.restype = ctypes.c_size_t
    library.ZSTD_decompress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p,
                                        ctypes.c_size_t]
    return library


LIBRARY = zstd_library()


def decompress(data, size, codec):
    if codec == UNCOMPRESSED:
        assert len(data) == size
        return data
    assert codec == ZSTD
    into = ctypes.create_string_buffer(max(size, 1))
    assert LIBRARY.ZSTD_decompress(into, size, bytes(data), len(data)) == size
    return into.raw[:size]


# --- columns


@dataclasses.dataclass
class Column:
    name: str
    physical: int
    path: list
    is_optional: bool
    is_list: bool
    width: int       # of FIXED
    converted: object
    logical: dict

    @property
    def most_defined(self):
        return int(self.is_optional) + int(self.is_list)

    def meant(self, value):
        """What a plain value stands for."""
        kind = next(iter(self.logical), None) if self.logical else None
        if kind == 10 and not self.logical[10][2] and isinstance(value, int):
            value %= 1 << (32 if self.physical == INT32 else 64)
        if kind == 1:
            return value.decode("utf-8")
        return value

    @property
    def is_nanoseconds(self):
        return bool(self.logical) and 8 in self.logical and 3 in self.logical[8][2]


def columns_of(elements):
    root, *rest = elements
    columns, at = [], 0
    while at < len(rest):
        element = rest[at]
        name, is_optional = element[4].decode(), element[3] == OPTIONAL
        is_list = 5 in element
        path = [name]
        if is_list:
            assert element[5] == 1 and 3 in element[10] and rest[at + 1][3] == REPEATED
            assert rest[at + 2][3] == REQUIRED
            path += [rest[at + 1][4].decode(), rest[at + 2][4].decode()]
            at += 2
        leaf = rest[at]
        columns.append(Column(name, leaf[1], path, is_optional, is_list, leaf.get(2, 0),
                              leaf.get(6), leaf.get(10)))
        at += 1
    assert root[5] == len(columns)
    return columns


def levels(page, most, count):
    width = most.bit_length()
    if width == 0:
        return [0] * count
    size = struct.unpack("<I", page.take(4))[0]
    return hybrid(Bytes(page.take(size)), width, count)


def read_chunk(data, column, meta, rows):
    """The values of a column, one for each row."""
    begin = meta.get(11, meta[9])
    source = Bytes(data[:begin + meta[7]], begin)
    dictionary, values, seen = None, [], set()
    current = None  # a list that is being filled
    leaves = plain_bytes = 0
    while source.at < begin + meta[7]:
        head_at = source.at
        page_head = thrift_struct(source)
        plain_bytes += source.at - head_at + page_head[2]
        page = Bytes(decompress(source.take(page_head[3]), page_head[2], meta[4]))
        if page_head[1] == DICTIONARY_PAGE:
            assert dictionary is None and head_at == meta[11]
            assert page_head[7][2] == PLAIN
            dictionary = plain(page, column.physical, page_head[7][1], column.width)
            seen.add(PLAIN)
            continue
        assert page_head[1] == DATA_PAGE
        assert leaves or head_at == meta[9]
        count, encoding = page_head[5][1], page_head[5][2]
        seen.add(encoding)
        repeated = levels(page, int(column.is_list), count)
        defined = levels(page, column.most_defined, count)
        there = sum(level == column.most_defined for level in defined)
        if encoding == RLE_DICTIONARY:
            places = hybrid(page, page.byte(), there)
            stored = [dictionary[place] for place in places]
        elif encoding == DELTA_BINARY_PACKED:
            stored = differences(page, column.physical)
            assert len(stored) == there
        else:
            assert encoding == PLAIN
            stored = plain(page, column.physical, there, column.width)
        assert page.at == len(page.data), "a page has more than it says"
        leaves += count
        stored = iter(stored)
        for again, level in zip(repeated, defined):
            value = column.meant(next(stored)) if level == column.most_defined else None
            if not column.is_list:
                values.append(value)
            elif again:
                current.append(value)
            else:
                current = [value] if level else None
                values.append(current)
    assert plain_bytes == meta[6] and leaves == meta[5] and len(values) == rows
    assert seen <= set(meta[2]), (seen, meta[2])
    return values


def check_range(column, statistics, values):
    """What is stated of least and greatest values holds, and is exact."""
    flat = [one for value in values if value is not None
            for one in (value if column.is_list else [value])]
    assert statistics[3] == sum(value is None for value in values)
    flat = [one for one in flat if one == one]  # no NaN
    if 5 not in statistics:
        is_long = any(isinstance(one, (str, bytes)) for one in flat)
        assert not flat or is_long, column.name
        return
    least, greatest = (
        column.meant(statistics[field] if column.physical == BYTE_ARRAY else
                     plain(Bytes(statistics[field]), column.physical, 1)[0])
        for field in (6, 5))
    if isinstance(least, str):
        flat = [one.encode() for one in flat]
        least, greatest = least.encode(), greatest.encode()
    assert (least, greatest) == (min(flat), max(flat)), (column.name, least, greatest)


@dataclasses.dataclass
class Table:
    columns: list
    rows: list     # dictionaries
    notes: dict
    groups: list   # rows of each

    def names(self):
        return [column.name for column in self.columns]


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    assert data[:4] == b"PAR1" and data[-4:] == b"PAR1", f"{path} is no Parquet"
    size = struct.unpack("<I", data[-8:-4])[0]
    footer_source = Bytes(data[:-8], len(data) - 8 - size)
    footer = thrift_struct(footer_source)
    assert footer_source.at == len(data) - 8
    columns = columns_of(footer[2])
    assert len(footer[7]) == len(columns) and all(1 in order for order in footer[7])
    rows, groups, next_byte = [], [], 4
    for group in footer[4]:
        table = {}
        assert group[5] == next_byte
        for column, chunk in zip(columns, group[1], strict=True):
            meta = chunk[3]
            assert meta[1] == column.physical
            assert [part.decode() for part in meta[3]] == column.path
            assert meta.get(11, meta[9]) == next_byte
            next_byte += meta[7]
            table[column.name] = read_chunk(data, column, meta, group[3])
            check_range(column, meta[12], table[column.name])
        assert group[6] == sum(chunk[3][7] for chunk in group[1])
        assert group[2] == sum(chunk[3][6] for chunk in group[1])
        groups.append(group[3])
        names = list(table)
        rows += [dict(zip(names, row)) for row in zip(*table.values())]
    assert next_byte == len(data) - 8 - size and len(rows) == footer[3]
    notes = {note[1].decode(): note[2].decode() for note in footer.get(5, [])}
    return Table(columns, rows, notes, groups)

"""Reads HdrHistogram's files, written from their description and from nothing of ours.

A histogram: values below 2^(digits' bits) stand for themselves; then each bucket is twice as wide.
Its encoding, version 2, big-endian: cookie, length, offset, digits, lowest, highest, ratio, then
counts as ZigZag numbers of seven bits a byte (the ninth has eight), where -n is a run of n zeroes.
"""

import base64
import math
import re
import struct
import zlib

ENCODING, COMPRESSED = 0x1C849303, 0x1C849304


def zigzags(data):
    numbers, at = [], 0
    while at < len(data):
        number = 0
        for nth in range(9):
            byte = data[at]
            at += 1
            if nth == 8:
                number |= byte << 56
                break
            number |= (byte & 0x7F) << (7 * nth)
            if byte < 0x80:
                break
        numbers.append((number >> 1) ^ -(number & 1))
    return numbers


class Histogram:
    """counts: value (the lowest of its place) -> how often."""

    def __init__(self, encoded):
        data = base64.b64decode(encoded, validate=True)
        cookie, length = struct.unpack(">II", data[:8])
        assert cookie & ~0xF0 == COMPRESSED, hex(cookie)
        assert length == len(data) - 8, (length, len(data))
        inflater = zlib.decompressobj()
        plain = inflater.decompress(data[8:])
        assert inflater.eof and not inflater.unused_data
        (cookie, length, offset, self.digits, self.lowest, self.highest,
         ratio) = struct.unpack(">IIIIQQd", plain[:40])
        assert (cookie & ~0xF0, offset, ratio) == (ENCODING, 0, 1.0)
        assert length == len(plain) - 40
        self.half_bits = math.ceil(math.log2(2 * 10 ** self.digits)) - 1
        self.counts, place = {}, 0
        for number in zigzags(plain[40:]):
            if number < 0:
                place -= number
            else:
                if number:
                    self.counts[self.value_of(place)] = number
                place += 1

    def value_of(self, place):
        bucket = (place >> self.half_bits) - 1
        inner = (place & ((1 << self.half_bits) - 1)) + (1 << self.half_bits)
        if bucket < 0:
            return place
        return inner << bucket

    def lowest_equivalent(self, value):
        bucket = max(0, value.bit_length() - self.half_bits - 1)
        return value >> bucket << bucket

    def highest_equivalent(self, value):
        bucket = max(0, value.bit_length() - self.half_bits - 1)
        return (((value >> bucket) + 1) << bucket) - 1


def read_hlog(text):
    """(start of the log in seconds, [(tag, begin_s, length_s, max_ms, Histogram)])"""
    lines = text.splitlines()
    assert lines[0] == "#[Histogram log format version 1.3]", lines[0]
    start = float(re.match(r"#\[StartTime: (\d+\.\d{3}) \(seconds since epoch\), .+\]$",
                           lines[1]).group(1))
    base = float(re.match(r"#\[BaseTime: (\d+\.\d{3}) \(seconds since epoch\)\]$",
                          lines[2]).group(1))
    assert base == start
    assert lines[3] == ('"StartTimestamp","Interval_Length","Interval_Max",'
                        '"Interval_Compressed_Histogram"')
    found = []
    for line in lines[4:]:
        tag, begin, length, most, encoded = line.split(",")
        assert tag.startswith("Tag=")
        found.append((tag[4:], float(begin), float(length), float(most), Histogram(encoded)))
    return start, found


def read_hgrm(text):
    """([(value, share, count)], {"Mean": …, "Max": …, "Total count": …, …})"""
    lines = text.splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert lines[1] == ""
    rows, footer = [], {}
    for line in lines[2:]:
        if line.startswith("#["):
            for name, number in re.findall(r"([A-Z][\w ]+?)\s*=\s*([\d.]+)", line):
                footer[name] = float(number)
            continue
        words = line.split()
        share = float(words[1])
        if len(words) == 4:
            want = 1 / (1 - share)
            assert abs(float(words[3]) - want) <= 0.006 + want * 1e-3, line
        else:
            assert share == 1, line
        rows.append((float(words[0]), share, int(words[2])))
    return rows, footer

#!/usr/bin/env python3
"""Writes the seeds of the fuzz target into corpus/ring/: ring_corpus.py, run by hand.

Each seed is one small story of damage in the target's own language (ring_fuzz.cpp), so that the
fuzzer begins behind the checksum and the stamps.
"""

import pathlib
import struct

MULTI, SINGLE = 2, 3  # with a publisher that attaches afterwards


def number(kind, small=0, any_value=0):
    encoded = struct.pack("<Bh", kind, small)
    return encoded + (struct.pack("<Q", any_value) if kind % 5 == 4 else b"")


def near(small):
    return number(1, small)


def near_units(small):
    return number(3, small)


def header(offset, data):
    return struct.pack("<BHB", 0, offset, len(data)) + data


SIGN = b"\x01"


def state(offset, value):
    return struct.pack("<BH", 2, offset) + value


def table(which, word, value):
    return struct.pack("<BBB", 3, which, word) + value


def events(offset, data):
    return struct.pack("<BIB", 4, offset, len(data)) + data


def event(sequence, position, size_bytes, flags=0, extension_words=0):
    return (b"\x05" + sequence + position +
            struct.pack("<IBHBB", size_bytes, 0, 1, flags, extension_words))


def tail(sequence, position):
    return b"\x06" + sequence + position


def cut(of_events, size_bytes):
    return struct.pack("<BBBI", 7, of_events, 0, size_bytes)


SEEDS = {
    "intact": [],
    "header_signed": [header(100, b"\x01"), SIGN],
    "header_capacity": [header(32, struct.pack("<Q", 1 << 34)), SIGN],
    "tail_far": [tail(near(100), near_units(4000))],
    "tail_back": [tail(near(-100), near_units(-1000))],
    "tail_before_zero": [tail(near(2), number(0, -1))],
    "event_huge": [event(near(0), near_units(0), 0xFFFFFFF0)],
    "event_long": [event(near(-1), near_units(-20), 15_000, flags=2, extension_words=255)],
    "event_tombstone": [event(near(0), near_units(0), 16, flags=1), tail(near(1), near_units(2))],
    "note_dead": [table(0, 0, near(0)), table(0, 8, near_units(0)), table(0, 16, number(0, 64)),
                  tail(near(4), near_units(16))],
    "note_unaligned": [table(0, 0, near(0)), table(0, 8, near(3)), tail(near(4), near_units(16))],
    "note_huge": [table(0, 16, number(4, 0, 0x00000001FFFFFFF1)), table(0, 0, number(0, 3))],
    "gate_far": [table(1, 0, near(0)), table(1, 128, number(0, 1))],
    "limit_far": [state(128, number(4, 0, 1 << 60))],
    "limit_zero": [state(128, number(0, 0))],
    "reference_far": [state(136, number(4, 0, (1 << 64) - 9))],
    "checkpoints": [state(768, number(4, 0, 0x123456789ABCDEF0))],
    "events_zero": [events(0, bytes(60)), events(300, b"\xff" * 60)],
    "cut_events": [cut(1, 5000)],
    "cut_control": [cut(0, 9000)],
}


def main():
    folder = pathlib.Path(__file__).resolve().parent / "corpus" / "ring"
    folder.mkdir(parents=True, exist_ok=True)
    for name, pieces in SEEDS.items():
        for kind, prefix in ((MULTI, "multi"), (SINGLE, "single")):
            (folder / f"{prefix}_{name}").write_bytes(bytes([kind]) + b"".join(pieces))
    print(f"{2 * len(SEEDS)} seeds in {folder}")


if __name__ == "__main__":
    main()

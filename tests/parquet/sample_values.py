"""Rows as parquet_samples writes them beside each file: what every reader is to find there.

A value is null, a list, or a text whose first letter says what it is: i a whole number, f the bits
of a double, b a truth, s a text, x bytes.
"""

import json
import struct


def rows_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def canonical(expected, actual):
    """`actual`, written as `expected` is."""
    if actual is None or expected is None:
        return None if actual is None else repr(actual)
    if isinstance(expected, list):
        if not isinstance(actual, list):
            return repr(actual)
        like = expected + [expected[-1]] * (len(actual) - len(expected))
        return [canonical(one, other) for one, other in zip(like, actual)]
    kind = expected[0]
    if kind == "i":
        return f"i{actual}"
    if kind == "f":
        return "f" + struct.pack(">d", actual).hex()
    if kind == "b":
        return f"b{str(actual).lower()}"
    if kind == "x":
        return "x" + actual.hex()
    return f"s{actual}"

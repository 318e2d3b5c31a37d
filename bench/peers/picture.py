#!/usr/bin/env python3
"""The figures of `peers --json` as tables (Markdown) and as one picture (SVG).

    picture.py FIGURES.json OUTPUT        writes OUTPUT.md and OUTPUT.svg

Bars are on a logarithmic scale: a peer that is ten times slower has a bar that is one step shorter.
"""
import json
import math
import sys
from html import escape

BAR_HEIGHT = 16
ROW_HEIGHT = 22
LEFT = 190
BAR_WIDTH = 430
WIDTH = 800


def figure(row, name, unit):
    if name not in row:
        return "–"
    low, middle, high = (row[name][key] / unit for key in ("min", "median", "max"))
    digits = 2 if middle < 10 else 1 if middle < 100 else 0
    return f"{middle:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def best_of(rows, name, most):
    values = [row[name]["median"] for row in rows if name in row]
    return (max(values) if most else min(values)) if values else None


def table(rows, columns):
    """columns: (heading, name, unit, whether most is best; None: not judged)."""
    lines = ["| | " + " | ".join(heading for heading, *_ in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for row in rows:
        if row["error"]:
            lines.append(f"| {row['peer']} | failed: {row['error']} |" + " |" * (len(columns) - 1))
            continue
        cells = []
        for _, name, unit, most in columns:
            text = figure(row, name, unit)
            is_best = most is not None and row[name]["median"] == best_of(rows, name, most)
            cells.append(f"**{text}**" if is_best else text)
        lines.append(f"| {row['peer']} | " + " | ".join(cells) + " |")
    return lines


CARRIED = [
    ("million/s one way", "messages_per_s", 1e6, True),
    ("round trip p50, ns", "round_trip_p50_ns", 1, False),
    ("mean", "round_trip_mean_ns", 1, False),
    ("p99", "round_trip_p99_ns", 1, False),
    ("floor, ns", "floor_rtt_ns", 1, None),
]
STORED = [
    ("thousand durable/s, 1,024 at a time", "events_per_s", 1e3, True),
    ("one at a time, p50, µs", "ack_p50_ns", 1e3, False),
    ("p99", "ack_p99_ns", 1e3, False),
]


def by_size(rows):
    sizes = {}
    for row in rows:
        sizes.setdefault(row["size_bytes"], []).append(row)
    return sizes


def markdown(report):
    lines = [
        f"{report['machine']}. {report['rounds']} rounds in turns, median (least–most); every byte "
        "written and compared; the best of each column in bold.",
        "",
    ]
    for size, rows in by_size(report["carriers"]).items():
        lines += [f"**{size:,} bytes, process to process**", ""] + table(rows, CARRIED) + [""]
    for size, rows in by_size(report["stores"]).items():
        lines += [f"**{size:,} bytes, durable**", ""] + table(rows, STORED) + [""]
    lines += ["| peer | version | set up as |", "|---|---|---|"]
    for row in {row["peer"]: row for row in report["carriers"] + report["stores"]}.values():
        lines.append(f"| {row['peer']} | {row['version']} | {row['setting']} |")
    return "\n".join(lines) + "\n"


def bars(title, rows, name, unit, top):
    """One group of bars; returns its SVG elements and the height it takes."""
    shown = [row for row in rows if name in row]
    values = [row[name]["median"] / unit for row in shown]
    if not values:
        return [], 0
    low = 10 ** (math.floor(math.log10(min(values))) - 0.3)
    span = math.log10(max(values)) - math.log10(low)
    elements = [f'<text x="8" y="{top + 14}" class="title">{escape(title)}</text>']
    for at, (row, value) in enumerate(zip(shown, values)):
        y = top + 24 + at * ROW_HEIGHT
        width = BAR_WIDTH * (math.log10(value) - math.log10(low)) / span
        kind = "ours" if row["peer"].startswith("Tailrace") else "peer"
        elements.append(
            f'<text x="{LEFT - 8}" y="{y + 12}" class="name">{escape(row["peer"])}</text>'
        )
        elements.append(
            f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR_HEIGHT}" class="{kind}"/>'
        )
        text = escape(figure(row, name, unit))
        elements.append(f'<text x="{LEFT + width + 6:.1f}" y="{y + 12}">{text}</text>')
    return elements, 24 + len(shown) * ROW_HEIGHT + 18


def svg(report):
    top = 8
    elements = []
    for size, rows in by_size(report["carriers"]).items():
        for title, name, unit in (
            (f"{size:,} bytes, million a second one way (more is better)", "messages_per_s", 1e6),
            (f"{size:,} bytes, round trip p50 in ns (less is better)", "round_trip_p50_ns", 1),
        ):
            more, height = bars(title, rows, name, unit, top)
            elements += more
            top += height
    for size, rows in by_size(report["stores"]).items():
        title = f"{size:,} bytes, thousand durable a second, 1,024 at a time (more is better)"
        more, height = bars(title, rows, "events_per_s", 1e3, top)
        elements += more
        top += height
    style = (
        "text{font:12px sans-serif;fill:#444}.title{font-weight:bold}.name{text-anchor:end}"
        ".ours{fill:#0a7d8c}.peer{fill:#9aa5b1}"
        "@media(prefers-color-scheme:dark){text{fill:#ccc}}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}">'
    return "\n".join([head, f"<style>{style}</style>", *elements, "</svg>"]) + "\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        report = json.load(file)
    for suffix, text in ((".md", markdown(report)), (".svg", svg(report))):
        with open(sys.argv[2] + suffix, "w", encoding="utf-8") as file:
            file.write(text)


main()

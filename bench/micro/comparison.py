"""What the figures of two builds say of each other: the arithmetic of `./dev bench micro`.

A figure is nanoseconds an item (or instructions an event), and each build has one a round. What
counts is the median of the rounds. The spread of a build is what lies between its smallest and its
largest round, as a share of the median, without the one round that is furthest from it (others use
the machine too); that of a pair is the larger of both.
"""

import dataclasses
import statistics

FEWEST_TO_LEAVE_ONE_OUT = 4
UNITS_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


class Broken(Exception):
    """A benchmark that found its own work missing: there is no figure."""


def nanoseconds(row):
    """Of one item, where the benchmark counts items; else of one iteration."""
    if row.get("items_per_second"):
        return 1e9 / row["items_per_second"]
    by_clock = "/real_time" in row["name"] or "/manual_time" in row["name"]
    return row["real_time" if by_clock else "cpu_time"] * UNITS_NS[row["time_unit"]]


def figures_of(report, program):
    """{name: nanoseconds} from the JSON of one run of a Google Benchmark program."""
    figures = {}
    for row in report.get("benchmarks", []):
        if row.get("run_type", "iteration") != "iteration":
            continue
        name = f"{program} {row['name']}"
        if row.get("error_occurred"):
            raise Broken(f"{name}: {row.get('error_message', 'no reason given')}")
        figures[name] = nanoseconds(row)
    return figures


def spread_of(values):
    median = statistics.median(values)
    near = sorted(values, key=lambda value: abs(value - median))
    if len(near) >= FEWEST_TO_LEAVE_ONE_OUT:
        near.pop()
    return (max(near) - min(near)) / median


@dataclasses.dataclass
class Row:
    """One benchmark in both builds: its figure in each round."""

    name: str
    before: list
    after: list
    least: float = 0  # a difference up to that is none

    @property
    def ratio(self):
        return statistics.median(self.after) / statistics.median(self.before)

    @property
    def spread(self):
        return max(spread_of(self.before), spread_of(self.after))

    @property
    def verdict(self):
        if abs(statistics.median(self.after) - statistics.median(self.before)) <= self.least:
            return ""
        if self.ratio > 1 + self.spread:
            return "slower"
        return "faster" if self.ratio < 1 / (1 + self.spread) else ""


@dataclasses.dataclass
class Comparison:
    rows: list
    only_before: list
    only_after: list

    def slower(self):
        return [row for row in self.rows if row.verdict == "slower"]

    def put(self, again):
        """Rows that were measured once more stand in for the first ones."""
        by_name = {row.name: row for row in again.rows}
        self.rows = [by_name.get(row.name, row) for row in self.rows]


def by_name(rounds):
    figures = {}
    for one in rounds:
        for name, value in one.items():
            figures.setdefault(name, []).append(value)
    return figures


def compare(before_rounds, after_rounds, least=0):
    """Each round: {name: figure}. `least`: a difference up to that is none."""
    before, after = by_name(before_rounds), by_name(after_rounds)
    return Comparison(
        [Row(name, before[name], values, least) for name, values in after.items()
         if name in before],
        [name for name in before if name not in after],
        [name for name in after if name not in before],
    )


def figure_text(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.{2 if value < 100 else 1}f}"


def table(comparison, before_name, unit):
    """The lines of all rows, then those of names that only one build has."""
    cells = [("", f"{before_name} {unit}", f"now {unit}", "ratio", "spread", "")]
    for row in comparison.rows:
        cells.append((row.name, figure_text(statistics.median(row.before)),
                      figure_text(statistics.median(row.after)), f"{row.ratio:.3f}",
                      f"{row.spread:.1%}", row.verdict))
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    lines = []
    for line in cells:
        numbers = [f"{cell:>{width}}" for cell, width in zip(line[1:5], widths[1:])]
        lines.append("  ".join([f"{line[0]:<{widths[0]}}", *numbers, line[5]]).rstrip())
    lines += [f"only in {before_name}: {name}" for name in comparison.only_before]
    lines += [f"only now: {name}" for name in comparison.only_after]
    return lines


def verdict_line(comparisons):
    """The last line, and whether all is well."""
    rows = [row for comparison in comparisons for row in comparison.rows]
    slower = [row for comparison in comparisons for row in comparison.slower()]
    if not rows:
        return "nothing was compared: no benchmark is in both", False
    if not slower:
        return f"{len(rows)} compared, none slower by more than its spread", True
    names = ", ".join(f"{row.name} ({row.ratio:.3f}, spread {row.spread:.1%})" for row in slower)
    return f"SLOWER by more than its spread, {len(slower)} of {len(rows)}: {names}", False

#!/usr/bin/env python3
"""comparison: medians, spreads and verdicts from figures that are known beforehand."""

import unittest

import comparison


def rows_of(before, after):
    return comparison.compare([{"x": value} for value in before],
                              [{"x": value} for value in after]).rows


def run_of(*rows):
    return {"benchmarks": [{"run_type": "iteration", "time_unit": "ns", **row} for row in rows]}


class Figures(unittest.TestCase):
    def test_items_count_before_iterations(self):
        report = run_of({"name": "a/8", "cpu_time": 700, "real_time": 900,
                         "items_per_second": 1e8})
        self.assertEqual(comparison.figures_of(report, "p"), {"p a/8": 10.0})

    def test_processor_time_counts_unless_the_name_asks_for_the_clock(self):
        times = {"cpu_time": 2, "real_time": 3, "time_unit": "us"}
        report = run_of({"name": "a", **times}, {"name": "b/real_time", **times})
        self.assertEqual(comparison.figures_of(report, "p"),
                         {"p a": 2000.0, "p b/real_time": 3000.0})

    def test_sums_of_repetitions_are_no_figures(self):
        report = run_of({"name": "a_mean", "run_type": "aggregate", "cpu_time": 1})
        self.assertEqual(comparison.figures_of(report, "p"), {})

    def test_a_benchmark_that_failed_is_no_figure_but_an_error(self):
        report = run_of({"name": "a", "error_occurred": True, "error_message": "events were lost"})
        with self.assertRaisesRegex(comparison.Broken, "p a: events were lost"):
            comparison.figures_of(report, "p")


class Verdicts(unittest.TestCase):
    def test_the_ratio_is_that_of_the_medians(self):
        row, = rows_of([10, 10, 10, 10, 90], [1, 12, 12, 12, 12])
        self.assertAlmostEqual(row.ratio, 1.2)

    def test_the_spread_is_the_larger_of_both(self):
        row, = rows_of([10, 10, 11], [20, 20, 28])
        self.assertAlmostEqual(row.spread, 0.4)

    def test_slower_is_what_is_slower_by_more_than_the_spread(self):
        for after, verdict in (([113, 111, 112], "slower"), ([104, 102, 103], ""),
                               ([100, 101, 99], ""), ([80, 81, 82], "faster")):
            row, = rows_of([100, 97, 102], after)
            self.assertEqual(row.verdict, verdict, after)

    def test_one_wild_round_neither_makes_a_difference_nor_hides_one(self):
        row, = rows_of([100, 100, 100, 100, 100], [100, 100, 100, 100, 300])
        self.assertEqual(row.verdict, "")
        row, = rows_of([100, 100, 100, 100, 100], [110, 110, 110, 110, 300])
        self.assertEqual(row.verdict, "slower")

    def test_two_wild_rounds_are_the_spread(self):
        row, = rows_of([100, 100, 100, 100, 100], [110, 110, 110, 300, 300])
        self.assertEqual(row.verdict, "")

    def test_of_few_rounds_none_is_left_out(self):
        row, = rows_of([100, 100, 100], [110, 110, 130])
        self.assertEqual(row.verdict, "")

    def test_counts_that_repeat_differ_by_small_steps_but_not_by_less_than_counts(self):
        for after, verdict in ((31.001, ""), (31.04, ""), (31.5, "slower"), (30.5, "faster")):
            found = comparison.compare([{"x": 31.0}] * 2, [{"x": after}] * 2, 0.05)
            self.assertEqual(found.rows[0].verdict, verdict, after)


class Names(unittest.TestCase):
    def test_names_in_one_build_alone_are_listed(self):
        found = comparison.compare([{"a": 1, "old": 1}] * 2, [{"a": 1, "new": 1}] * 2)
        self.assertEqual([row.name for row in found.rows], ["a"])
        self.assertEqual((found.only_before, found.only_after), (["old"], ["new"]))
        lines = comparison.table(found, "abc", "ns")
        self.assertIn("only in abc: old", lines)
        self.assertIn("only now: new", lines)

    def test_a_row_that_was_measured_again_stands_in_for_the_first(self):
        found = comparison.compare([{"a": 1, "b": 1}] * 2, [{"a": 2, "b": 1}] * 2)
        self.assertEqual([row.name for row in found.slower()], ["a"])
        found.put(comparison.compare([{"a": 1}] * 2, [{"a": 1}] * 2))
        self.assertEqual([row.name for row in found.rows], ["a", "b"])
        self.assertEqual(found.slower(), [])


class Lines(unittest.TestCase):
    def test_the_last_line_names_what_is_slower(self):
        good = comparison.compare([{"a": 1}] * 2, [{"a": 1}] * 2)
        bad = comparison.compare([{"b": 1}] * 2, [{"b": 2}] * 2)
        self.assertEqual(comparison.verdict_line([good]),
                         ("1 compared, none slower by more than its spread", True))
        line, is_well = comparison.verdict_line([good, bad])
        self.assertFalse(is_well)
        self.assertEqual(line, "SLOWER by more than its spread, 1 of 2: b (2.000, spread 0.0%)")

    def test_nothing_in_common_is_not_well(self):
        nothing = comparison.compare([{"a": 1}] * 2, [{"b": 1}] * 2)
        self.assertFalse(comparison.verdict_line([nothing])[1])

    def test_the_table_lines_up(self):
        found = comparison.compare([{"a": 1234.5, "bbb": 1.25}] * 2, [{"a": 2000, "bbb": 1.25}] * 2)
        head, first, second = comparison.table(found, "abc", "ns")
        self.assertEqual(first.split(), ["a", "1,234", "2,000", "1.620", "0.0%", "slower"])
        self.assertEqual(second.split(), ["bbb", "1.25", "1.25", "1.000", "0.0%"])
        self.assertEqual(head.index("ratio") + 5, second.index("1.000") + 5)


if __name__ == "__main__":
    unittest.main()

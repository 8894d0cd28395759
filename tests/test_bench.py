"""The measurements run: one of each kind, for what they show and not for how long it takes."""

import pytest

from bench import page, storm
from bench.figures import Series, table
from bench.size import Imported


def test_a_series_says_its_median_and_where_the_middle_half_lies() -> None:
    assert str(Series((1.0, 2.0, 3.0, 4.0, 100.0))) == "3.00 (1.50 to 52.0)"


def test_a_ratio_is_that_of_each_round() -> None:
    slowed = Series((1.0, 10.0, 1.0)).ratio(Series((2.0, 20.0, 2.0)))
    assert slowed.values == (0.5, 0.5, 0.5)


def test_a_table_has_its_figures_to_the_right() -> None:
    assert table(("what", "ms"), [("one", 7), ("another", 12)]).splitlines() == [
        "| what    | ms |",
        "|---------|---:|",
        "| one     |  7 |",
        "| another | 12 |",
    ]


def test_the_import_tree_shows_what_takes_long_below_what_imported_it() -> None:
    imported = [
        Imported(name="bot", own=1_000, whole=9_000, depth=0),
        Imported(name="bot.aws", own=8_000, whole=8_000, depth=1),
        Imported(name="quick", own=10, whole=10, depth=1),
    ]
    assert page._tree(imported).splitlines()[1:] == ["      1.0        9.0  bot", "      8.0        8.0    bot.aws"]


MISSED = page.Target("one", 2.0, 1.5, "ms")
MET = page.Target("another", 1.0, 1.5, "ms")


def test_a_figure_short_of_its_target_says_so() -> None:
    assert MISSED.row == ("one", "2.00 ms", "1.5 ms", "**missed**")
    assert MET.row == ("another", "1.00 ms", "1.5 ms", "met")


@pytest.mark.slow
def test_a_storm_is_measured_in_a_process_of_its_own() -> None:
    known, unknown = storm.measure([10])
    assert (known["people"], unknown["people"]) == ("known", "unknown")
    for figures in known["channels"].values():
        cards, lost, twice, over, _ = figures
        assert cards
        assert (lost, twice, over) == (0, 0, 0)

"""Intervals cover what they should, and differences are called only where there are some."""

import numpy as np
import pytest

from comparison.bench.statistics import (
    Interval,
    Pair,
    compare_all,
    geometric_interval,
    ranks,
    ratios,
    t_quantile,
)


def lognormal(mean: float, spread: float, rounds: int, seed: int) -> list[float]:
    draws = np.random.default_rng(seed).normal(np.log(mean), spread, rounds)
    return [float(value) for value in np.exp(draws)]


def test_the_interval_covers_the_true_ratio_in_95_percent_of_runs() -> None:
    intervals = [geometric_interval(lognormal(1.2, 0.1, 10, seed)) for seed in range(600)]
    covered = sum(interval.low <= 1.2 <= interval.high for interval in intervals)
    assert 0.92 <= covered / 600 <= 0.98


def test_the_middle_is_the_geometric_mean() -> None:
    assert geometric_interval([1, 4, 2, 2, 2, 2]).middle == pytest.approx(2)


def test_six_rounds_on_one_side_of_1_are_not_enough_for_a_confidence_close_to_certainty() -> None:
    values = [1.01, 1.02, 1.04, 1.01, 1.03, 1.05]
    assert geometric_interval(values).excludes_one
    assert not geometric_interval(values, 1 - 0.05 / 40).excludes_one


def test_students_quantiles_are_those_of_the_tables() -> None:
    assert t_quantile(0.975, 9) == pytest.approx(2.262, abs=0.001)
    assert t_quantile(0.995, 5) == pytest.approx(4.032, abs=0.001)


def test_a_ratio_of_1_10_with_little_noise_is_called_a_difference() -> None:
    assert geometric_interval(lognormal(1.1, 0.02, 10, 1)).decided


def test_a_ratio_within_the_band_is_no_difference_however_certain_it_is() -> None:
    interval = geometric_interval(lognormal(1.02, 0.001, 10, 1))
    assert interval.excludes_one
    assert not interval.decided


def test_fewer_than_six_rounds_give_a_range_that_decides_nothing() -> None:
    interval = geometric_interval([2.0, 2.1, 2.2, 2.0, 2.1])
    assert (interval.kind, interval.low, interval.high) == ("range", 2.0, 2.2)
    assert not interval.decided


def test_the_ratio_is_taken_within_the_round_so_that_a_slow_round_does_not_count() -> None:
    assert ratios({0: 20, 1: 2, 2: 9}, {0: 10, 1: 1}) == [2, 2]


def test_equal_subjects_are_told_apart_in_at_most_5_percent_of_runs() -> None:
    wrong = 0
    for seed in range(150):
        values = {
            name: dict(enumerate(lognormal(1, 0.1, 10, seed * 4 + number)))
            for number, name in enumerate("abcd")
        }
        wrong += any(pair.interval.excludes_one for pair in compare_all(values))
    assert wrong / 150 <= 0.08


def test_four_subjects_have_six_pairs() -> None:
    values = {name: dict(enumerate(lognormal(1, 0.1, 10, 1))) for name in "abcd"}
    assert len(compare_all(values)) == 6


def test_ranks_are_groups_where_a_pair_is_undecided() -> None:
    def pair(first: str, second: str, low: float, high: float) -> Pair:
        return Pair(first, second, Interval(low, (low * high) ** 0.5, high, 10, "interval"))

    pairs = [pair("a", "b", 0.99, 1.05), pair("a", "c", 1.2, 1.3), pair("b", "c", 1.2, 1.3)]
    assert ranks("abc", pairs, more_is_better=True) == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}
    assert ranks("abc", pairs, more_is_better=False) == {"a": (2, 3), "b": (2, 3), "c": (1, 1)}

"""Intervals, differences and ranks. The unit of replication is the round.

A round measures every subject once, each in a fresh process. What is compared is the logarithm of
the ratio of two subjects within a round, because both then met the same state of the machine.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from statistics import NormalDist, geometric_mean

import numpy as np
from numpy.typing import NDArray

BAND = 0.03
"""Ratios closer to 1 than this are not called a difference."""
FEWEST_ROUNDS = 6
"""With fewer rounds, no interval is computed: the range is given, and nothing is decided."""
CONFIDENCE = 0.95
_RESAMPLES = 20_000
_SEED = 11


@dataclass(frozen=True)
class Interval:
    """A ratio or a value with its interval over rounds."""

    low: float
    middle: float
    high: float
    rounds: int
    kind: str
    """`interval`, `range` with too few rounds, or `exact` for what is the same in every round."""

    @property
    def decided(self) -> bool:
        """Whether the ratio differs from 1: the interval excludes 1, and lies outside the band."""
        outside = self.high < 1 - BAND or self.low > 1 + BAND
        return self.kind != "range" and outside

    @property
    def excludes_one(self) -> bool:
        return self.kind == "interval" and not self.low <= 1 <= self.high


def geometric_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Returns the geometric mean of positive values, one per round, and its interval.

    The interval is the expanded percentile bootstrap: the percentiles are widened as Student's t
    distribution demands for few rounds, because the plain bootstrap is too narrow then. Source:
    T. Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69
    (2015), section 4.1. A bootstrap cannot reach beyond the observed values, which few rounds
    and a confidence close to 1 demand. Each limit is therefore that of Student's t interval where
    that one is wider.
    """
    logs = np.log(np.asarray(values, dtype=float))
    number = len(logs)
    middle = math.exp(float(logs.mean()))
    if number < FEWEST_ROUNDS:
        return Interval(min(values), middle, max(values), number, "range")
    drawn = _weights(number) @ logs
    tail = expanded_tail((1 - confidence) / 2, number)
    low, high = (float(limit) for limit in np.quantile(drawn, [tail, 1 - tail]))
    error = float(logs.std(ddof=1)) / math.sqrt(number)
    reach = t_quantile((1 + confidence) / 2, number - 1) * error
    low, high = min(low, math.log(middle) - reach), max(high, math.log(middle) + reach)
    return Interval(math.exp(low), middle, math.exp(high), number, "interval")


@cache
def _weights(number: int) -> NDArray[np.float64]:
    """Returns a row for each resample: the share of each observation in it."""
    drawn = np.random.default_rng(_SEED).multinomial(
        number, np.full(number, 1 / number), _RESAMPLES
    )
    return drawn / number


@cache
def expanded_tail(tail: float, number: int) -> float:
    """Returns the share of resamples to cut at each end, for `tail` with `number` observations."""
    factor = math.sqrt(number / (number - 1))
    return NormalDist().cdf(-factor * t_quantile(1 - tail, number - 1))


@cache
def t_quantile(probability: float, degrees: int) -> float:
    """Returns the quantile of Student's t distribution, for a probability above one half."""
    constant = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)
    constant = math.exp(constant) / math.sqrt(degrees * math.pi)
    points = np.linspace(0.0, 200.0, 400_001)
    density = constant * (1 + points**2 / degrees) ** (-(degrees + 1) / 2)
    steps = (density[1:] + density[:-1]) / 2 * (points[1] - points[0])
    cumulative = 0.5 + np.concatenate([[0.0], np.cumsum(steps)])
    return float(np.interp(probability, cumulative, points))


def ratios(of: Mapping[int, float], to: Mapping[int, float]) -> list[float]:
    """Returns the ratio of two subjects in every round in which both have a value."""
    return [of[number] / to[number] for number in sorted(of.keys() & to.keys())]


@dataclass(frozen=True)
class Pair:
    """Two subjects of one figure."""

    first: str
    second: str
    interval: Interval
    """Of the first divided by the second, simultaneous over all pairs of the figure."""


def exactly(values: Sequence[float], _: float = CONFIDENCE) -> Interval:
    """Returns the values of something that is counted, not timed: one round is enough."""
    return Interval(min(values), geometric_mean(values), max(values), len(values), "exact")


def compare_all(
    values: Mapping[str, Mapping[int, float]],
    interval_of: Callable[[Sequence[float], float], Interval] = geometric_interval,
) -> list[Pair]:
    """Compares every pair of subjects.

    The intervals are simultaneous: each has the confidence 1 - 0.05/pairs (Bonferroni), so that all
    of them are right with the confidence of 95 %.
    """
    pairs = list(combinations(values, 2))
    confidence = 1 - (1 - CONFIDENCE) / max(len(pairs), 1)
    return [
        Pair(first, second, interval_of(found, confidence))
        for first, second in pairs
        if (found := ratios(values[first], values[second]))
    ]


def ranks(
    names: Sequence[str], pairs: Sequence[Pair], *, more_is_better: bool
) -> dict[str, tuple[int, int]]:
    """Returns the first and the last place that each subject may have: `1-2`, `1-2`, `3`."""
    better = dict.fromkeys(names, 0)
    worse = dict.fromkeys(names, 0)
    for pair in pairs:
        if not pair.interval.decided:
            continue
        first_wins = (pair.interval.middle > 1) == more_is_better
        winner, loser = (pair.first, pair.second) if first_wins else (pair.second, pair.first)
        worse[winner] += 1
        better[loser] += 1
    return {name: (better[name] + 1, len(names) - worse[name]) for name in names}

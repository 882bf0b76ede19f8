"""Calls a check with generated values, the same in every run: each batch has its own seed."""

from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, configuration, given, seed, settings
from hypothesis import strategies as st

from tooling.frameworks import ROOT

T = TypeVar("T")

configuration.set_hypothesis_home_dir(ROOT / "build" / "hypothesis")


def for_each(
    strategy: st.SearchStrategy[T], count: int, batch: int, check: Callable[[T], None]
) -> None:
    """Calls `check` with generated values; reports the simplest one for which it fails."""

    @seed(batch)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(strategy)
    def checked(value: T) -> None:
        check(value)

    checked()

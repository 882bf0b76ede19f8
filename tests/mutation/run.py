"""Tries mutants: each with the contract first, then, if it survives, with further tests."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from zlib import crc32

from tests.mutation import killer, loading
from tests.mutation.killer import Stage
from tests.mutation.mutants import Mutant
from tests.mutation.pool import Finished, Pool
from tooling.frameworks import find_frameworks

TIMEOUT = 8
"""Times the seconds of the app as it is."""

Outcome = Literal["killed", "timed out", "died", "survived"]

Attempt = tuple[str, Stage]
"""The framework whose app is run, and what runs on it."""


@dataclass(frozen=True)
class Trial:
    """What became of one mutant.

    - `by`: the part of the contract or the test that failed.
    - `stage`, `framework`: where it was killed, timed out or died.
    - `seconds`: of all attempts.
    """

    id: str
    change: str
    outcome: Outcome
    by: str | None
    stage: Stage | None
    framework: str | None
    seconds: float


class BaselineError(Exception):
    """The suite fails for an app that is not changed, so that no mutant can be judged."""


def attempts(mutant: Mutant) -> list[Attempt]:
    """What is run until the mutant is killed.

    For a mutant of `shared/` the app is chosen by the id, so that each runs an equal part. What
    one app does not reach another may, so that all are tried before a mutant counts as survived:
    after the tests of `shared/`, which take less time.
    """
    if mutant.app is not None:
        return [(mutant.app, "contract"), (mutant.app, "tests")]
    names = [framework.name for framework in find_frameworks()]
    first = crc32(mutant.id.encode()) % len(names)
    names = names[first:] + names[:first]
    return [
        (names[0], "contract"),
        (names[0], "tests"),
        *((name, "contract") for name in names[1:]),
    ]


def call(mutant: Mutant | None, attempt: Attempt) -> dict[str, Any]:
    """Runs one attempt in this process, which is of no use afterwards."""
    if mutant is not None:
        loading.install(mutant)
    shared = mutant is not None and mutant.app is None
    return {"by": killer.judge(*attempt, shared=shared).by}


def baselines(mutants: Iterable[Mutant], pool: Pool) -> dict[Attempt, float]:
    """The seconds of each attempt without a mutant. Raises `BaselineError`."""
    needed = sorted({attempt for mutant in mutants for attempt in attempts(mutant)})
    seconds: dict[Attempt, float] = {}

    def take(finished: Finished) -> None:
        name, _, stage = finished.key.partition(" ")
        if finished.result is None or finished.result["by"] is not None:
            raise BaselineError(f"{finished.key} fails without a mutant: {finished.result}")
        seconds[name, "contract" if stage == "contract" else "tests"] = finished.seconds

    for attempt in needed:
        while pool.is_full:
            for finished in pool.wait():
                take(finished)
        pool.start(" ".join(attempt), partial(call, None, attempt), 300)
    while not pool.is_idle:
        for finished in pool.wait():
            take(finished)
    return seconds


def trials(mutants: list[Mutant], processes: int, told: Callable[[str], None]) -> Iterator[Trial]:
    """Tries every mutant. Raises `BaselineError`."""
    pool = Pool(processes)
    loading.preload()
    try:
        limits = {a: TIMEOUT * seconds for a, seconds in baselines(mutants, pool).items()}
        told(
            "Without a mutant: "
            + ", ".join(f"{' '.join(a)} {limit / TIMEOUT:.1f} s" for a, limit in limits.items())
        )
        by_id = {mutant.id: mutant for mutant in mutants}
        waiting = list(reversed(mutants))
        left = {mutant.id: attempts(mutant) for mutant in mutants}
        spent = dict.fromkeys(by_id, 0.0)
        while waiting or not pool.is_idle:
            while waiting and not pool.is_full:
                mutant = waiting.pop()
                attempt = left[mutant.id][0]
                pool.start(mutant.id, partial(call, mutant, attempt), limits[attempt])
            for finished in pool.wait():
                mutant = by_id[finished.key]
                spent[mutant.id] += finished.seconds
                attempt = left[mutant.id].pop(0)
                outcome, by = _outcome(finished)
                if outcome == "survived" and left[mutant.id]:
                    waiting.append(mutant)
                    continue
                framework, stage = (None, None) if outcome == "survived" else attempt
                seconds = round(spent[mutant.id], 2)
                yield Trial(mutant.id, mutant.change, outcome, by, stage, framework, seconds)
    finally:
        pool.close()


def _outcome(finished: Finished) -> tuple[Outcome, str | None]:
    if finished.timed_out:
        return "timed out", None
    if finished.result is None:
        return "died", None
    by = finished.result["by"]
    return ("survived" if by is None else "killed"), by

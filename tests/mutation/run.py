"""Tries mutants: each with what takes least time first, until something fails."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from zlib import crc32

from tests.mutation import killer, loading
from tests.mutation.killer import Stage
from tests.mutation.mutants import UNREACHED_BY_APPS, Mutant
from tests.mutation.pool import Finished, Pool
from tooling.frameworks import find_frameworks

TIMEOUT, SHORTEST = 8, 5.0
"""A mutant may take so many times the seconds of the app as it is, and at least so many seconds."""

Outcome = Literal["killed", "timed out", "died", "survived"]

Attempt = tuple[str, Stage, str | None]
"""The framework whose app is run, what runs on it, and the file whose own tests they are."""


@dataclass(frozen=True)
class Trial:
    """What became of one mutant.

    - `by`: the part of the contract or the test that failed.
    - `stage`, `framework`: where it was killed, timed out or died.
    - `seconds`: of all attempts, in processor time.
    - `commit`: what was tried.
    """

    id: str
    change: str
    outcome: Outcome
    by: str | None
    stage: Stage | None
    framework: str | None
    seconds: float
    commit: str


class BaselineError(Exception):
    """The suite fails for an app that is not changed, so that no mutant can be judged."""


def attempts(mutant: Mutant) -> list[Attempt]:
    """What is run until the mutant is killed.

    For a mutant of `shared/` two apps are chosen by its id, so that each app runs an equal part:
    what one does not reach another may.
    """
    if mutant.app is not None:
        return [(mutant.app, "contract", None), (mutant.app, "tests", mutant.file)]
    names = [framework.name for framework in find_frameworks()]
    first = crc32(mutant.id.encode()) % len(names)
    name, other = names[first], names[first - len(names) // 2]
    found: list[Attempt] = []
    if killer.own_tests(mutant.file):
        found.append((name, "own tests", mutant.file))
    if mutant.file not in UNREACHED_BY_APPS:
        found.append((name, "contract", None))
    found.append((name, "tests", None))
    if mutant.file not in UNREACHED_BY_APPS:
        found.append((other, "contract", None))
    return found


def call(mutant: Mutant | None, attempt: Attempt) -> dict[str, Any]:
    """Runs one attempt in this process, which is of no use afterwards."""
    if mutant is not None:
        loading.install(mutant)
    return {"by": killer.judge(*attempt)}


def baselines(mutants: Iterable[Mutant], pool: Pool) -> dict[Attempt, float]:
    """The processor time of each attempt without a mutant, in seconds. Raises `BaselineError`."""
    needed = list(dict.fromkeys(attempt for mutant in mutants for attempt in attempts(mutant)))
    seconds: dict[Attempt, float] = {}

    def take(finished: Finished) -> None:
        attempt = needed[int(finished.key)]
        if finished.result is None or finished.result["by"] is not None:
            raise BaselineError(f"{attempt} fails without a mutant: {finished.result}")
        seconds[attempt] = finished.seconds

    for number, attempt in enumerate(needed):
        while pool.is_full:
            for finished in pool.wait():
                take(finished)
        pool.start(str(number), partial(call, None, attempt), 300)
    while not pool.is_idle:
        for finished in pool.wait():
            take(finished)
    return seconds


def trials(
    mutants: list[Mutant], processes: int, commit: str, told: Callable[[str], None]
) -> Iterator[Trial]:
    """Tries every mutant. Raises `BaselineError`."""
    if not mutants:
        return
    pool = Pool(processes)
    loading.preload()
    try:
        seconds = baselines(mutants, pool)
        for attempt, each in seconds.items():
            told(f"Without a mutant: {' '.join(map(str, attempt))} {each:.1f} s")
        limits = {attempt: max(TIMEOUT * each, SHORTEST) for attempt, each in seconds.items()}
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
                framework, stage = (None, None) if outcome == "survived" else attempt[:2]
                yield Trial(
                    mutant.id,
                    mutant.change,
                    outcome,
                    by,
                    stage,
                    framework,
                    round(spent[mutant.id], 2),
                    commit,
                )
    finally:
        pool.close()


def _outcome(finished: Finished) -> tuple[Outcome, str | None]:
    if finished.timed_out:
        return "timed out", None
    if finished.result is None:
        return "died", None
    by = finished.result["by"]
    return ("survived" if by is None else "killed"), by

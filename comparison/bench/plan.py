"""What a run does: blocks, each of which measures every subject once with one measure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from comparison.bench.figures import EFFORTS, Effort
from comparison.bench.measures import Measure, find_measures
from comparison.bench.subjects import Server, Subject, find_subjects
from tooling.errors import UsageError
from tooling.frameworks import find_frameworks


@dataclass(frozen=True)
class Block:
    """One measure on one server in one round; the subjects are in their random order."""

    round: int
    measure: Measure
    server: Server
    subjects: tuple[Subject, ...]

    @property
    def key(self) -> str:
        return f"{self.round} {self.measure.module} {self.server}"


@dataclass(frozen=True)
class Settings:
    """What the user chose."""

    effort: str
    apps: tuple[str, ...]
    only: tuple[str, ...]
    """IDs of measures; empty: all."""

    @property
    def complete(self) -> bool:
        """Whether nothing was left out."""
        every = tuple(framework.name for framework in find_frameworks())
        return self.effort == "full" and self.apps == every and not self.only


def parse_settings(effort: str, apps: str, only: str) -> Settings:
    """Parses `BENCH`, `APPS` and `ONLY`. Raises `UsageError`, one line."""
    if effort not in EFFORTS:
        raise UsageError(f"BENCH must be {' or '.join(EFFORTS)}, not {effort!r}.")
    names = [framework.name for framework in find_frameworks()]
    ids = list(dict.fromkeys(measure.id for measure in find_measures()))
    chosen = _chosen("APPS", apps, names)
    return Settings(effort, chosen or tuple(names), _chosen("ONLY", only.upper(), ids))


def _chosen(variable: str, text: str, known: Sequence[str]) -> tuple[str, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if text.strip() and not parts:
        raise UsageError(f"{variable} names nothing; there are: {', '.join(known)}.")
    for part in parts:
        if part not in known:
            raise UsageError(f"{variable}: there is no {part!r}; there are: {', '.join(known)}.")
    return tuple(name for name in known if name in parts)


def make_plan(settings: Settings, effort: Effort, seed: int) -> list[Block]:
    """Returns the blocks of all rounds. The same seed gives the same order."""
    order = random.Random(seed)
    measures = [
        measure for measure in find_measures() if not settings.only or measure.id in settings.only
    ]
    blocks = []
    for number in range(effort.rounds):
        for measure in measures:
            for server in servers_of(measure, settings):
                if number >= rounds_of(measure, server, settings):
                    continue
                subjects = subjects_of(measure, server, settings)
                order.shuffle(subjects)
                blocks.append(Block(number, measure, server, tuple(subjects)))
    return blocks


def servers_of(measure: Measure, settings: Settings) -> list[Server]:
    """A quick run has the first server of a measure only."""
    return list(measure.servers[: None if settings.effort == "full" else 1])


def rounds_of(measure: Measure, server: Server, settings: Settings) -> int:
    """Returns the number of rounds. A measure that `ONLY` names has at least one."""
    rounds = max(measure.rounds[settings.effort], 1 if settings.only else 0)
    return rounds if server == "uvicorn" else min(rounds, measure.hypercorn_rounds)


def subjects_of(measure: Measure, server: Server, settings: Settings) -> list[Subject]:
    """Stock forms are measured on uvicorn in a full run; the controls are always there.

    A measure of stock forms alone has them in a quick run too, which `ONLY` must name.
    """
    full = settings.effort == "full" or measure.forms == ("stock",)
    with_stock = server == "uvicorn" and full
    return [
        subject
        for subject in find_subjects(server)
        if (subject.framework is None or subject.framework in settings.apps)
        and subject.form in measure.forms
        and (with_stock or subject.form != "stock")
    ]


def expected_seconds(blocks: Sequence[Block], effort: Effort) -> float:
    """Returns how long the blocks take, from what the measures say of themselves."""
    return sum(len(block.subjects) * block.measure.seconds[effort.name] for block in blocks)

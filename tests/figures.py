"""What the tests of endurance try, and what they measure: the table of `make soak`."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

ATTACKS = "attacks"
COMPARED = "requests compared"
COMPARED_ON_SERVERS = "requests compared on servers"
SCHEMATHESIS = "cases generated from openapi.yaml"
HOSTILE = "hostile requests to the stand-in"
RESTARTS = "restarts"
HANG_UPS = "hang-ups during a query"
KILLS = "kills of the stand-in"
MUTANTS = "mutants"

ROWS = {
    ATTACKS: "not held",
    COMPARED: "differences",
    COMPARED_ON_SERVERS: "differences",
    SCHEMATHESIS: "failures",
    HOSTILE: "answered 500",
    RESTARTS: "lost",
    HANG_UPS: "lost",
    KILLS: "lost",
    MUTANTS: "survivors",
}
"""What is tried, and what an attempt is called that does not hold."""

Unit = Literal["MiB", "ms", "log lines", "descriptors"]


@dataclass(frozen=True)
class Measure:
    """What one attack cost one app on one server.

    - `allowed`: the largest value that the tests accept.
    - `exposed`: why the value may be larger; empty if it may not.
    """

    attack: str
    app: str
    server: str
    value: float
    unit: Unit
    allowed: float
    exposed: str = ""

    @property
    def holds(self) -> bool:
        return self.value <= self.allowed


@dataclass
class Figures:
    """The figures of one test, or of all."""

    tried: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    measures: list[Measure] = field(default_factory=list)

    def add(self, tried: dict[str, int], held: dict[str, int], measures: list[Any]) -> None:
        """Adds what `as_json` has returned, in another process."""
        self.tried.update(tried)
        self.held.update(held)
        self.measures += [Measure(**measure) for measure in measures]

    def as_json(self) -> dict[str, Any]:
        """The figures as JSON can hold them."""
        measures = [asdict(measure) for measure in self.measures]
        return {"tried": dict(self.tried), "held": dict(self.held), "measures": measures}


_current = Figures()


def take() -> Figures:
    """Returns the figures since the last call."""
    global _current
    taken, _current = _current, Figures()
    return taken


@contextmanager
def attempt(row: str, number: int = 1) -> Iterator[None]:
    """Counts so many attempts, and counts them as held if the context raises no exception."""
    assert row in ROWS
    _current.tried[row] += number
    yield
    _current.held[row] += number


def measured(measure: Measure) -> None:
    """Records what an attack cost. Raises `AssertionError` if that is more than is allowed.

    An attack that is known to cost more than is allowed (`exposed`) may do so. It need not: how
    much memory a server has at the same time depends on how fast it reads.
    """
    _current.measures.append(measure)
    _current.tried[ATTACKS] += 1
    _current.held[ATTACKS] += measure.holds
    assert measure.holds or measure.exposed, measure


def with_mutants(figures: Figures, record: Path) -> None:
    """Adds what `make mutation-record` has recorded, without equivalent and untried mutants."""
    document = json.loads(record.read_text(encoding="utf-8"))
    for row in (*document["apps"].values(), document["shared"]):
        figures.tried[MUTANTS] += row["killed"] + row["survivors"]
        figures.held[MUTANTS] += row["killed"]


def table(figures: Figures) -> list[str]:
    """The figures as lines: what was tried, then what each attack cost."""
    lines = [f"{'':36}{'tried':>9}{'held':>9}"]
    for row, otherwise in ROWS.items():
        tried, held = figures.tried[row], figures.held[row]
        source = " (recorded by make mutation-record)" if row == MUTANTS else ""
        if tried:
            lines.append(f"{row:36}{tried:9,}{held:9,}  {otherwise} {tried - held:,}{source}")
        else:
            lines.append(f"{row:36}{'-':>9}{'-':>9}  not run")
    return [*lines, "", *_costs(figures.measures)]


def _costs(measures: Iterable[Measure]) -> Iterator[str]:
    """A row for each attack and what it may cost, with a column for each app on each server."""
    cells = {(m.attack, m.unit, m.allowed, m.server, m.app): m for m in measures}
    columns = sorted({key[3:] for key in cells})
    if not columns:
        return
    for number in (0, 1):
        yield f"{'':46}{'' if number else 'allowed':>8}" + "".join(
            f"{column[number]:>11}" for column in columns
        )
    for attack, unit, allowed in dict.fromkeys(key[:3] for key in cells):
        found = [cells.get((attack, unit, allowed, *column)) for column in columns]
        values = (f"{m.value:.4g}{'' if m.holds else '!'}" if m else "" for m in found)
        yield f"{f'{attack}, {unit}':46}{allowed:>8g}" + "".join(f"{each:>11}" for each in values)
    for server, reason in dict.fromkeys((m.server, m.exposed) for m in measures if m.exposed):
        yield f"! {server}: {reason}"

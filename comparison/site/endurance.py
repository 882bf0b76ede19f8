"""What attacks cost and which mutants survive: the results of `make soak` and `make mutation`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from comparison.site.applications import Application


@dataclass(frozen=True)
class Cost:
    """What one attack cost one application on one server, or all that was allowed."""

    value: float
    holds: bool
    exposed: str
    """Why it may cost more than is allowed; empty if it may not."""

    @property
    def text(self) -> str:
        return number(self.value)


def number(value: float) -> str:
    """Returns a number with two or three digits that count: `1,255`, `12.9`, `0.08`."""
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


@dataclass(frozen=True)
class Attack:
    """What one attack costs where so much is allowed: a cell for each column, None if not tried."""

    name: str
    unit: str
    allowed: str
    costs: Sequence[Cost | None]


@dataclass(frozen=True)
class Costs:
    """The table of what attacks cost.

    - `servers`: the name of each server, and how many columns it has.
    - `columns`: the title of the application of each column.
    - `reasons`: by server, why some attacks may cost more than is allowed.
    """

    servers: Sequence[tuple[str, int]]
    columns: Sequence[str]
    attacks: Sequence[Attack]
    reasons: Sequence[tuple[str, str]]


def costs_of(document: Mapping[str, Any], applications: Sequence[Application]) -> Costs:
    """Returns the costs, a column for each application on each server."""
    titles = {application.name: application.title for application in applications}
    measures = document["measures"]
    columns = sorted({(each["server"], each["app"]) for each in measures})
    cells = {(e["attack"], e["unit"], e["allowed"], e["server"], e["app"]): e for e in measures}
    attacks = []
    names = list(dict.fromkeys(key[0] for key in cells))
    rows = sorted(dict.fromkeys(key[:3] for key in cells), key=lambda key: names.index(key[0]))
    for attack, unit, allowed in rows:
        found = [cells.get((attack, unit, allowed, *column)) for column in columns]
        costs = [
            each and Cost(each["value"], each["value"] <= each["allowed"], each["exposed"])
            for each in found
        ]
        attacks.append(Attack(attack, unit, number(allowed), costs))
    reasons = {(each["server"], each["exposed"]) for each in measures if each["exposed"]}
    return Costs(
        [(server, len(list(group))) for server, group in groupby(columns, key=lambda c: c[0])],
        [titles.get(app, app) for _, app in columns],
        attacks,
        sorted(reasons),
    )


COUNTS = (
    ("mutants", "changes tried"),
    ("by_contract", "a case of the contract fails"),
    ("by_tests", "another test fails"),
    ("timed_out", "the suite is stopped at a timeout"),
    ("equivalent", "no request can tell the difference"),
    ("survivors", "no test fails"),
    ("untried", "not tried"),
)
"""The rows of the table of mutants: a member of the result, and what it says."""


@dataclass(frozen=True)
class Mutants:
    """The table of mutants.

    - `columns`: the title of each application, and `shared/`.
    - `rows`: what is counted, and the number in each column.
    - `rates`: the share that was killed, without what is equivalent; None if not all were tried.
    - `survivors`: by column, those that survive, as the result has them.
    """

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[int]]]
    rates: Sequence[float | None]
    survivors: Sequence[tuple[str, Sequence[Mapping[str, str]]]]


def mutants_of(document: Mapping[str, Any], applications: Sequence[Application]) -> Mutants:
    """Returns what became of the mutants of each application and of `shared/`."""
    found = [a for a in applications if a.name in document["apps"]]
    counts = [*(document["apps"][a.name] for a in found), document["shared"]]
    folders = {f"{a.name}_app/": a.title for a in found} | {"shared/": "shared/"}
    return Mutants(
        list(folders.values()),
        [(text, [each[name] for each in counts]) for name, text in COUNTS],
        [each["rate"] for each in counts],
        [
            (title, [each for each in document["survivors"] if each["id"].startswith(folder)])
            for folder, title in folders.items()
        ],
    )

"""The result of a run: a row for each app and for shared/, and what the list has wrong."""

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.mutation.run import Trial
from tests.mutation.survivors import Survivor

GOAL = 0.95
"""The share of the mutants of each app that the contract has to kill."""


@dataclass(frozen=True)
class Row:
    """The counts of one app, or of `shared/`.

    - `by_contract`, `by_tests`: killed by the in-process half, and by other tests.
    - `undecided`: timed out or died.
    - `equivalent`, `other`: survivors that are listed, by their kind.
    - `unlisted`: survivors that are not.
    """

    name: str
    mutants: int
    by_contract: int
    by_tests: int
    undecided: int
    equivalent: int
    other: int
    unlisted: int

    @property
    def raw(self) -> float:
        """The share of all mutants that the contract kills."""
        return self.by_contract / self.mutants

    @property
    def rate(self) -> float:
        """The share that the contract kills of the mutants that are not equivalent."""
        return self.by_contract / max(1, self.mutants - self.equivalent)

    @property
    def rate_with_tests(self) -> float:
        """The share that the contract or another test kills of those mutants."""
        return (self.by_contract + self.by_tests) / max(1, self.mutants - self.equivalent)


HEADS = (
    "",
    "mutants",
    "contract",
    "tests",
    "undecided",
    "equivalent",
    "listed",
    "unlisted",
    "of all",
    "rate",
    "with tests",
)


def rows(trials: Iterable[Trial], known: Mapping[str, Survivor]) -> list[Row]:
    """One row for each app, then one for `shared/`."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        folder = trial.id.partition("/")[0]
        groups.setdefault(folder.removesuffix("_app"), []).append(trial)
    names = sorted(groups, key=lambda name: (name == "shared", name))
    return [_row(name, groups[name], known) for name in names]


def _row(name: str, trials: list[Trial], known: Mapping[str, Survivor]) -> Row:
    survived = [trial.id for trial in trials if trial.outcome == "survived"]
    equivalent = sum(id in known and known[id].is_equivalent for id in survived)
    listed = sum(id in known for id in survived)
    return Row(
        name,
        len(trials),
        sum(t.outcome == "killed" and t.stage == "contract" for t in trials),
        sum(t.outcome == "killed" and t.stage == "tests" for t in trials),
        sum(t.outcome in ("timed out", "died") for t in trials),
        equivalent,
        listed - equivalent,
        len(survived) - listed,
    )


def table(found: Iterable[Row]) -> str:
    """The rows as text, side by side."""
    lines: list[tuple[str, ...]] = [HEADS]
    for row in found:
        counts = (row.mutants, row.by_contract, row.by_tests, row.undecided)
        survivors = (row.equivalent, row.other, row.unlisted)
        rates = (row.raw, row.rate, row.rate_with_tests)
        lines.append(
            (row.name, *map(str, (*counts, *survivors)), *(f"{100 * rate:.1f} %" for rate in rates))
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def complaints(
    trials: Iterable[Trial], known: Mapping[str, Survivor], within: Iterable[str]
) -> list[str]:
    """What makes the list untrue; `within` are the ids or beginnings of ids that were tried."""
    tried = {trial.id: trial for trial in trials}
    found = []
    for id, trial in tried.items():
        if trial.outcome == "survived" and id not in known:
            found.append(f"{id} survives, and is not listed: {trial.change}")
    for id, survivor in known.items():
        if not id.startswith(tuple(within)):
            continue
        if id not in tried:
            found.append(f"{id} is listed, and does not exist any more.")
        elif tried[id].change != survivor.change:
            found.append(f"{id} is listed for {survivor.change}, and now is {tried[id].change}.")
        elif tried[id].outcome == "killed":
            found.append(f"{id} is listed, and is killed by {tried[id].by}.")
    return found


def write(file: Path, trials: list[Trial], found: list[Row], seconds: float) -> None:
    """Writes the rows and every trial as JSON."""
    document: dict[str, Any] = {
        "python": platform.python_version(),
        "seconds": round(seconds),
        "rows": [
            asdict(row)
            | {
                "raw": round(row.raw, 4),
                "rate": round(row.rate, 4),
                "rate_with_tests": round(row.rate_with_tests, 4),
            }
            for row in found
        ],
        "mutants": [asdict(trial) for trial in trials],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

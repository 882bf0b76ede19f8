"""The result of a run: the counts of each app and of shared/, and what the list has wrong."""

import platform
import subprocess
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.mutation.mutants import Mutant
from tests.mutation.run import Trial
from tests.mutation.survivors import Survivor
from tooling.frameworks import ROOT

GOAL = 0.95
"""The share of the mutants of each app that the suite has to kill."""


@dataclass(frozen=True)
class Counts:
    """The counts of an app, of `shared/`, or of one of its files.

    - `mutants`: those that were tried; `untried`: the others.
    - `by_contract`, `by_tests`: a case failed, or another test that runs in process.
    - `timed_out`: it was killed at a timeout.
    - `equivalent`: survived, and is listed as equivalent.
    - `survivors`: survived, or could not be judged, for another reason.
    - `unlisted`: those of the survivors that are not listed.
    """

    mutants: int
    untried: int
    by_contract: int
    by_tests: int
    timed_out: int
    equivalent: int
    survivors: int
    unlisted: int

    @property
    def killed(self) -> int:
        return self.by_contract + self.by_tests + self.timed_out

    @property
    def rate(self) -> float | None:
        """The share that was killed of the mutants that are not equivalent; None if not known."""
        known = self.mutants and not self.untried
        return self.killed / max(1, self.mutants - self.equivalent) if known else None

    def as_json(self) -> dict[str, int | float | None]:
        return {
            "mutants": self.mutants,
            "killed": self.killed,
            "by_contract": self.by_contract,
            "by_tests": self.by_tests,
            "timed_out": self.timed_out,
            "equivalent": self.equivalent,
            "survivors": self.survivors,
            "untried": self.untried,
            "rate": None if self.rate is None else round(self.rate, 4),
        }


@dataclass(frozen=True)
class Report:
    """`apps` by name; `files` are those of `shared/`, each by itself."""

    apps: dict[str, Counts]
    shared: Counts
    files: dict[str, Counts]


def count(
    mutants: Sequence[Mutant], tried: Mapping[str, Trial], known: Mapping[str, Survivor]
) -> Report:
    """Counts what became of the mutants; `tried` are the trials by id."""

    def of(chosen: list[Mutant]) -> Counts:
        return _counts(chosen, tried, known)

    apps = list(dict.fromkeys(m.app for m in mutants if m.app is not None))
    files = dict.fromkeys(m.file for m in mutants if m.app is None)
    return Report(
        {app: of([m for m in mutants if m.app == app]) for app in apps},
        of([m for m in mutants if m.app is None]),
        {file: of([m for m in mutants if m.file == file]) for file in files},
    )


def _counts(
    mutants: list[Mutant], tried: Mapping[str, Trial], known: Mapping[str, Survivor]
) -> Counts:
    trials = [tried[mutant.id] for mutant in mutants if mutant.id in tried]
    survived = [trial.id for trial in trials if trial.outcome in ("survived", "died")]
    equivalent = sum(id in known and known[id].is_equivalent for id in survived)
    killed = [trial.stage for trial in trials if trial.outcome == "killed"]
    return Counts(
        mutants=len(trials),
        untried=len(mutants) - len(trials),
        by_contract=killed.count("contract"),
        by_tests=len(killed) - killed.count("contract"),
        timed_out=sum(trial.outcome == "timed out" for trial in trials),
        equivalent=equivalent,
        survivors=len(survived) - equivalent,
        unlisted=sum(id not in known for id in survived),
    )


HEADS = (
    "",
    "mutants",
    "by a case",
    "by a test",
    "timed out",
    "equivalent",
    "survivors",
    "unlisted",
    "killed",
    "not tried",
)


def table(report: Report) -> str:
    """The counts as text, side by side. "killed" is the share of what is not equivalent."""
    lines: list[tuple[str, ...]] = [HEADS]
    for name, counts in (*report.apps.items(), ("shared/", report.shared), *report.files.items()):
        numbers = (
            *(counts.mutants, counts.by_contract, counts.by_tests, counts.timed_out),
            *(counts.equivalent, counts.survivors, counts.unlisted),
        )
        rate = "-" if counts.rate is None else f"{100 * counts.rate:.1f} %"
        lines.append((name, *map(str, numbers), rate, str(counts.untried)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def complaints(
    trials: Iterable[Trial], known: Mapping[str, Survivor], within: Iterable[str]
) -> list[str]:
    """What makes the list untrue; `within` are the ids or beginnings of ids that were tried."""
    tried = {trial.id: trial for trial in trials}
    found = []
    for id, trial in tried.items():
        if trial.outcome in ("survived", "died") and id not in known:
            found.append(f"{id} {trial.outcome}, and is not listed: {trial.change}")
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


def below_goal(report: Report) -> list[str]:
    """A sentence for each app of which every mutant was tried, and too many survive."""
    return [
        f"{app}: {100 * counts.rate:.1f} % were killed, less than {100 * GOAL:.0f} %."
        for app, counts in report.apps.items()
        if counts.rate is not None and counts.rate < GOAL
    ]


def document(
    report: Report, trials: Collection[Trial], known: Mapping[str, Survivor]
) -> dict[str, Any]:
    """The counts as JSON. `commit` is that of the code; `tried`: how many were tried at which.

    `survivors` are those that are listed, with the reason.
    """
    survived = [known[each.id] for each in trials if each.outcome != "killed" and each.id in known]
    return {
        "commit": commit(),
        "tried": dict(sorted(Counter(trial.commit for trial in trials).items())),
        "python": platform.python_version(),
        "apps": {name: counts.as_json() for name, counts in report.apps.items()},
        "shared": report.shared.as_json()
        | {"files": {file: counts.as_json() for file, counts in report.files.items()}},
        "survivors": [asdict(survivor) for survivor in sorted(survived, key=lambda each: each.id)],
    }


def commit() -> str:
    """The commit that is checked out; with "-dirty" if tracked files differ from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"

"""Which release changed which case, from `comparison/results/upgrades.json`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """A case that is different since a release. `python` has the versions where it is."""

    case: str
    before: str
    after: str
    pythons: Sequence[str]


@dataclass(frozen=True)
class Release:
    """One release: `cells` has, by Python, the row of the result; None if it was not tested."""

    version: str
    uploaded: str | None
    why: Sequence[str]
    cells: Mapping[str, Document | None]
    older: str | None
    """The next older release that was tested, with which `changes` compares."""
    changes: Sequence[Change]

    @property
    def refused(self) -> list[str]:
        """The Pythons on which the release does not run."""
        return [python for python, row in self.cells.items() if row is not None and not _ran(row)]


@dataclass(frozen=True)
class Upgrades:
    """The releases of one framework, the newest first."""

    name: str
    title: str
    requirement: str
    locked: str
    releases: Sequence[Release]

    @property
    def changed(self) -> list[Release]:
        return [release for release in self.releases if release.changes]

    @property
    def refused(self) -> list[Release]:
        return [release for release in self.releases if release.refused]

    @property
    def tested(self) -> list[Release]:
        """The releases on which the contract ran with some Python."""
        return [release for release in self.releases if any(map(_ran, release.cells.values()))]

    @property
    def runs(self) -> list[list[Release]]:
        """The releases as rows of a table: those that nothing was tried on follow as one."""
        groups = groupby(self.releases, lambda release: any(release.cells.values()))
        return [
            run
            for tried, releases in groups
            for run in ([[each] for each in releases] if tried else [list(releases)])
        ]

    def moved(self, python: str) -> Document:
        """The packages that are the same in every environment with a Python, and not as locked."""
        cells = [release.cells[python] for release in self.releases]
        found = [row["moved"] for row in map(_ran, cells) if row is not None]
        return {
            name: version
            for name, version in (found[0].items() if found else ())
            if all(each.get(name) == version for each in found)
        }


def read_upgrades(document: Document) -> list[Upgrades]:
    """The frameworks in the order of the result."""
    rows = {(row["app"], row["version"], row["python"]): row for row in document["environments"]}
    return [
        Upgrades(
            name,
            app["title"],
            app["requirement"],
            app["locked"],
            [
                _release(
                    each,
                    {p: rows.get((name, each["version"], p)) for p in document["pythons"]},
                    [
                        (
                            older["version"],
                            {p: rows.get((name, older["version"], p)) for p in document["pythons"]},
                        )
                        for older in app["releases"][number + 1 :]
                    ],
                )
                for number, each in enumerate(app["releases"])
            ],
        )
        for name, app in document["apps"].items()
    ]


def _release(
    release: Document,
    cells: Mapping[str, Document | None],
    older: Sequence[tuple[str, Mapping[str, Document | None]]],
) -> Release:
    changes: dict[tuple[str, str, str], list[str]] = {}
    compared: dict[str, str] = {}
    for python, cell in cells.items():
        found = next(
            ((version, row) for version, rows in older if (row := _ran(rows[python]))), None
        )
        if _ran(cell) is None or cell is None or found is None:
            continue
        compared[found[0]] = python
        for case, before, after in differences(found[1], cell):
            changes.setdefault((case, before, after), []).append(python)
    return Release(
        release["version"],
        release["uploaded"],
        release["why"],
        cells,
        next(iter(compared), None),
        [Change(*key, pythons) for key, pythons in changes.items()],
    )


def _ran(row: Document | None) -> Document | None:
    return row if row is not None and "cases" in row else None


def differences(before: Document, after: Document) -> list[tuple[str, str, str]]:
    """The cases whose outcome or observation is different: ID, before, after."""
    names = [*before["deviates"], *after["deviates"], *before["observed"], *after["observed"]]
    return [
        (case, one, other)
        for case in sorted(dict.fromkeys(names))
        if (one := _state(before, case)) != (other := _state(after, case))
    ]


def _state(row: Document, case: str) -> str:
    holds = "deviates" if case in row["deviates"] else "holds"
    error = row["deviates"].get(case)
    seen = "; ".join(row["observed"].get(case, [])) or error
    return f"{holds}: {seen}" if seen else holds

"""Rows about releases, from `comparison/results/releases.json`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from packaging.utils import canonicalize_name

from comparison.site.applications import Application
from comparison.site.model import Site
from comparison.site.table import Cell, Row

RELEASES = "results/releases.json"
"""The address of the recorded releases."""


def life_rows(site: Site) -> list[Row]:
    """Returns the rows; a cell says so if its package is not recorded."""
    recorded = site.result("releases.json")
    life = _Life(recorded["packages"], date.fromisoformat(recorded["taken"])) if recorded else None
    as_of = f"in the package index, {life.taken}" if life else None
    recorded_with = (site.result("contract.json") or {"apps": {}})["apps"]

    def row(title: str, cell: Callable[[_Life, Application], Cell | None], hint: str | None) -> Row:
        cells = [(cell(life, each) if life else None) or _MISSING for each in site.applications]
        return Row(title, cells, hint)

    return [
        row("Newest release", _Life.newest, as_of),
        row("Releases in a year", _Life.in_a_year, "in the 365 days before"),
        row("Newest releases of its companions", _Life.companions, "the longest ago first"),
        row(
            "Its newest release needs",
            lambda life, each: life.python(each, recorded_with.get(each.name)),
            "as the release states",
        ),
    ]


_MISSING = Cell("not recorded yet: `make releases`")


@dataclass(frozen=True)
class _Life:
    packages: Mapping[str, list[Mapping[str, Any]]]
    taken: date

    def _own(self, application: Application) -> list[Mapping[str, Any]]:
        name = canonicalize_name(application.framework.contract["distribution"])
        return self.packages.get(name, [])

    def newest(self, application: Application) -> Cell | None:
        releases = self._own(application)
        return Cell(releases[0]["date"], RELEASES, releases[0]["version"]) if releases else None

    def in_a_year(self, application: Application) -> Cell | None:
        releases = self._own(application)
        since = (self.taken - timedelta(days=365)).isoformat()
        number = sum(release["date"] > since for release in releases)
        return Cell(str(number), RELEASES, number=number) if releases else None

    def companions(self, application: Application) -> Cell | None:
        newest = sorted(
            (self.packages[canonicalize_name(name)][0]["date"], name)
            for name in application.companions
            if canonicalize_name(name) in self.packages
        )
        if not newest:
            return None if application.companions else Cell("no companions")
        first, *others = [f"{name} {date}" for date, name in newest]
        return Cell(first, RELEASES, ", ".join(others) or None)

    def python(self, application: Application, recorded: Mapping[str, Any] | None) -> Cell | None:
        """`recorded`: the framework with which the contract ran: its `version`."""
        releases = self._own(application)
        if not releases:
            return None
        needed = releases[0]["requires_python"]
        text = f"Python {needed.removeprefix('>=')} or later" if needed else "not stated"
        note = None
        if recorded is not None and recorded["version"] != releases[0]["version"]:
            note = f"the contract ran with {recorded['version']}"
        return Cell(text, RELEASES, note)

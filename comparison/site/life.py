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
    as_of = f"as the package index had it on {life.taken}" if life else None

    def row(title: str, cell: Callable[[_Life, Application], Cell | None], hint: str | None) -> Row:
        cells = [(cell(life, each) if life else None) or _MISSING for each in site.applications]
        return Row(title, cells, hint)

    return [
        row("Newest release", _Life.newest, as_of),
        row("Releases in a year", _Life.in_a_year, "in the 365 days before"),
        row("Companion that was released longest ago", _Life.oldest, "of its direct dependencies"),
        row("Its newest release needs", _Life.python, "as the release states"),
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

    def oldest(self, application: Application) -> Cell | None:
        newest = {
            name: self.packages[canonicalize_name(name)][0]
            for name in application.companions
            if canonicalize_name(name) in self.packages
        }
        if not newest:
            return None if application.companions else Cell("no companions")
        name = min(newest, key=lambda name: str(newest[name]["date"]))
        return Cell(f"{name}, {newest[name]['date']}", RELEASES, newest[name]["version"])

    def python(self, application: Application) -> Cell | None:
        releases = self._own(application)
        if not releases:
            return None
        needed = releases[0]["requires_python"]
        text = f"Python {needed.removeprefix('>=')} or later" if needed else "not stated"
        return Cell(text, RELEASES)

"""What the contract says of the applications, and which section of them a case is about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from comparison.site.applications import HEADINGS, Application
from comparison.site.model import Site
from comparison.site.table import Cell
from tooling.frameworks import ROOT

_CASES = ROOT / "tests" / "contract" / "cases"
_PAGE = Path(__file__).with_name("pages") / "contract.py"

_SECTIONS = {
    "STREAM": "Greetings",
    "DOCS": "Documentation",
    "LIFE": "Start-up and shutdown",
    "STORE": "Start-up and shutdown",
    "HTTP": "Refusals",
}
"""The section of a group whose name is not that of a section."""

_OTHERS = "The application"
"""The section of every other group, such as MOUNT and CACHE: what holds for all routes."""


def section_of(case_id: str) -> str:
    """Returns the title of the section for a case, from the group in its ID: `HELLO-1`."""
    group = case_id.rpartition("-")[0]
    named = {title.upper(): title for title in HEADINGS}
    return named.get(group) or _SECTIONS.get(group, _OTHERS)


def by_section(cases: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Returns the cases under each heading, in the order of the contract."""
    return {
        title: [case for case in cases if section_of(case["id"]) == title] for title in HEADINGS
    }


@cache
def source_of(case_id: str) -> str | None:
    """Returns the address of the page with the case's source; None for an unknown case."""
    for file in sorted(_CASES.glob("*.py")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if f'"{case_id}"' in line and "part(" not in line:
                return f"src/{file.relative_to(ROOT).as_posix()}.html#L{number}"
    return None


@dataclass(frozen=True)
class Contract:
    """The recorded result, and the deviations that the applications list.

    An application's list of deviations is complete and right: `make test-all` fails for a case that
    fails and is not listed, and for one that is listed and passes.
    """

    cases: Sequence[Mapping[str, Any]]
    """Each with `id`, `level` and `sentence`; none if no result is recorded."""
    has_page: bool

    @classmethod
    def of(cls, site: Site) -> "Contract":
        recorded = site.result("contract.json")
        has_page = recorded is not None and _PAGE.is_file()
        return cls(recorded["cases"] if recorded else (), has_page)

    def sentence(self, case_id: str) -> str | None:
        """Returns the case in one sentence; None if no result is recorded."""
        return next((case["sentence"] for case in self.cases if case["id"] == case_id), None)

    def address(self, case_id: str) -> str | None:
        """Returns where the case is shown: its results, else its source."""
        return f"contract.html#{case_id}" if self.has_page else source_of(case_id)

    def holds(self, case_id: str, application: Application) -> Cell:
        """Returns a cell that tells whether the application fulfils a case, and why not."""
        reason = application.waivers.get(case_id)
        if reason is None:
            return Cell("yes", self.address(case_id), mark="yes")
        return Cell("no", self.address(case_id), reason, "no")

    def deviations(self, application: Application) -> Cell:
        """Returns a cell with the number of listed deviations and their IDs."""
        waivers = application.waivers
        line = application.line_of("pyproject.toml", "[tool.contract.waivers]")
        evidence = application.source("pyproject.toml", line)
        return Cell(str(len(waivers)), evidence, ", ".join(waivers) or None, number=len(waivers))

    def deviating(self, applications: Iterable[Application]) -> list[str]:
        """Returns the IDs of the cases that some of the applications do not fulfil."""
        return sorted({id for each in applications for id in each.waivers}, key=_order)

    def differences(self, applications: Iterable[Application]) -> list[str]:
        """Returns the IDs of the cases that some of the applications fulfil, and some do not."""
        lists: list[set[str]] = [set(application.waivers) for application in applications]
        return sorted(set[str]().union(*lists) - lists[0].intersection(*lists), key=_order)


def _order(case_id: str) -> tuple[str, int]:
    group, _, number = case_id.rpartition("-")
    return group, int(number)

"""Which cases of the contract belong to which section of an application."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from comparison.site.applications import HEADINGS
from tooling.frameworks import ROOT

_CASES = ROOT / "tests" / "contract" / "cases"

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

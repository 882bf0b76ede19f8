"""The sentences "Choose X if ...": only what rows of the decision table show of X alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from comparison.reasons import reasons
from comparison.site.applications import Application
from comparison.site.contract_cases import Contract
from comparison.site.table import Cell, Group, Row


@dataclass(frozen=True)
class Reason:
    """One reason for one framework, with its evidence."""

    text: str
    """Markdown; continues "Choose X if "."""
    evidence: str | None


@dataclass(frozen=True)
class Advice:
    """One framework, and what is true of it alone; nothing, if nothing is."""

    application: Application
    reasons: list[Reason]


_LEAST = {
    "Lines of the application": "you want the least code ({value} lines)",
    "Packages installed with it": "few packages matter ({value} with server and companions)",
    "SHOULD cases that it does not fulfil": "its defaults are to be nearest to the contract"
    " ({value} deviations)",
}
"""The rows in which the one smallest number is a reason."""

_WORDS = {"validation": "Validation of parameters", "openapi": "OpenAPI document"}
"""The row in which the words of a reason stand."""


def advise(
    groups: Sequence[Group], contract: Contract, applications: Sequence[Application]
) -> list[Advice]:
    """Returns the advice for each framework, in their order."""
    rows = {row.title: row for group in groups for row in group.rows}
    return [
        Advice(application, list(_reasons(number, application, rows, contract, applications)))
        for number, application in enumerate(applications)
    ]


def _reasons(
    number: int,
    application: Application,
    rows: dict[str, Row],
    contract: Contract,
    applications: Sequence[Application],
) -> Iterator[Reason]:
    frameworks = [each.framework for each in applications]
    for key, text in reasons(application.framework, frameworks).items():
        words = _WORDS.get(key)
        evidence = rows[words].cells[number].evidence if words else contract.address(key)
        yield Reason(text, evidence)
    for title, text in _LEAST.items():
        cell = rows[title].cells[number]
        if _is_least(cell, rows[title]):
            yield _reason(text, cell)
    for row in rows.values():
        if row.best == number and row.advice:
            yield _reason(row.advice, row.cells[number])


def _is_least(cell: Cell, row: Row) -> bool:
    numbers = [each.number for each in row.cells if each.number is not None]
    return (
        cell.number is not None and cell.number == min(numbers) and numbers.count(cell.number) == 1
    )


def _reason(text: str, cell: Cell) -> Reason:
    return Reason(text.format(value=cell.text), cell.evidence)

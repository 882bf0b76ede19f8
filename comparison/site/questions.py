"""The questions that people ask first: each with a short answer and where its evidence stands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from comparison.site.applications import slug
from comparison.site.model import Site
from comparison.site.table import Cell, Group, Row
from comparison.site.upgrades import read_upgrades

LINES = "Lines of the application"
THROUGHPUT = "Requests per second"
BLOCKING = "Code that blocks (pandas, requests, a model)"
WAIT = "Others wait while code blocks"
LEAVES = "A client that leaves ends its query"


@dataclass(frozen=True)
class Question:
    """One question."""

    text: str
    answer: str
    """Markdown."""
    evidence: str
    """An address, relative to the top of the site."""


def questions(site: Site, groups: Sequence[Group]) -> Iterator[Question]:
    """Yields the questions; the answers are taken from the rows of the decision table."""
    rows = {row.title: row for group in groups for row in group.rows}
    names = [application.title for application in site.applications]
    yield Question("Which needs the least code?", _least(rows[LINES], names), f"#{slug(LINES)}")
    yield Question(
        "Which is the fastest, by how much, and is that certain?",
        _fastest(rows, names),
        f"#{slug(THROUGHPUT)}" if THROUGHPUT in rows else "figures.html",
    )
    fulfil = [
        name for name, cell in zip(names, rows[LEAVES].cells, strict=True) if cell.mark == "yes"
    ]
    yield Question(
        "Which ends a query when its client leaves?",
        f"{_listed(fulfil) or 'None'}.",
        f"#{slug(LEAVES)}",
    )
    yield Question(
        "How does each do websockets?",
        "In one function: the section Live of every source, beside each other.",
        "side-by-side.html#live",
    )
    yield Question(
        "What if my code blocks: pandas, requests, a model?", _blocking(rows), f"#{slug(BLOCKING)}"
    )
    yield _upgrades(site)
    yield Question(
        "What do I type to deploy one?",
        f"One command, such as `make deploy-{site.applications[0].name}`.",
        "deploy.html#commands",
    )


def _least(row: Row, names: Sequence[str]) -> str:
    numbers = sorted((cell.number or 0, name) for name, cell in zip(names, row.cells, strict=True))
    (least, first), *others = [(f"{number:g}", name) for number, name in numbers]
    return ", ".join([f"{first} {least} lines", *(f"{name} {size}" for size, name in others)]) + "."


def _fastest(rows: Mapping[str, Row], names: Sequence[str]) -> str:
    row = rows.get(THROUGHPUT)
    if row is None:
        return "Not measured yet."
    if row.best is None:
        return "No framework is decidedly the first."
    cell: Cell = row.cells[row.best]
    return f"{names[row.best]}: {cell.text} requests/s, {cell.lead}. That is decided."


def _blocking(rows: Mapping[str, Row]) -> str:
    mistake, recommended = (
        _span(rows.get(f"{WAIT}: {way}")) for way in ("by mistake", "as recommended")
    )
    if mistake is None or recommended is None:
        return "It has to run in a thread; each framework has a way."
    return (
        f"In the event loop, a second of it makes others wait {mistake} ms; in a thread,"
        f" {recommended} ms."
    )


def _span(row: Row | None) -> str | None:
    cells = [cell for cell in row.cells if cell.number is not None] if row else []
    texts = [cell.text for cell in sorted(cells, key=lambda cell: cell.number or 0)]
    return f"{texts[0]} to {texts[-1]}" if texts else None


def _upgrades(site: Site) -> Question:
    text = "What did upgrades change in the last year?"
    document = site.result("upgrades.json")
    if document is None:
        return Question(text, "Not tested yet.", "upgrade.html")
    upgrades = read_upgrades(document)
    changed = [each.title for each in upgrades if each.changed]
    tested = sum(len(each.tested) for each in upgrades)
    total = sum(len(each.releases) for each in upgrades)
    what = f"Some cases of {_listed(changed)}" if changed else "No case of the contract"
    refused = [
        f" {each.title} {release.version} does not run on Python {_listed(release.refused)}."
        for each in upgrades
        for release in each.refused
    ]
    answer = f"{what}; {tested} of {total} releases are tested.{''.join(refused[:1])}"
    return Question(text, answer, "upgrade.html#changes")


def _listed(names: Sequence[str]) -> str:
    *first, last = names or [""]
    return f"{', '.join(first)} and {last}" if first else last

"""The decision table: groups of rows, with a cell for each framework that leads to its evidence."""

import re
from collections.abc import Callable, Iterable

from comparison.site.applications import Application, Section
from comparison.site.contract_cases import Contract
from comparison.site.figures import Figures
from comparison.site.life import life_rows
from comparison.site.model import Site
from comparison.site.notes import NEEDED, notes_of
from comparison.site.questions import BLOCKING, LEAVES, LINES
from comparison.site.table import Cell, Group, Row
from tooling.frameworks import ROOT

_FIGURES = (
    "The middle value, its 95 % interval, and the place that the figures decide. A shared place,"
    " such as 2-4, is not decided. One process on one core behind uvicorn, over loopback."
)


def decision(site: Site) -> list[Group]:
    """Returns the groups in the order of the page."""
    contract, figures = Contract.of(site), Figures.of(site)
    return [
        Group("How it is written", "written", list(_written(site))),
        Group(
            "What it cost to conform",
            "conform",
            list(_cost(site, contract)),
            "To conform is to pass every MUST case of the contract, under every path prefix.",
        ),
        Group("Speed and memory", "speed", figures.rows("speed"), _FIGURES, figures.missing),
        Group(
            "Waiting",
            "waiting",
            [*_waiting(site, contract), *figures.rows("waiting")],
            missing=figures.missing
            and f"How long others wait, and how a server stops: {figures.missing}",
        ),
        Group("Life", "life", life_rows(site)),
    ]


def _row(
    site: Site, title: str, cell: Callable[[Application], Cell], hint: str | None = None
) -> Row:
    return Row(title, [cell(application) for application in site.applications], hint)


# --- How it is written


def _words(site: Site, title: str, key: str, section: str, hint: str | None = None) -> Row:
    """A row with the words of `[tool.contract.words]`, which leads to a section of the sources."""

    def cell(application: Application) -> Cell:
        text = application.framework.contract.get("words", {}).get(key)
        evidence = application.link(application.section(section).first)
        return Cell(text, evidence) if text else Cell("not described yet", evidence)

    return _row(site, title, cell, hint)


def _written(site: Site) -> Iterable[Row]:
    yield _row(
        site,
        LINES,
        lambda application: Cell(
            str(application.size), application.link(1), number=application.size
        ),
        "lines of app.py that are not blank",
    )
    yield _row(site, "Its longest section", _longest, "lines that are not blank")
    yield _words(site, "Style", "style", "Greetings")
    yield _words(site, "Validation of parameters", "validation", "Greetings")
    yield _words(site, "OpenAPI document", "openapi", "Documentation", "what `/openapi.json` is")
    yield _words(site, "Templates, static files", "templates", "Pages")
    yield _words(site, "Websockets", "websocket", "Live", "what a handler receives")
    yield _words(site, "Server-sent events", "events", "Greetings", "a stream that a browser reads")


def _longest(application: Application) -> Cell:
    longest: Section = max(application.sections, key=lambda section: section.size)
    return Cell(f"{longest.title}, {longest.size}", application.link(longest.first))


# --- What it cost to conform


def _cost(site: Site, contract: Contract) -> Iterable[Row]:
    yield _row(site, "Changes that it needed", _changes, "points in its README")
    yield _row(
        site,
        "SHOULD cases that it does not fulfil",
        contract.deviations,
        "deviations that stay, each with its reason",
    )
    yield _row(
        site,
        "Packages installed with it",
        lambda application: Cell(
            str(len(application.locked)),
            application.source("requirements.txt"),
            number=len(application.locked),
        ),
        "distributions in its lock, with server and companions",
    )
    yield _row(site, "Companions", _companions, "what the application depends on beside it")
    yield _row(site, "Exceptions from strict typing", _ignores, "`type: ignore` in app.py")
    yield _row(
        site, "Routes the path behind a prefix", _path, "why others “deploy fine, answer 404”"
    )


def _changes(application: Application) -> Cell:
    notes = [note for note in notes_of(application) if note.chapter == NEEDED]
    line = notes[0].line if notes else 1
    return Cell(str(len(notes)), application.source("README.md", line), number=len(notes))


def _companions(application: Application) -> Cell:
    names = application.companions
    line = application.line_of("pyproject.toml", "dependencies")
    return Cell(", ".join(names) or "none", application.source("pyproject.toml", line))


def _ignores(application: Application) -> Cell:
    lines = [number for number, line in enumerate(application.lines, 1) if "type: ignore" in line]
    return Cell(str(len(lines)), application.link(lines[0] if lines else 1), number=len(lines))


def _path(application: Application) -> Cell:
    words = {"included": "with the prefix", "stripped": "without the prefix"}
    last = len(application.lines)
    found = re.search(r'path="(\w+)"', application.lines[-1])
    return Cell(words.get(found[1] if found else "", "not stated"), application.link(last))


# --- Waiting


def _waiting(site: Site, contract: Contract) -> Iterable[Row]:
    yield _row(site, BLOCKING, _blocking)
    yield _row(
        site,
        LEAVES,
        lambda application: contract.holds("STORE-7", application),
        "case STORE-7, in PostgreSQL",
    )
    yield _words(site, "A stream whose client left", "stream", "Greetings")
    yield _row(
        site,
        "An empty binary message closes with 1003",
        lambda application: contract.holds("LIVE-4", application),
        "case LIVE-4, on a websocket",
    )


def _blocking(application: Application) -> Cell:
    text = application.framework.contract.get("words", {}).get("blocking", "not described yet")
    file = ROOT / "comparison" / "bench" / "blocking" / f"{application.name}.py"
    evidence = f"src/{file.relative_to(ROOT).as_posix()}.html" if file.is_file() else None
    return Cell(text, evidence)

"""README's measured rows, and its sentences "Choose X if ...", from `comparison/results/bench.json`.

They stand between comments in README. A test compares them with what this module computes.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from comparison.bench.analysis import Row, Summary, Table
from comparison.bench.report import number, place, summary_of
from comparison.bench.results import Document
from tooling.errors import UsageError
from tooling.frameworks import Framework, find_framework

BEGIN, END = "<!-- {}: filled by make bench-readme -->", "<!-- end of {} -->"


@dataclass(frozen=True)
class Measured:
    """One row of README."""

    label: str
    matter: str
    """What a reader cares for whom this row decides: "Choose X if <matter>"."""
    module: str
    figure: str
    unit: str


ROWS = (
    Measured(
        "requests/s on `/greetings`", "throughput counts", "capacity", "/greetings", "requests/s"
    ),
    Measured(
        "processor time of `/about`, us",
        "the processor time of HTML pages counts",
        "capacity",
        "/about",
        "CPU us/request",
    ),
    Measured(
        "rows/s of a stream of 100,000 rows",
        "you stream large results",
        "rows",
        "100,000 rows",
        "rows/s",
    ),
    Measured(
        "p99 latency at half the capacity of the slowest, ms",
        "the slowest percent of requests counts",
        "latency",
        "/greetings at 50 %",
        "ms p99",
    ),
    Measured("memory after start, MB", "memory counts", "memory", "after start, 1 worker", "MB"),
    Measured(
        "start to first answer, ms",
        "the start counts",
        "start",
        "process to first answer, with bytecode",
        "ms",
    ),
    Measured("installed packages, MB", "the size on disk counts", "weight", "installed", "MB"),
    Measured("bundle, KB", "the size of the upload counts", "weight", "bundle", "KB"),
)


def write_readme(file: Path, document: Document) -> None:
    """Fills both parts. Raises `UsageError` if README lacks the comments."""
    text = file.read_text(encoding="utf-8")
    summary = summary_of(document)
    text = _replaced(text, "measured", table(document, summary))
    text = _replaced(text, "choice", choice(document, summary))
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)


def part(text: str, name: str) -> str | None:
    """Returns what stands between the comments of that name; None without them."""
    begin, end = re.escape(BEGIN.format(name)), re.escape(END.format(name))
    found = re.search(f"{begin}\n(.*?){end}", text, re.DOTALL)
    return found[1] if found else None


def _replaced(text: str, name: str, content: str) -> str:
    if (old := part(text, name)) is None:
        raise UsageError(f"README.md lacks the comment {BEGIN.format(name)}.")
    begin = BEGIN.format(name) + "\n"
    return text.replace(begin + old, begin + content)


def table(document: Document, summary: Summary) -> str:
    """Returns the measured table in Markdown: a row for each measure, a column for each app."""
    frameworks = [find_framework(name) for name in document["settings"]["apps"]]
    # In the order of README's other table.
    frameworks.sort(key=_column)
    lines = [
        f"| measured | {' | '.join(framework.title for framework in frameworks)} |",
        "|---" * (len(frameworks) + 1) + "|",
    ]
    for measured in ROWS:
        found = _find(summary, measured)
        cells = [_cell(_row(found, framework)) for framework in frameworks]
        lines.append(f"| {measured.label} | {' | '.join(cells)} |")
    machine = document["identity"]["machine"]
    lines += [
        "",
        f"Measured {document['started'][:10]} with uvicorn on one core of"
        f" {machine['processor']}: value, 95 % interval, and place. Places that are not decided"
        " are shared.",
        "",
    ]
    return "\n".join(lines)


def _column(framework: Framework) -> int:
    titles = (framework.folder.parent / "README.md").read_text(encoding="utf-8")
    header = re.search(r"^\| \| FastAPI.*$", titles, re.MULTILINE)
    return header[0].find(framework.title) if header else 0


def _find(summary: Summary, measured: Measured) -> Table | None:
    key = (measured.module, "uvicorn", measured.figure, measured.unit)
    for found in summary.tables:
        if (found.module, found.server, found.name, found.unit) == key:
            return found
    return None


def _row(found: Table | None, framework: Framework) -> Row | None:
    if found is None:
        return None
    return next((row for row in found.rows if row.subject == f"{framework.name} matched"), None)


def _cell(row: Row | None) -> str:
    if row is None:
        return "not measured"
    if row.faults or row.value is None:
        return "void"
    if row.value.rounds == 1:
        return number(row.value.middle)
    text = f"{number(row.value.middle)} ({number(row.value.low)} to {number(row.value.high)})"
    if row.value.kind == "interval" and row.rank is not None:
        return f"{text}, {place(row.rank)}"
    return text


def choice(document: Document, summary: Summary) -> str:
    """Returns a sentence for each application, and one for what is not decided."""
    frameworks = sorted(map(find_framework, document["settings"]["apps"]), key=_column)
    sentences = [f"- {_sentence(framework, summary)}" for framework in frameworks]
    undecided = [m.label for m in ROWS if _leader(_find(summary, m)) is None]
    if undecided:
        sentences.append(
            "- Choose by reading the code if nothing above matters to you. No application leads in:"
            f" {'; '.join(undecided)}."
        )
    return "\n".join([*sentences, ""])


def _leader(found: Table | None) -> str | None:
    """Returns the subject that is decidedly the first; None if there is none."""
    if found is None:
        return None
    rows = [row for row in found.rows if row.rank == (1, 1) and not row.faults]
    several = len([row for row in found.rows if row.rank is not None]) > 1
    return rows[0].subject if rows and several else None


def _sentence(framework: Framework, summary: Summary) -> str:
    name = f"{framework.name} matched"
    leads = [m for m in ROWS if _leader(_find(summary, m)) == name]
    if leads:
        reasons = " or ".join(measured.matter for measured in leads)
        figures = "; ".join(
            f"{m.label}: {_cell(_row(_find(summary, m), framework))}" for m in leads
        )
        return f"Choose {framework.title} if {reasons} ({figures})."
    rows = [(m, _row(_find(summary, m), framework)) for m in ROWS]
    places = [(row.rank, m, row) for m, row in rows if row and row.rank and not row.faults]
    if not places:
        return f"Choose {framework.title} if its style suits you: no row of the table decides."
    _, measured, row = min(places, key=lambda found: found[0])
    return (
        f"Choose {framework.title} if its style suits you. It leads in no row of the table; its best"
        f" is {measured.label}: {_cell(row)}."
    )

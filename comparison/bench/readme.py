"""What the READMEs say of `comparison/results/bench.json`.

README has the measured rows, the sentences "Choose X if ...", and what a second process costs and
brings; the README of each application has what its idiom costs. They stand between comments. A test
compares them with what this module computes.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from comparison.bench.analysis import Row, Summary, Table
from comparison.bench.measures import checking, idiom, waiting
from comparison.bench.report import number, place, summary_of
from comparison.bench.results import Document
from comparison.bench.statistics import geometric_interval
from comparison.bench.workloads import GREETINGS
from comparison.reasons import reasons
from tooling.errors import UsageError
from tooling.frameworks import Framework, find_framework

BEGIN, END = "<!-- {}: filled by make bench-readme -->", "<!-- end of {} -->"


@dataclass(frozen=True)
class Measured:
    """One row of README."""

    label: str
    matter: str | None
    """What a reader cares for whom this row decides: "Choose X if <matter>". None: the row does not
    compare the frameworks with each other."""
    module: str
    figure: str
    unit: str


ROWS = (
    Measured(
        "requests/s on `/greetings`", "throughput counts", "capacity", "/greetings", "requests/s"
    ),
    Measured(
        "processor time of constant bytes in the same framework, ratio to that of `/greetings`",
        None,
        "idiom",
        idiom.name_of(GREETINGS),
        idiom.UNIT,
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
        "answers/s over 100 websockets",
        "websockets count",
        "live",
        "questions, 100 websockets",
        "1/s",
    ),
    Measured(
        "p99 latency at half the capacity of the slowest, ms",
        "the slowest percent of requests counts",
        "latency",
        "/greetings at 50 %",
        "ms p99",
    ),
    Measured(
        "memory of a process after 20 requests, MB",
        "memory counts",
        "start",
        "memory after 20 requests, with bytecode",
        "MB",
    ),
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
SECOND_PROCESS = (
    Measured("memory of one worker, MB", None, "memory", "after start, 1 worker", "MB"),
    Measured("memory of two workers, MB", None, "memory", "after start, 2 workers", "MB"),
    Measured("answers, one worker", None, "waiting", waiting.NAMES[0][0], waiting.RATIO),
    Measured("answers, two workers", None, "waiting", waiting.NAMES[5][0], waiting.RATIO),
)
"""What a second process costs, and what it brings."""
CHECKING = Measured("", None, "checking", checking.NAME, checking.UNIT)


def write_readme(file: Path, document: Document) -> None:
    """Fills every part. Raises `UsageError` if README lacks the comments."""
    summary = summary_of(document)
    parts = {
        "measured": table(document, summary),
        "choice": choice(document, summary),
        "second process": second_process(document, summary),
    }
    _write(file, parts)


def write_application_readme(file: Path, framework: Framework, document: Document) -> None:
    """Fills what the idiom costs. Raises `UsageError` if the file lacks the comments."""
    _write(file, {"idiom": idiom_cost(document, summary_of(document), framework)})


def _write(file: Path, parts: Mapping[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for name, content in parts.items():
        text = _replaced(text, name, content)
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
    machine = document["identity"]["machine"]
    lines = [
        *_rows(ROWS, document, summary),
        "",
        f"Measured {document['started'][:10]} with uvicorn on one core of"
        f" {machine['processor']}: value, its 95 % interval, and place. A place follows from the"
        " ratios of the applications within each round, so that the intervals of two places may"
        " overlap. Places that are not decided are shared.",
        "",
    ]
    return "\n".join(lines)


def second_process(document: Document, summary: Summary) -> str:
    """Returns what a second worker costs and brings, as a table with a sentence."""
    return "\n".join(
        [
            *_rows(SECOND_PROCESS, document, summary),
            "",
            "Answers: of a store that takes 50 ms a query, as a ratio to the"
            f" {waiting.BOUND:g} a second that one pool of {waiting.POOL_SIZE} connections allows"
            f" (B3, B5, {document['started'][:10]}). All workers ran on one core: what another core"
            " brings was not measured.",
            "",
        ]
    )


def _rows(rows: Sequence[Measured], document: Document, summary: Summary) -> list[str]:
    frameworks = [find_framework(name) for name in document["settings"]["apps"]]
    # In the order of README's other table.
    frameworks.sort(key=_column)
    lines = [
        f"| measured | {' | '.join(framework.title for framework in frameworks)} |",
        "|---" * (len(frameworks) + 1) + "|",
    ]
    for measured in rows:
        found = _find(summary, measured)
        cells = [_cell(_row(found, framework)) for framework in frameworks]
        lines.append(f"| {measured.label} | {' | '.join(cells)} |")
    return lines


_FORMS = {
    idiom.STATIC: "constant bytes",
    idiom.LAYERED: "constant bytes behind `shared/`",
    idiom.MATCHED: "this application",
}
"""The columns of what the idiom costs."""


def idiom_cost(document: Document, summary: Summary, framework: Framework) -> str:
    """Returns a table with the processor time of each form, and the ratio, by address.

    The first recorded runs lack the constant bytes behind `shared/`: then the column is absent.
    """
    lines = []
    times = _times(document, f"{framework.name} matched")
    forms = [form for form in _FORMS if any(form in each for _, each in times)]
    for workload in idiom.WORKLOADS:
        name = idiom.name_of(workload)
        found = _row(_find(summary, Measured("", None, "idiom", name, idiom.UNIT)), framework)
        if found is None:
            continue
        own = [each for title, each in times if title == name]
        usable = bool(found.values) and not found.faults
        cells = [
            number(geometric_interval([each[form] for each in own]).middle) if usable else "void"
            for form in forms
        ]
        lines.append(f"| `{workload.target}` | {' | '.join([*cells, _cell(found)])} |")
    if not lines:
        return "The ratio is not measured yet (`make bench`).\n"
    return "\n".join(
        [
            f"Processor time of a request in us: of a handler in {framework.title} that answers the"
            " same bytes as a constant, and of this application. Their ratio has a 95 % interval"
            f" (B11, {document['started'][:10]}).",
            "",
            f"| | {' | '.join(_FORMS[form] for form in forms)} | ratio |",
            "|---" * (len(forms) + 2) + "|",
            *lines,
            "",
        ]
    )


def _times(document: Document, subject: str) -> list[tuple[str, dict[str, float]]]:
    """Returns the name of each valid figure of B11, with the processor time of each form."""
    return [
        (figure["name"], figure["extra"][idiom.TIMES])
        for block in document["blocks"]
        if block["module"] == "idiom"
        for figure in block["figures"].get(subject, ())
        if idiom.TIMES in figure["extra"] and not figure["faults"]
    ]


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
    text = number(row.value.middle)
    if row.value.rounds > 1:
        text += f" ({number(row.value.low)} to {number(row.value.high)})"
    if row.value.kind != "range" and row.rank is not None:
        return f"{text}, {place(row.rank)}"
    return text


def choice(document: Document, summary: Summary) -> str:
    """Returns a sentence for each application, and one for what is not decided."""
    frameworks = sorted(map(find_framework, document["settings"]["apps"]), key=_column)
    sentences = [f"- {_sentence(framework, frameworks, summary)}" for framework in frameworks]
    undecided = [m.label for m in _deciding() if _leader(_find(summary, m)) is None]
    if undecided:
        sentences.append(
            "- Choose by reading the code if nothing above matters to you. No application leads"
            f" alone in: {'; '.join(undecided)}."
        )
    return "\n".join([*sentences, ""])


def _deciding() -> list[Measured]:
    return [measured for measured in ROWS if measured.matter is not None]


def _first(found: Table | None) -> list[str]:
    """Returns the subjects that are not decidedly behind another one; empty if none is."""
    if found is None:
        return []
    rows = [row for row in found.rows if row.subject.endswith(" matched") and not row.faults]
    ranked = [row for row in rows if row.rank is not None]
    first = [row.subject for row in ranked if row.rank is not None and row.rank[0] == 1]
    return first if len(first) < len(ranked) else []


def _leader(found: Table | None) -> str | None:
    """Returns the subject that is decidedly the first; None if there is none."""
    first = _first(found)
    return first[0] if len(first) == 1 else None


def _sentence(framework: Framework, frameworks: list[Framework], summary: Summary) -> str:
    name = f"{framework.name} matched"

    def evidence(rows: list[Measured]) -> str:
        return "; ".join(f"{m.label}: {_cell(_row(_find(summary, m), framework))}" for m in rows)

    rows = {m: _row(_find(summary, m), framework) for m in _deciding()}
    ranks = {m: row.rank for m, row in rows.items() if row and row.rank and not row.faults}
    unlike = reasons(framework, frameworks)
    alone = [m for m in _deciding() if _leader(_find(summary, m)) == name]
    shared = [m for m in _deciding() if name in _first(_find(summary, m))]
    wanted = [*unlike.values(), *(f"{measured.matter}" for measured in alone or shared)]
    sentence = f"Choose {framework.title} if {_either(wanted) or 'its style suits you'}"
    if alone:
        return f"{sentence} ({evidence(alone)})."
    after_one = [m for m, rank in ranks.items() if rank == (2, 2)]
    second = f" It is second in {evidence(after_one)}." if after_one else ""
    if "validation" in unlike:
        sentence += _cost_of_checking(framework, summary)
    if shared:
        first = {subject for m in shared for subject in _first(_find(summary, m))} - {name}
        others = [each.title for each in frameworks if f"{each.name} matched" in first]
        return (
            f"{sentence} ({evidence(shared)}). It is not separated from {' and '.join(others)}"
            f" there, and leads alone in no row.{second}"
        )
    if not ranks:
        return f"{sentence}: no row of the table decides."
    if after_one:
        return f"{sentence}. No measured row is a reason.{second}"
    # 2-3 is better than a place that all share, 1-4.
    best = min(ranks, key=lambda m: sum(ranks[m]))
    return f"{sentence}. No measured row is a reason: its best is {evidence([best])}."


def _either(reasons: Sequence[str]) -> str:
    *others, last = reasons or [""]
    return f"{', '.join(others)} or {last}" if others else last


def _cost_of_checking(framework: Framework, summary: Summary) -> str:
    found = _find(summary, CHECKING)
    for row in found.rows if found else ():
        if row.subject == f"{framework.name} stock" and row.value and not row.faults:
            return f"; a checked request costs {_cell(row)} times an unchecked one (B10)"
    return ""

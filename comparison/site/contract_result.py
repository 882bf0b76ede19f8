"""Arranges the recorded result of the contract for reading: `comparison/results/contract.json`.

A "way" is a server with a store, such as uvicorn with PostgreSQL: the columns of a case's page.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from comparison.site.applications import slug

_BODY = 400
"""How many characters of a body a page shows."""

SAME = "(the same body as above)"

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Way:
    """A server, with a store."""

    server: str
    store: str

    @property
    def title(self) -> str:
        return self.server if self.store == "json" else f"{self.server}, PostgreSQL"

    @property
    def slug(self) -> str:
        return slug(self.title)


@dataclass(frozen=True)
class Line:
    """A line of an answer."""

    text: str
    differs: bool
    """Whether another app's answer, on the same way, lacks the line."""


@dataclass(frozen=True)
class Answers:
    """The same answers of some applications."""

    apps: Sequence[str]
    lines: Sequence[Line]


@dataclass(frozen=True)
class Exchange:
    """Requests that were answered alike, and the answers on each way.

    `answers` has the titles of the ways that are alike, and what each application answered there.
    """

    requests: Sequence[str]
    answers: Sequence[tuple[Sequence[str], Sequence[Answers]]]
    summary: str

    @property
    def differs(self) -> bool:
        return any(len(answers) > 1 for _, answers in self.answers)


@dataclass(frozen=True)
class Part:
    """One part of a case. `more` is the number of requests that are not written out."""

    name: str
    exchanges: Sequence[Exchange]
    more: int


@dataclass(frozen=True)
class Case:
    """One case: what holds, by app and way, and what was sent and received."""

    id: str
    level: str
    sentence: str
    ways: Sequence[Way]
    cells: Mapping[tuple[str, Way], Mapping[str, Any]]
    """By the name of the app and the way."""
    parts: Sequence[Part]

    @property
    def address(self) -> str:
        return f"contract/{self.id}.html"

    def of(self, app: str) -> list[Mapping[str, Any]]:
        """The cells of one application."""
        return [self.cells[app, way] for way in self.ways if (app, way) in self.cells]

    def holds(self, app: str) -> bool:
        return all(cell["outcome"] == "pass" for cell in self.of(app))

    def reason(self, app: str) -> str | None:
        """Why the application deviates: the reason of its waiver."""
        return next((cell["reason"] for cell in self.of(app) if "reason" in cell), None)

    @property
    def has_observed(self) -> bool:
        return any(cell.get("observed") for cell in self.cells.values())

    def observed(self, app: str) -> list[str]:
        """What the case has observed, each text once."""
        return list(
            dict.fromkeys(text for cell in self.of(app) for text in cell.get("observed", []))
        )


def read_cases(document: Document) -> list[Case]:
    """The cases of a result, in the order of the contract."""
    titles = {name: app["title"] for name, app in document["apps"].items()}
    cells: dict[str, dict[tuple[str, Way], Document]] = {}
    for row in document["cells"]:
        way = Way(row["server"], row["store"])
        cells.setdefault(row["case"], {})[row["app"], way] = row
    rows: dict[tuple[str, str], list[Document]] = {}
    for row in document["exchanges"]:
        rows.setdefault((row["case"], row["part"]), []).append(row)
    return [
        Case(
            case["id"],
            case["level"],
            case["sentence"],
            list(dict.fromkeys(way for _, way in cells.get(case["id"], {}))),
            cells.get(case["id"], {}),
            [
                _part(name, rows.get((case["id"], name), []), document, titles)
                for name in case["parts"]
            ],
        )
        for case in document["cases"]
    ]


def _part(
    name: str, rows: Sequence[Document], document: Document, titles: Mapping[str, str]
) -> Part:
    by_request: dict[str, dict[Way, Mapping[str, Any]]] = {}
    more = 0
    for row in rows:
        if "more" in row:
            more = max(more, *(app["more"] for app in row["more"].values()))
        else:
            way = Way(row["server"], row["store"])
            by_request.setdefault(row["request"], {})[way] = row["answers"]
    alike: dict[str, list[str]] = {}
    for request, ways in by_request.items():
        alike.setdefault(repr(ways), []).append(request)
    return Part(
        name,
        [_exchange(names, by_request[names[0]], document, titles) for names in alike.values()],
        more,
    )


def _exchange(
    names: Sequence[str],
    ways: Mapping[Way, Mapping[str, Any]],
    document: Document,
    titles: Mapping[str, str],
) -> Exchange:
    """`ways` has, by way and app, the names of the answers."""
    same: dict[str, list[Way]] = {}
    for way, answers in ways.items():
        same.setdefault(repr(answers), []).append(way)
    shown: set[str] = set()
    return Exchange(
        [request_text(document["requests"][name]) for name in names],
        [
            (
                [way.title for way in alike],
                _answers(ways[alike[0]], document["answers"], titles, shown),
            )
            for alike in same.values()
        ],
        _summary(ways, document["answers"], titles),
    )


def _answers(
    by_app: Mapping[str, Sequence[str | None]],
    known: Mapping[str, Document],
    titles: Mapping[str, str],
    shown: set[str],
) -> list[Answers]:
    apps: dict[tuple[str | None, ...], list[str]] = {}
    for app, names in by_app.items():
        apps.setdefault(tuple(names), []).append(titles[app])
    answers = {names: [known[name] if name else None for name in names] for names in apps}
    texts = {
        names: {line for answer in each for line in answer_lines(answer)}
        for names, each in answers.items()
    }
    common = set.intersection(*texts.values())
    return [
        Answers(
            apps[names],
            [
                Line(text, text not in common and text != SAME)
                for answer in each
                for text in _lines(answer, shown)
            ],
        )
        for names, each in answers.items()
    ]


def _lines(answer: Document | None, shown: set[str]) -> list[str]:
    """The lines of an answer, without a body that the exchange has shown before."""
    if answer is None or len(body := answer.get("body", "")) < 80:
        return answer_lines(answer)
    if body not in shown:
        shown.add(body)
        return answer_lines(answer)
    return answer_lines({**answer, "body": SAME})


def _summary(
    ways: Mapping[Way, Mapping[str, Any]], known: Mapping[str, Document], titles: Mapping[str, str]
) -> str:
    """The statuses, by app where they differ."""
    statuses: dict[str, str] = {}
    for answers in ways.values():
        for app, names in answers.items():
            found = dict.fromkeys(
                f"{known[name]['status']}" if name else "not read" for name in names
            )
            statuses[titles[app]] = " and ".join(found)
    if len(set(statuses.values())) == 1:
        return next(iter(statuses.values()))
    return ", ".join(f"{title} {status}" for title, status in statuses.items())


def request_text(request: Document) -> str:
    """The request in one line: method, target, headers, and how it was sent if not as usual."""
    headers = [f"{name}: {value}" for name, value in request.get("headers", [])]
    trailers = [f"trailer {name}: {value}" for name, value in request.get("trailers", [])]
    trust = [] if request.get("trust", True) else ["Connect's headers not trusted"]
    mount = [] if request["mount"] == "bare" else [f"mount {request['mount']}"]
    line = f"{request['method']} {request['target']}"
    return _cut("; ".join([line, *headers, *trailers, *mount, *trust]), _BODY)


def answer_lines(answer: Document | None) -> list[str]:
    """The answer as lines: status, headers, body, messages of a websocket."""
    if answer is None:
        return ["not read: the client left"]
    lines = [f"{answer['status']}"]
    lines += [f"{name}: {value}" for name, value in answer.get("headers", [])]
    lines += [_cut(line, _BODY) for line in _cut(answer.get("body", ""), _BODY).splitlines()]
    return lines + [f"{who}: {_cut(text, 160)}" for who, text in answer.get("messages", [])]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def groups_of(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """The cases by group, the part of their IDs before the number: `HELLO`."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.id.rpartition("-")[0], []).append(case)
    return groups

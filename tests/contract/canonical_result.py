"""The canonical result of the contract: `comparison/results/contract.json`.

The file is committed. A complete run of the suite compares it with what it has found, and fails if
they differ; `make contract-record` writes it. It is made of tables:

- `python`: the version with which the contract ran. Only a run with the same version is compared.
- `rules`: what the canonical form of an exchange leaves out or replaces.
- `apps`: the title and the version of each framework; `servers`: the version of each server.
- `cases`: ID, level, version, sentence, and the names of the parts.
- `mounts`: the mounts through which cases run, by server and store.
- `cells`: one case on one app, on one server with one store: `outcome`, `mounts` (the number of
  mounts through which it ran), `observed`, and the `reason` of a waiver.
- `exchanges`: one request of a case on one server with one store, with the names of the answers
  of each app. With `more` instead of a request: how many requests each app had beyond.
- `requests`, `answers`: by name. An answer that was not read has no name: it is null.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from tests.contract.canonical_exchanges import RULES, identity, observation
from tests.contract.registry import CASES, VERSION, Part
from tests.contract.report import Outcome, Result, replace_file
from tests.contract.subjects import ServerName, Subject, versions_of
from tooling.frameworks import ROOT

FILE = ROOT / "comparison" / "results" / "contract.json"
COMMAND = "make contract-record"

Document = dict[str, Any]
Place = tuple[str, str, str, str]
"""A case, an app, a server and a store."""

PYTHON = "{}.{}".format(*sys.version_info)

_NAMED = 5
"""How many differing cells a message names."""


def document_of(results: Iterable[Result], subjects: Iterable[Subject]) -> Document:
    """The canonical result of a run. Raises `ValueError` for a result that is no part of it."""
    by_place: dict[Place, list[Result]] = {}
    for result in sorted(results, key=_order):
        by_place.setdefault(_place(result), []).append(result)
    frameworks = {s.framework.name: s.framework for s in subjects if s.framework}
    versions = {name: versions_of(framework) for name, framework in sorted(frameworks.items())}
    tables: Document = {"requests": {}, "answers": {}}
    exchanges = _exchanges(by_place, tables)
    return {
        "contract_version": VERSION,
        "python": PYTHON,
        "rules": list(RULES),
        "apps": {
            name: {
                "title": frameworks[name].title,
                "distribution": (distribution := frameworks[name].contract["distribution"]),
                "version": found[distribution],
            }
            for name, found in versions.items()
        },
        "servers": {
            name: version
            for found in versions.values()
            for name, version in found.items()
            if name in get_args(ServerName)
        },
        "cases": [
            {
                "id": case.id,
                "level": case.level,
                "version": case.version,
                "sentence": case.sentence,
                "parts": [part.name for part in case.parts],
            }
            for case in CASES.values()
        ],
        "mounts": _mounts(by_place),
        "cells": [_cell(place, found) for place, found in by_place.items()],
        "exchanges": exchanges,
        **{name: dict(sorted(table.items())) for name, table in tables.items()},
    }


def _order(result: Result) -> tuple[object, ...]:
    cases, servers = list(CASES), get_args(ServerName)
    parts = [part.name for part in CASES[result.case].parts]
    return (
        cases.index(result.case),
        servers.index(result.server),
        result.store,
        result.app,
        parts.index(result.part),
        result.mount,
    )


def _place(result: Result) -> Place:
    assert result.store is not None
    return result.case, result.app, result.server, result.store


def _mounts(by_place: dict[Place, list[Result]]) -> list[dict[str, Any]]:
    mounts: dict[tuple[str, str], set[str]] = {}
    for (_, _, server, store), results in by_place.items():
        mounts.setdefault((server, store), set()).update(result.mount for result in results)
    return [
        {"server": server, "store": store, "mounts": sorted(names)}
        for (server, store), names in mounts.items()
    ]


def _cell(place: Place, results: Sequence[Result]) -> dict[str, Any]:
    """The results of all parts through all mounts. One that failed decides, then one waived."""
    case, app, server, store = place
    outcomes = {result.outcome for result in results}
    cell: dict[str, Any] = {
        "case": case,
        "app": app,
        "server": server,
        "store": store,
        "outcome": min(outcomes, key=get_args(Outcome).index),
        "mounts": len({result.mount for result in results}),
    }
    seen = (observation(text) for result in results for text in result.observed)
    if observed := list(dict.fromkeys(seen)):
        cell["observed"] = observed
    if reasons := {result.reason for result in results if result.reason}:
        (cell["reason"],) = reasons
    return cell


def _exchanges(by_place: dict[Place, list[Result]], tables: Document) -> list[dict[str, Any]]:
    """One row for each request of a part, in the order in which the first app received it."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for (case, app, server, store), results in by_place.items():
        for result in results:
            for step in result.exchanges:
                where = {"case": case, "part": result.part, "server": server, "store": store}
                row = rows.setdefault((*where.values(), _request(step, tables)), {**where})
                if "more" in step:
                    row.setdefault("more", {})[app] = step
                else:
                    row["request"] = _request(step, tables)
                    named = [_name(answer, tables) for answer in step["answers"]]
                    row.setdefault("answers", {})[app] = named
    return list(rows.values())


def _request(step: dict[str, Any], tables: Document) -> str:
    if "more" in step:
        return "more"
    name = identity(step["request"])
    tables["requests"][name] = step["request"]
    return name


def _name(answer: dict[str, Any] | None, tables: Document) -> str | None:
    if answer is None:
        return None
    name = identity(answer)
    tables["answers"][name] = answer
    return name


def text_of(document: Document) -> str:
    """The document as JSON, with a line for each row of a table."""
    members = []
    for name, value in document.items():
        match value:
            case list():
                rows = [_compact(row) for row in value]
                text = "[\n" + ",\n".join(rows) + "\n]"
            case dict():
                rows = [f"{_compact(key)}: {_compact(row)}" for key, row in value.items()]
                text = "{\n" + ",\n".join(rows) + "\n}"
            case _:
                text = _compact(value)
        members.append(f"{_compact(name)}: {text}")
    return "{\n" + ",\n".join(members) + "\n}\n"


def _compact(value: object) -> str:
    # A lone surrogate cannot be written as UTF-8.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def write(document: Document) -> None:
    """Replaces the committed file. Raises `OSError`."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    replace_file(FILE, text_of(document))


def read() -> Document:
    """The committed document. Raises `OSError`, or `ValueError` if it is not JSON."""
    document: Document = json.loads(FILE.read_text(encoding="utf-8"))
    return document


def complete(
    results: Iterable[Result], expected: Iterable[tuple[Subject, Part]]
) -> list[Result] | None:
    """The results that are expected: every part of every case on every subject.

    Returns None if one is absent, has failed or was skipped. Results of other tests (those in a
    browser) are left out.
    """
    found = {(r.case, r.part, r.app, r.server, r.mount, r.store): r for r in results}
    wanted = {
        (part.case_id, part.name, s.framework and s.framework.name, s.server, s.mount.id, s.store)
        for s, part in expected
    }
    if not wanted <= found.keys():
        return None
    chosen = [result for place, result in found.items() if place in wanted]
    return None if {"fail", "skipped"} & {result.outcome for result in chosen} else chosen


def differences(committed: Document, found: Document) -> list[str]:
    """What differs, a line for each cell; of many cells only the first. Empty if nothing does."""
    if committed == found:
        return []
    lines = [
        f"{name}: {_member(committed, name)} is committed, {_member(found, name)} was found"
        for name in ("contract_version", "apps", "servers")
        if committed.get(name) != found.get(name)
    ]
    old, new = _by_cell(committed), _by_cell(found)
    changed = [cell for cell in {**old, **new} if old.get(cell) != new.get(cell)]
    for cell in changed[:_NAMED]:
        case, app, server, store = cell
        with_store = ", postgresql" if store == "postgresql" else ""
        what = _what(old.get(cell), new.get(cell))
        lines.append(f"{case}, {app} on {server}{with_store}: {what}")
    if len(changed) > _NAMED:
        lines.append(f"and {len(changed) - _NAMED} more cells")
    return lines or ["the sentences of the cases or the rules have changed"]


def _member(document: Document, name: str) -> str:
    value = document.get(name)
    if not isinstance(value, dict):
        return f"{value}"
    return ", ".join(
        f"{key} {each['version'] if isinstance(each, dict) else each}"
        for key, each in value.items()
    )


def _by_cell(document: Document) -> dict[Place, dict[str, Any]]:
    """Everything that belongs to a cell: its row, and its answers by part and request."""
    cells: dict[Place, dict[str, Any]] = {
        (row["case"], row["app"], row["server"], row["store"]): {"cell": row, "answers": {}}
        for row in document["cells"]
    }
    for row in document["exchanges"]:
        for app, named in (row.get("answers") or row["more"]).items():
            place = (row["case"], app, row["server"], row["store"])
            request = document["requests"].get(row.get("request"), {})
            asked = f"{request.get('method', 'the')} {request.get('target', 'further requests')}"
            answers = cells.setdefault(place, {"cell": {}, "answers": {}})["answers"]
            answers[row["part"], row.get("request"), asked] = (
                [document["answers"].get(name) for name in named] if "answers" in row else named
            )
    return cells


def _what(old: dict[str, Any] | None, new: dict[str, Any] | None) -> str:
    """The first difference of a cell, in one line."""
    if old is None or new is None:
        return "is new" if old is None else "is missing"
    for name in ("outcome", "reason", "observed", "mounts"):
        before, after = old["cell"].get(name), new["cell"].get(name)
        if before != after:
            return f"{name} {before!r} is committed, {after!r} was found"
    asked = {**old["answers"], **new["answers"]}
    first = next(key for key in asked if old["answers"].get(key) != new["answers"].get(key))
    before, after = old["answers"].get(first), new["answers"].get(first)
    return _cut(f"{first[2]}: {_briefly(before, after)}")


def _briefly(before: Any, after: Any) -> str:
    if before is None or after is None:
        return "is sent for the first time" if before is None else "is no longer sent"
    if not isinstance(before, list) or not isinstance(after, list):
        return f"{before} is committed, {after} was found"
    one, two = _differing(before, after)
    for name in ("status", "headers", "body", "messages"):
        if one is not None and two is not None and one.get(name) != two.get(name):
            return f"{name} {one.get(name)!r} is committed, {two.get(name)!r} was found"
    return f"{len(before)} different answers are committed, {len(after)} were found"


def _differing(before: list[Any], after: list[Any]) -> tuple[Any, Any]:
    pairs = zip(before, after, strict=False)
    return next(((one, two) for one, two in pairs if one != two), (None, None))


def _cut(text: str) -> str:
    return text if len(text) <= 300 else text[:299] + "…"


def message(lines: Sequence[str]) -> list[str]:
    """What a run prints whose result is not the committed one."""
    return [
        f"{FILE.relative_to(ROOT)} is not what the contract suite found:",
        *(f"  {line}" for line in lines),
        f"If that is meant to be so, record it: {COMMAND}",
    ]


def not_compared(committed: Document) -> str:
    """What a run prints that has another version of Python than the committed result."""
    return (
        f"{FILE.relative_to(ROOT)} was recorded with Python {committed['python']}, and is not"
        f" compared with Python {PYTHON}."
    )

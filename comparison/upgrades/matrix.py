"""The result of `make upgrade-matrix`: `comparison/results/upgrades.json`.

- `as_of`: the day of the run.
- `chosen`: how the releases were chosen.
- `pythons`: the versions with which the matrix was made.
- `apps`: by name, `title`, `distribution`, `requirement`, `locked` and `releases`, the newest
  first, each with `version`, `uploaded` (null if the index does not tell it) and `why`.
- `environments`: a row for each release and Python, see `comparison/upgrades/measuring.py`.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from packaging.version import Version

from comparison.upgrades.measuring import Subject, measure
from comparison.upgrades.releases import Choice, Index, choose, requirement_of
from comparison.upgrades.uv import Uv
from tooling.frameworks import ROOT, Framework

FILE = ROOT / "comparison" / "results" / "upgrades.json"

CHOSEN = (
    "The newest patch of every minor release that was uploaded in the twelve months before that"
    " day, and the oldest release that the app's pyproject.toml allows. Everything else stays as"
    " it is locked, unless the release or the Python requires another version."
)
UNDATED = (
    " The index did not tell when some releases were uploaded: every minor release that the"
    " app's pyproject.toml allows was taken."
)

Document = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What to test of one framework."""

    framework: Framework
    choices: Sequence[Choice]


def plans(
    frameworks: Sequence[Framework], uv: Uv, pythons: Sequence[str], today: date
) -> list[Plan]:
    """Chooses the releases of each framework. Raises `UsageError`."""
    index = Index(uv, pythons[-1])
    return [
        Plan(framework, choose(requirement_of(framework), index.resolve, today))
        for framework in frameworks
    ]


def ordered(plans: Sequence[Plan], pythons: Sequence[str]) -> Iterator[Subject]:
    """The environments to test, those that tell most first.

    The newest and the oldest release of each framework come first, on every Python; then the
    others on the oldest Python, then on the other ones.
    """

    def ends(choice: Choice) -> bool:
        return bool({"newest", "oldest allowed"} & set(choice.why))

    for first in (True, False):
        for python in pythons:
            for plan in plans:
                for choice in plan.choices:
                    if ends(choice) is first:
                        yield Subject(plan.framework, choice.release.version, python)


def empty(plans: Sequence[Plan], pythons: Sequence[str], today: date) -> Document:
    """The result before anything was tested."""
    dated = all(choice.release.uploaded for plan in plans for choice in plan.choices)
    return {
        "as_of": today.isoformat(),
        "chosen": CHOSEN if dated else CHOSEN + UNDATED,
        "pythons": list(pythons),
        "apps": {plan.framework.name: _app(plan) for plan in plans},
        "environments": [],
    }


def _app(plan: Plan) -> Document:
    framework = plan.framework
    return {
        "title": framework.title,
        "distribution": framework.contract["distribution"],
        "requirement": f"{requirement_of(framework)}",
        "locked": framework.version,
        "releases": [
            {
                "version": choice.release.version,
                "uploaded": choice.release.uploaded and choice.release.uploaded.isoformat(),
                "why": list(choice.why),
            }
            for choice in plan.choices
        ],
    }


def fill(
    document: Document,
    subjects: Sequence[Subject],
    uv: Uv,
    interpreters: dict[str, Path],
    kept: Sequence[Document],
    tell: Callable[[str], None],
    processes: int,
    file: Path = FILE,
) -> None:
    """Tests every environment, and writes the file after each. Raises `OSError`.

    A row of `kept` whose inputs are the same is taken over instead. `processes` is how many
    environments are tested at a time.
    """
    finished = {_key(row): row for row in kept}
    keys = [_row_of(subject) for subject in subjects]
    missing = [number for number, row in enumerate(keys) if _key(row) not in finished]
    document["environments"] = [finished[_key(row)] for row in keys if _key(row) in finished]
    pool = ThreadPoolExecutor(processes)
    try:
        running = {
            pool.submit(measure, uv, subject, interpreters[subject.python]): number
            for number, subject in enumerate(subjects)
            if number in missing
        }
        for position, finishing in enumerate(as_completed(running), 1):
            number = running[finishing]
            row = keys[number] | finishing.result()
            document["environments"].append(row)
            write(document, file)
            name = f"{subjects[number].framework.title} {subjects[number].version}"
            tell(f"{position}/{len(missing)} {name}, {_told(row)}")
    finally:
        pool.shutdown(cancel_futures=True)


def _row_of(subject: Subject) -> Document:
    """The members that tell which environment a row is about."""
    return {
        "app": subject.framework.name,
        "version": subject.version,
        "python": subject.python,
        "inputs": inputs_of(subject.framework),
    }


def _key(row: Document) -> tuple[str, ...]:
    return tuple(row[name] for name in ("app", "version", "python", "inputs"))


def _told(row: Document) -> str:
    if "reason" in row:
        return f"Python {row['python']}: {row['reason']}"
    held = row["cases"] - len(row["deviates"])
    return f"Python {row['python']}: {held} of {row['cases']} cases hold"


def inputs_of(framework: Framework) -> str:
    """A short name for what the result of an app depends on, beside the release.

    Of the tests in `tests/contract/`, only `test_contract.py` runs.
    """
    folders = (ROOT / "tests" / "contract", ROOT / "shared")
    files = [file for folder in folders for file in folder.rglob("*.py")]
    files = [f for f in files if f.name == "test_contract.py" or not f.name.startswith("test_")]
    files += [framework.folder / name for name in ("app.py", "pyproject.toml", "requirements.txt")]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def write(document: Document, file: Path) -> None:
    """Replaces the file, its rows sorted, one line each. Raises `OSError`."""
    names = list(document["apps"])

    def order(row: Document) -> tuple[int, Version, Version]:
        return names.index(row["app"]), Version(row["version"]), Version(row["python"])

    rows = sorted(document["environments"], key=order, reverse=True)
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    head = {name: value for name, value in document.items() if name != "environments"}
    text = json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}")
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        new.write_text(f'{text},\n "environments": [\n{lines}\n ]\n}}\n', encoding="utf-8")
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


def kept_rows(file: Path = FILE) -> list[Document]:
    """The rows of an earlier run, finished or interrupted. Raises `ValueError`."""
    if not file.is_file():
        return []
    rows: list[Document] = json.loads(file.read_text(encoding="utf-8"))["environments"]
    return rows

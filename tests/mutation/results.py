"""The trials of earlier runs in `build/mutation.json`, as far as they are true of this code."""

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from tests.mutation.killer import Stage
from tests.mutation.mutants import Mutant, app_of
from tests.mutation.run import Trial
from tooling.frameworks import ROOT, find_frameworks

_ENGINE = ("by_contract", "killer", "loading", "mutants", "operators")


@cache
def fingerprint(app: str | None, stage: Stage | None) -> str:
    """Returns a hash of what decides the trials of an app; None: those of `shared/`.

    It is the code that is changed and the code that runs then, with the version of Python. The
    locked requirements stand for the packages. `stage` is where a mutant was killed; None for one
    that survived, which all stages decide.
    """
    names = [app] if app is not None else [framework.name for framework in find_frameworks()]
    parts = [ROOT / f"{name}_app" / file for name in names for file in ("app.py", "pyproject.toml")]
    parts += [ROOT / "shared", ROOT / "tests" / "contract", ROOT / "tests" / "requirements.txt"]
    parts += [ROOT / "tests" / "mutation" / f"{module}.py" for module in _ENGINE]
    if stage != "contract":
        parts += [ROOT / "tests" / "mutation" / "by_tests.py", ROOT / "tests" / "shared"]
    found = hashlib.sha256(platform.python_version().encode())
    for part in parts:
        for file in _files(part):
            # The cases of the contract run without the tests next to them.
            if stage != "contract" or not file.name.startswith("test_"):
                found.update(f"\0{file.relative_to(ROOT)}\0".encode())
                found.update(file.read_bytes())
    return found.hexdigest()[:16]


def read(file: Path, mutants: Iterable[Mutant]) -> dict[str, Trial]:
    """Returns the trials of these mutants that need not be repeated, by id."""
    existing = {mutant.id: mutant for mutant in mutants}
    try:
        saved = json.loads(file.read_text(encoding="utf-8")).get("trials", [])
    except FileNotFoundError:
        return {}
    found = {}
    for entry in saved:
        trial = Trial(**{k: v for k, v in entry.items() if k != "fingerprint"})
        mutant = existing.get(trial.id)
        if mutant and trial.change == mutant.change and entry["fingerprint"] == _of(trial):
            found[trial.id] = trial
    return found


def write(file: Path, document: dict[str, Any], trials: Iterable[Trial]) -> None:
    """Writes the document with every trial."""
    saved = [asdict(trial) | {"fingerprint": _of(trial)} for trial in trials]
    write_json(file, {**document, "trials": saved})


def write_json(file: Path, document: dict[str, Any]) -> None:
    """Writes a JSON file, which is never half-written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    new.replace(file)


def _of(trial: Trial) -> str:
    return fingerprint(app_of(trial.id.partition(":")[0]), trial.stage)


def _files(part: Path) -> Iterator[Path]:
    if part.is_file():
        yield part
    else:
        files = (file for file in sorted(part.rglob("*")) if file.is_file())
        yield from (file for file in files if "__pycache__" not in file.parts)

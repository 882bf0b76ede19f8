"""Runs the contract, its in-process half, on one release of a framework with one Python."""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from comparison.upgrades.releases import last_line
from comparison.upgrades.uv import Uv
from tooling.frameworks import ROOT, Framework

Document = dict[str, Any]

LOCK = ROOT / "tests" / "requirements.txt"
_LIMIT = 200
_MOUNTS = "not bundle and not vanity"
"""One prefix in every form, and none: the forms are what a framework may treat differently."""
_MISSING_DEVIATION = "The case passes, but"
"""How the suite begins its message for a waived case that passes."""


@dataclass(frozen=True)
class Subject:
    """A release of a framework, on one Python."""

    framework: Framework
    version: str
    python: str
    """The version, such as `3.13`."""


def measure(uv: Uv, subject: Subject, interpreter: Path) -> Document:
    """Returns what was installed and what the suite found; with a `reason` if it could not run.

    The members are `moved`, the locked packages of the app that have another version with this
    release, and either `reason`, one line, or the result of `summary`.
    """
    with tempfile.TemporaryDirectory(prefix="upgrade-", dir=_build()) as name:
        folder = Path(name)
        locked = folder / "requirements.txt"
        # uv keeps the versions of an existing output file where they suit the requirements.
        shutil.copyfile(LOCK, locked)
        failed = _compile(uv, subject, locked)
        if failed:
            return {"reason": failed}
        environment = folder / "environment"
        python = environment / "bin" / "python"
        for arguments in (
            ("venv", "--quiet", "--python", interpreter, environment),
            ("pip", "sync", "--quiet", "--python", python, locked),
        ):
            done = uv.run(*arguments)
            if done.returncode:
                return {"reason": _cut(f"The packages cannot be installed: {last_line(done)}")}
        moved = _moved(subject.framework, locked)
        return {"moved": moved, **_run(subject.framework, python, folder / "report.json")}


def _build() -> Path:
    folder = ROOT / "build" / "upgrades"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _compile(uv: Uv, subject: Subject, locked: Path) -> str | None:
    """Resolves the app with the release and the tools of the suite. Returns why that fails."""
    framework = subject.framework
    done = uv.run(
        *("pip", "compile", "--quiet", "--no-header", "--no-annotate", "-"),
        framework.folder / "pyproject.toml",
        *("--all-extras", "--group", f"{ROOT / 'pyproject.toml'}:dev"),
        *("--python-version", subject.python, "--output-file", locked),
        input=f"{framework.contract['distribution']}=={subject.version}",
    )
    return _cut(_because(done)) if done.returncode else None


def _because(done: subprocess.CompletedProcess[str]) -> str:
    """uv's explanation, without the tree that it is drawn in: its first sentence."""
    words = " ".join(done.stderr.replace("╰─▶", " ").replace("×", " ").split())
    _, _, why = words.partition("Because ")
    why = why.split(". ")[0].split(", we can conclude")[0]
    return f"{why[:1].upper()}{why[1:]}." if why else last_line(done)


def _moved(framework: Framework, locked: Path) -> dict[str, str]:
    """The packages of the app whose version is not the locked one, without the framework."""
    before = _pins(framework.folder / "requirements.txt")
    after = _pins(locked)
    own = canonicalize_name(framework.contract["distribution"])
    return {
        name: after[name]
        for name in sorted(before)
        if name != own and name in after and after[name] != before[name]
    }


def _pins(file: Path) -> dict[str, str]:
    pins: dict[str, str] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            requirement = Requirement(line.partition("#")[0].strip())
        except InvalidRequirement:
            continue
        pins[canonicalize_name(requirement.name)] = f"{requirement.specifier}".removeprefix("==")
    return pins


def _run(framework: Framework, python: Path, report: Path) -> Document:
    """Runs the suite in the environment, and returns its summary, or the reason why it stopped."""
    done = subprocess.run(
        [
            *(python, "-m", "pytest", "-q", "--tb=line", "tests/contract/test_contract.py"),
            *("--override-ini", f"cache_dir={report.parent / 'cache'}"),
            *("--app", framework.name, "--server", "in process", "--report", report),
            *("-k", _MOUNTS),
        ],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(report.parent),
            "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "pycache"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if not report.is_file():
        return {"reason": _cut(f"The app does not start: {_error(done)}")}
    return summary(json.loads(report.read_text(encoding="utf-8")))


def _error(done: subprocess.CompletedProcess[str]) -> str:
    """The exception that pytest reports, or else the last line."""
    lines = [line for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.startswith("E ")]
    return lines[-1].removeprefix("E ").strip() if lines else last_line(done)


def summary(report: Document) -> Document:
    """Returns what a report says of each case.

    - `cases`: how many cases ran; `mounts`: through how many mounts.
    - `deviates`: the ID of each case that does not hold through every mount, with the error of one
      that was not waived, or else null.
    - `observed`: by case, what it observed.
    """
    results = report["results"]
    deviates: dict[str, str | None] = {}
    observed: dict[str, list[str]] = {}
    for result in results:
        error = result.get("failure", {}).get("error")
        if result["outcome"] == "waived":
            deviates.setdefault(result["case"])
        elif result["outcome"] == "fail" and not error.startswith(_MISSING_DEVIATION):
            deviates[result["case"]] = _cut(error.partition("\n")[0])
        for text in result.get("observed", []):
            seen = observed.setdefault(result["case"], [])
            if text not in seen:
                seen.append(text)
    return {
        "cases": len({result["case"] for result in results}),
        "mounts": len({result["mount"] for result in results}),
        "deviates": dict(sorted(deviates.items())),
        "observed": dict(sorted(observed.items())),
    }


def _cut(text: str) -> str:
    return text if len(text) <= _LIMIT else text[: _LIMIT - 1] + "…"

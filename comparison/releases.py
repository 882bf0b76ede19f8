"""Records the releases of the frameworks and their companions (`make releases`).

It asks the configured package index about each package by name, and writes
`comparison/results/releases.json`:

- `taken`: the day of the query, ISO 8601.
- `packages`: by name, the final releases of the last year, newest first; at least the newest. Each
  has `version`, `date` (of its first file) and `requires_python`.

The index must offer the JSON form of the simple API with upload times (PEP 691 and PEP 700), as
PyPI does.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from packaging.requirements import Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from tooling.commands import exit_code
from tooling.errors import UsageError
from tooling.frameworks import ROOT, find_frameworks
from tooling.package_index import index_variables

RELEASES = ROOT / "comparison" / "results" / "releases.json"
YEAR = timedelta(days=365)


def packages() -> list[str]:
    """Returns the names of the frameworks and of what their applications depend on directly."""
    names = {
        canonicalize_name(framework.contract["distribution"]) for framework in find_frameworks()
    }
    for framework in find_frameworks():
        for text in framework.pyproject["project"]["dependencies"]:
            names.add(canonicalize_name(Requirement(text).name))
    return sorted(names)


def releases_of(files: Iterable[Mapping[str, Any]], taken: date) -> list[dict[str, Any]]:
    """Returns the releases of the last year, newest first, from the files of a simple index."""
    found: dict[Version, dict[str, Any]] = {}
    for file in files:
        version = _version_of(file["filename"])
        if version is None or version.is_prerelease or file.get("yanked"):
            continue
        uploaded = datetime.fromisoformat(file["upload-time"]).date().isoformat()
        release = found.setdefault(
            version,
            {
                "version": str(version),
                "date": uploaded,
                "requires_python": file.get("requires-python"),
            },
        )
        release["date"] = min(release["date"], uploaded)
    newest_first = [found[version] for version in sorted(found, reverse=True)]
    since = (taken - YEAR).isoformat()
    return newest_first[:1] + [each for each in newest_first[1:] if each["date"] > since]


def _version_of(filename: str) -> Version | None:
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[1]
        return parse_sdist_filename(filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None  # Old files do not follow today's rules.


def index_of(environ: Mapping[str, str]) -> str:
    """Returns the address of the configured index, without a final slash.

    Raises `UsageError` if none is configured: this repository contains no address of an index.
    """
    found = {**index_variables(environ), **environ}
    named = found.get("UV_DEFAULT_INDEX") or found.get("UV_INDEX_URL") or found.get("PIP_INDEX_URL")
    if not named:
        raise UsageError("pip and uv have no package index configured: set UV_DEFAULT_INDEX.")
    name, _, url = named.partition("=")
    return (name if "://" in name else url).rstrip("/")


def record(index: str, taken: date, file: Path = RELEASES) -> None:
    """Asks the index, and replaces the file. Raises `UsageError`; the file is then as it was."""
    found = {name: releases_of(_files(index, name), taken) for name in packages()}
    document = {"taken": taken.isoformat(), "packages": found}
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    new.replace(file)
    print(f"Recorded {len(found)} packages in {file.relative_to(ROOT)}", flush=True)


def _files(index: str, name: str) -> list[dict[str, Any]]:
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    try:
        answer = httpx.get(f"{index}/{name}/", headers=accept, follow_redirects=True, timeout=30)
        answer.raise_for_status()
        files: list[dict[str, Any]] = answer.json()["files"]
    except (httpx.HTTPError, httpx.UnsupportedProtocol, ValueError, KeyError) as error:
        raise UsageError(
            f"The package index has no JSON list of {name}'s files: {error}."
        ) from None
    if not files or "upload-time" not in files[0]:
        raise UsageError(f"The package index does not tell when the files of {name} were uploaded.")
    return files


def main() -> int:
    """Returns the exit code: 0, or 1 after an error, which is printed as one line."""
    return exit_code("releases", lambda: record(index_of(os.environ), datetime.now(tz=UTC).date()))


if __name__ == "__main__":
    sys.exit(main())

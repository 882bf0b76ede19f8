"""Finds the releases of a framework to test: the oldest allowed, every minor one, the newest.

uv resolves one requirement after another, each below the release that it found before. It is asked
with the configured package index, and its lock file has the time of each upload, if the index
tells it.
"""

import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from comparison.upgrades.uv import Uv
from tooling.errors import UsageError
from tooling.frameworks import Framework

WINDOW = timedelta(days=365)

Resolve = Callable[[str, str], "Release | None"]
"""Returns the release for a requirement and a resolution, `highest` or `lowest`; None for none."""


@dataclass(frozen=True)
class Release:
    """A release of a distribution. `uploaded` is None if the index does not tell it."""

    version: str
    uploaded: date | None


@dataclass(frozen=True)
class Choice:
    """A release to test, and why: `newest`, `minor`, `oldest allowed`."""

    release: Release
    why: tuple[str, ...]


def requirement_of(framework: Framework) -> Requirement:
    """The app's requirement for its framework. Raises `UsageError` if there is none."""
    distribution = framework.contract["distribution"]
    for text in framework.pyproject["project"]["dependencies"]:
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) == canonicalize_name(distribution):
            return requirement
    raise UsageError(f"{framework.folder.name}/pyproject.toml does not require {distribution}.")


def choose(requirement: Requirement, resolve: Resolve, today: date) -> list[Choice]:
    """Returns the releases to test, the newest first.

    Those are the newest patch of every minor release that was uploaded in the last twelve months,
    and the oldest release that the requirement allows, whatever its age. If the index does not
    tell when a release was uploaded, it counts as one of the last twelve months.
    """
    oldest = resolve(f"{requirement}", "lowest")
    if oldest is None:
        raise UsageError(f"No release of {requirement.name} is {requirement.specifier}.")
    minors = list(_minors(requirement, resolve, today - WINDOW))
    choices = []
    for number, release in enumerate(minors):
        why = ["newest"] if number == 0 else []
        why += ["minor"]
        why += ["oldest allowed"] if release.version == oldest.version else []
        choices.append(Choice(release, tuple(why)))
    if oldest.version not in {release.version for release in minors}:
        choices.append(Choice(oldest, ("oldest allowed",)))
    return choices


def _minors(requirement: Requirement, resolve: Resolve, since: date) -> Iterator[Release]:
    below = ""
    while (release := resolve(f"{requirement}{below}", "highest")) is not None:
        if below and release.uploaded is not None and release.uploaded < since:
            return
        yield release
        version = Version(release.version)
        comma = "," if requirement.specifier else ""
        below = f"{comma}<{version.major}.{version.minor}"


class Index:
    """Resolves requirements for one Python with uv."""

    def __init__(self, uv: Uv, python: str) -> None:
        self._uv = uv
        self._python = python

    def resolve(self, requirement: str, resolution: str) -> Release | None:
        """Raises `UsageError` if the index cannot be reached."""
        done = self._uv.run(
            *("pip", "compile", "--quiet", "--no-deps", "--no-header", "-"),
            *("--format", "pylock.toml", "--resolution", resolution),
            *("--python-version", self._python),
            input=requirement,
        )
        if done.returncode:
            if "No solution found" in done.stderr:
                return None
            raise UsageError(f"uv cannot resolve {requirement}: {last_line(done)}")
        (package,) = tomllib.loads(done.stdout)["packages"]
        return Release(package["version"], _uploaded(package))


def _uploaded(package: dict[str, object]) -> date | None:
    wheels = package.get("wheels")
    files = [package.get("sdist"), *(wheels if isinstance(wheels, list) else [])]
    times = [
        file["upload-time"] for file in files if isinstance(file, dict) and "upload-time" in file
    ]
    moments = [time for time in times if isinstance(time, datetime)]
    return min(moments).astimezone(UTC).date() if moments else None


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """The last line that a program has printed, for a message of one line."""
    lines = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {done.returncode}"

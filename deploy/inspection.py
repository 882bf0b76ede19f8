"""Checks a staged bundle without running it."""

import os
import platform
import re
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from rsconnect.bundle import make_api_bundle
from rsconnect.environment import Environment
from rsconnect.exception import RSConnectException
from rsconnect.models import AppModes
from rsconnect.pyproject import resolve_pyproject_deploy_target

from deploy.contents import RECORD
from tooling.errors import UsageError

MAX_UPLOAD = 1_000_000
"""Bytes of the archive that rsconnect uploads."""

_PIN = re.compile(r"[A-Za-z0-9._-]+(\[[A-Za-z0-9._,-]+\])?==[^\s;]+\s*(;.*)?")


@dataclass(frozen=True)
class Upload:
    """A bundle as rsconnect uploads it."""

    bundle: Path
    sizes: dict[str, int]
    """Bytes of each file before compression, without the manifest."""
    size: int
    """Bytes of the compressed archive."""

    def largest(self) -> list[tuple[str, str]]:
        """Path and size of the ten largest files."""
        ranked = sorted(self.sizes.items(), key=lambda item: (-item[1], item[0]))
        return [(path, _size(size)) for path, size in ranked[:10]]

    def __str__(self) -> str:
        summary = (
            f"{relative_to_repository(self.bundle)}: {len(self.sizes)} files,"
            f" {_size(sum(self.sizes.values()))}, {_size(self.size)} as uploaded (gzip); the largest:"
        )
        return "\n".join([summary, *(f"  {size:>8}  {path}" for path, size in self.largest())])


def _size(size: int) -> str:
    """In units of 1000: as people count uploads, and as the limit is meant."""
    if size >= 999_950:
        return f"{size / 1_000_000:.2f} MB"
    return f"{size / 1000:.1f} kB" if size >= 1000 else f"{size} B"


def relative_to_repository(path: Path) -> str:
    """The path of something in `build/bundles` or `build/logs`, seen from the repository's root."""
    return path.relative_to(path.parents[2]).as_posix()


def inspect(bundle: Path) -> Upload:
    """Checks a bundle without running it.

    Raises `UsageError` for a requirement that is not a pin, a Python that the project does not accept, a
    `[tool.rsconnect]` table with which `rsconnect deploy pyproject` deploys something else than `rsconnect
    deploy fastapi`, a file that rsconnect would leave out or change, and for more than `MAX_UPLOAD`.
    """
    _check_pyproject(bundle)
    _check_pins((bundle / "requirements.txt").read_text(encoding="utf-8"))
    upload = _check_archive(bundle)
    if upload.size > MAX_UPLOAD:
        raise UsageError(
            f"{relative_to_repository(bundle)} has {_size(upload.size)} as uploaded, more than"
            f" {_size(MAX_UPLOAD)}; the largest files are"
            f" {', '.join(f'{path} ({size})' for path, size in upload.largest())}."
        )
    return upload


def _check_pyproject(bundle: Path) -> None:
    file = f"{bundle.name}_app/pyproject.toml"
    try:
        pyproject = tomllib.loads((bundle / "pyproject.toml").read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{file} is not TOML: {error}.") from None
    # Without it the server takes the version that rsconnect happens to run with.
    requires = f"{pyproject.get('project', {}).get('requires-python', '')}"
    if not requires:
        raise UsageError(f"{file} has no requires-python in [project].")
    try:
        accepted = platform.python_version() in SpecifierSet(requires)
    except InvalidSpecifier:
        raise UsageError(f"{file}: requires-python is no version specifier: {requires}.") from None
    if not accepted:
        raise UsageError(
            f"{file} asks for Python {requires}, and this is {platform.python_version()}:"
            f" try it with another one, make bundle-{bundle.name} PYTHON=..."
        )
    table = pyproject.get("tool", {}).get("rsconnect", {})
    for key, value in {
        "app_mode": "python-fastapi",
        "entrypoint": f"{bundle.name}_app.app:app",
        # Its default is pyproject.toml itself: the server would resolve its lower bounds anew.
        "requirements_file": "requirements.txt",
    }.items():
        if table.get(key) != value:
            raise UsageError(
                f'{file}: [tool.rsconnect] needs {key} = "{value}", not'
                f" {table.get(key, 'nothing')}."
            )


def _requirements(text: str) -> list[tuple[int, str]]:
    """The lines of a requirements.txt that hold a requirement, with their numbers."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    return [(number, line) for number, line in enumerate(lines, 1) if line]


def _check_pins(text: str) -> None:
    for number, requirement in _requirements(text):
        if not _PIN.fullmatch(requirement):
            raise UsageError(
                f"requirements.txt, line {number}: {requirement} is not a pin, name==version, and only a pin"
                " means the same on every server; run `make lock`."
            )


def _check_archive(bundle: Path) -> Upload:
    """Makes the archive with rsconnect's own functions, as `rsconnect deploy pyproject` does.

    rsconnect leaves out some folders by their names (`renv/`, `packrat/`, whatever holds a `bin/python`), and
    lines of the requirements that contain its own name.
    """
    files = {
        path.relative_to(bundle).as_posix(): path
        for path in sorted(bundle.rglob("*"))
        if not path.is_dir() and RECORD not in path.parts
    }
    try:
        target = resolve_pyproject_deploy_target(bundle / "pyproject.toml")
        environment = Environment.create_python_environment(
            str(bundle), requirements_file=target.requirements_file
        )
        archive = make_api_bundle(
            str(bundle), target.entrypoint, AppModes.PYTHON_FASTAPI, environment, [], []
        )
    except RSConnectException as error:
        raise UsageError(
            f"rsconnect cannot bundle {relative_to_repository(bundle)}: {error.message}"
        ) from None
    with archive, tarfile.open(fileobj=archive) as tar:
        for path, file in files.items():
            if path not in tar.getnames():
                raise UsageError(f"rsconnect would leave {path} out of the upload.")
            member = tar.extractfile(path)
            if member is None or not _same(path, member.read(), file.read_bytes()):
                raise UsageError(f"rsconnect would upload {path} with another content.")
        if more := {*tar.getnames()} - {*files, "manifest.json"}:
            raise UsageError(f"rsconnect would upload {min(more)}, which is not in the bundle.")
        sizes = {path: file.stat().st_size for path, file in files.items()}
        return Upload(bundle, sizes, archive.seek(0, os.SEEK_END))


def _same(path: str, uploaded: bytes, staged: bytes) -> bool:
    if path == "requirements.txt":  # rsconnect takes the indentation off its comments.
        pins = [[pin for _, pin in _requirements(text.decode())] for text in (uploaded, staged)]
        return pins[0] == pins[1]
    return uploaded == staged

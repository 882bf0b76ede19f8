"""What is wrong with a staged bundle, as far as that can be seen without running it."""

import os
import platform
import re
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from rsconnect.bundle import make_api_bundle
from rsconnect.environment import Environment
from rsconnect.exception import RSConnectException
from rsconnect.models import AppModes
from rsconnect.pyproject import resolve_pyproject_deploy_target

from deploy.contents import RECORD, BundleError, needed_files

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

    def largest(self, count: int) -> list[tuple[str, int]]:
        return sorted(self.sizes.items(), key=lambda item: (-item[1], item[0]))[:count]

    def __str__(self) -> str:
        total = sum(self.sizes.values())
        lines = [
            f"{shown(self.bundle)}: {len(self.sizes)} files, {_size(total)},"
            f" {_size(self.size)} as uploaded (gzip); the largest:"
        ]
        lines += [f"  {_size(size):>8}  {path}" for path, size in self.largest(10)]
        return "\n".join(lines)


def _size(size: int) -> str:
    """In units of 1000: as people count uploads, and as the limit is meant."""
    if size >= 999_950:
        return f"{size / 1_000_000:.2f} MB"
    return f"{size / 1000:.1f} kB" if size >= 1000 else f"{size} B"


def shown(path: Path) -> str:
    """A path in `build/bundles` or `build/logs` as it reads from the repository's root."""
    return path.relative_to(path.parents[2]).as_posix()


def inspect(bundle: Path) -> Upload:
    """Looks at a bundle without running it; raises `BundleError` for whatever must not leave like that.

    That is: a file that the entry point does not need, or does without; a symlink; a requirement that is
    not a pin; another Python than this one; a `[tool.rsconnect]` table that makes `rsconnect deploy
    pyproject` deploy something else than `rsconnect deploy fastapi`; a file that rsconnect would leave out
    or change; more than `MAX_UPLOAD`.
    """
    try:
        pyproject = tomllib.loads((bundle / "pyproject.toml").read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{bundle.name}_app/pyproject.toml is not TOML: {error}.") from None
    entrypoint = _check_pyproject(bundle.name, pyproject)
    _check_pins((bundle / "requirements.txt").read_text(encoding="utf-8"))
    files = _check_list(bundle, entrypoint)
    upload = _check_archive(bundle, files)
    if upload.size > MAX_UPLOAD:
        largest = ", ".join(f"{path} ({_size(size)})" for path, size in upload.largest(10))
        raise BundleError(
            f"{shown(bundle)} has {_size(upload.size)} as uploaded, more than {_size(MAX_UPLOAD)};"
            f" the largest files are {largest}."
        )
    return upload


def _check_pyproject(name: str, pyproject: dict[str, Any]) -> str:
    """The entry point that a bundle's `pyproject.toml` names."""
    # Without it the server takes the version that rsconnect happens to run with.
    _check_python(name, str(_table(pyproject, "project").get("requires-python", "")))
    table = _table(_table(pyproject, "tool"), "rsconnect")
    wanted = {
        "app_mode": "python-fastapi",
        "entrypoint": f"{name}_app.app:app",
        # Its default is pyproject.toml itself: the server would resolve its lower bounds anew.
        "requirements_file": "requirements.txt",
    }
    for key, value in wanted.items():
        if table.get(key) != value:
            raise BundleError(
                f'{name}_app/pyproject.toml: [tool.rsconnect] needs {key} = "{value}", not'
                f" {table.get(key, 'nothing')}."
            )
    return wanted["entrypoint"]


def _table(document: dict[str, Any], key: str) -> dict[str, Any]:
    table = document.get(key)
    return table if isinstance(table, dict) else {}


def _check_python(name: str, requires: str) -> None:
    if not requires:
        raise BundleError(f"{name}_app/pyproject.toml has no requires-python in [project].")
    try:
        accepted = platform.python_version() in SpecifierSet(requires)
    except InvalidSpecifier:
        raise BundleError(
            f"{name}_app/pyproject.toml: requires-python is no version specifier: {requires}."
        ) from None
    if not accepted:
        raise BundleError(
            f"{name}_app/pyproject.toml asks for Python {requires}, and this is {platform.python_version()}:"
            f" try it with another one, make bundle-{name} PYTHON=..."
        )


def _requirements(text: str) -> list[tuple[int, str]]:
    """The lines of a requirements.txt that say something, with their numbers."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    return [(number, line) for number, line in enumerate(lines, 1) if line]


def _check_pins(text: str) -> None:
    for number, requirement in _requirements(text):
        if not _PIN.fullmatch(requirement):
            raise BundleError(
                f"requirements.txt, line {number}: {requirement} is not a pin, name==version, and that is"
                " all that means the same on every server; run `make lock`."
            )


def _check_list(bundle: Path, entrypoint: str) -> dict[str, Path]:
    """The files of a bundle, which is a subset of the repository and so has a list of its own."""
    package = entrypoint.partition(".")[0]
    listed = needed_files(bundle, entrypoint)
    listed |= {"pyproject.toml", "requirements.txt", f"{package}/README.md"}
    files = {}
    for directory, folders, names in os.walk(bundle):
        if Path(directory) == bundle and RECORD in folders:
            folders.remove(RECORD)
        links = [name for name in folders if Path(directory, name).is_symlink()]
        for name in [*names, *links]:
            file = Path(directory, name)
            path = file.relative_to(bundle).as_posix()
            if path not in listed or file.is_symlink():
                raise BundleError(
                    f"{shown(bundle)} holds {path}, which is not on its list: nothing that {entrypoint}"
                    f" imports leads to it; `make bundle-{bundle.name}` stages it anew."
                )
            files[path] = file
    return files


def _check_archive(bundle: Path, files: dict[str, Path]) -> Upload:
    """Makes the archive with rsconnect's own functions, as `rsconnect deploy pyproject` does.

    rsconnect leaves out some folders by their names (`renv/`, `packrat/`, whatever holds a `bin/python`), and
    lines of the requirements that contain its own name.
    """
    try:
        target = resolve_pyproject_deploy_target(bundle / "pyproject.toml")
        environment = Environment.create_python_environment(
            str(bundle), requirements_file=target.requirements_file
        )
        archive = make_api_bundle(
            str(bundle), target.entrypoint, AppModes.PYTHON_FASTAPI, environment, [], []
        )
    except RSConnectException as error:
        raise BundleError(f"rsconnect cannot bundle {shown(bundle)}: {error.message}") from None
    with archive, tarfile.open(fileobj=archive) as tar:
        for path, file in sorted(files.items()):
            try:
                member = tar.extractfile(path)
            except KeyError:
                raise BundleError(f"rsconnect would leave {path} out of the upload.") from None
            if member is None or not _same(path, member.read(), file.read_bytes()):
                raise BundleError(f"rsconnect would upload {path} with another content.")
        if more := {*tar.getnames()} - {*files, "manifest.json"}:
            raise BundleError(f"rsconnect would upload {min(more)}, which is not in the bundle.")
        sizes = {path: file.stat().st_size for path, file in files.items()}
        return Upload(bundle, sizes, archive.seek(0, os.SEEK_END))


def _same(path: str, uploaded: bytes, staged: bytes) -> bool:
    if path == "requirements.txt":  # rsconnect takes the indentation off its comments.
        pins = [[pin for _, pin in _requirements(text.decode())] for text in (uploaded, staged)]
        return pins[0] == pins[1]
    return uploaded == staged

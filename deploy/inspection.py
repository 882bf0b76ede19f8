"""Checks a staged bundle without running it."""

import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rsconnect.bundle import make_api_bundle
from rsconnect.environment import Environment
from rsconnect.exception import RSConnectException
from rsconnect.models import AppModes
from rsconnect.pyproject import resolve_pyproject_deploy_target

from deploy.contents import RECORD
from tooling.errors import UsageError

MAX_UPLOAD = 1_000_000
"""The size limit of the archive in bytes. Ours have a tenth; more means a stray file."""


@dataclass(frozen=True)
class Upload:
    """A bundle as rsconnect uploads it."""

    bundle: Path
    sizes: dict[str, int]
    """The size of each file in bytes, before compression; without the manifest."""
    size: int
    """The size of the compressed archive, in bytes."""

    def largest(self) -> list[tuple[str, str]]:
        """Returns the path and size of the ten largest files."""
        ranked = sorted(self.sizes.items(), key=lambda item: (-item[1], item[0]))
        return [(path, _size(size)) for path, size in ranked[:10]]

    def __str__(self) -> str:
        summary = (
            f"{relative_to_repository(self.bundle)}: {len(self.sizes)} files,"
            f" {_size(sum(self.sizes.values()))}, {_size(self.size)} as uploaded (gzip); the"
            " largest:"
        )
        return "\n".join([summary, *(f"  {size:>8}  {path}" for path, size in self.largest())])


def _size(size: int) -> str:
    """Formats a size in decimal units (1 kB is 1000 bytes), as `MAX_UPLOAD` is stated."""
    if size >= 999_950:
        return f"{size / 1_000_000:.2f} MB"
    return f"{size / 1000:.1f} kB" if size >= 1000 else f"{size} B"


def relative_to_repository(path: Path) -> str:
    """Returns a path in `build/bundles` or `build/logs`, relative to the repository's root."""
    return path.relative_to(path.parents[2]).as_posix()


def archive(bundle: Path) -> IO[bytes]:
    """Returns the archive, with its manifest, that `rsconnect deploy pyproject` would upload.

    Raises `UsageError`.
    """
    try:
        target = resolve_pyproject_deploy_target(bundle / "pyproject.toml")
        environment = Environment.create_python_environment(
            str(bundle), requirements_file=target.requirements_file
        )
        return make_api_bundle(
            str(bundle), target.entrypoint, AppModes.PYTHON_FASTAPI, environment, [], []
        )
    except (RSConnectException, ValueError) as error:
        raise UsageError(
            f"rsconnect cannot bundle {relative_to_repository(bundle)}: {error}"
        ) from None


def inspect(bundle: Path) -> Upload:
    """Returns what rsconnect uploads of a bundle, created with the functions of `rsconnect deploy`.

    Raises `UsageError` if rsconnect cannot bundle it, would omit or change a file, or if the
    archive is larger than `MAX_UPLOAD`. rsconnect omits folders with certain names, and
    requirements that contain its own name.
    """
    files = {
        path.relative_to(bundle).as_posix(): path
        for path in sorted(bundle.rglob("*"))
        if not path.is_dir() and RECORD not in path.relative_to(bundle).parts
    }
    with archive(bundle) as packed, tarfile.open(fileobj=packed) as tar:
        for path, file in files.items():
            if path not in tar.getnames():
                raise UsageError(f"rsconnect would leave {path} out of the upload.")
            member = tar.extractfile(path)
            if member is None or not _same(path, member.read(), file.read_bytes()):
                raise UsageError(f"rsconnect would upload {path} with other content.")
        if more := {*tar.getnames()} - {*files, "manifest.json"}:
            raise UsageError(f"rsconnect would upload {min(more)}, which is not in the bundle.")
        sizes = {path: file.stat().st_size for path, file in files.items()}
        upload = Upload(bundle, sizes, packed.seek(0, os.SEEK_END))
    if upload.size > MAX_UPLOAD:
        raise UsageError(
            f"{relative_to_repository(bundle)} has {_size(upload.size)} as uploaded, more than"
            f" {_size(MAX_UPLOAD)}; the largest files are"
            f" {', '.join(f'{path} ({size})' for path, size in upload.largest())}."
        )
    return upload


def _same(path: str, uploaded: bytes, staged: bytes) -> bool:
    if path == "requirements.txt":  # rsconnect reformats comments.
        return _requirements(uploaded) == _requirements(staged)
    return uploaded == staged


def _requirements(text: bytes) -> list[bytes]:
    lines = [line.partition(b"#")[0].strip() for line in text.splitlines()]
    return [line for line in lines if line]

"""The `manifest.json` of a bundle, as rsconnect writes it."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec
from rsconnect.models import AppModes

ASGI = "python-fastapi"
STATIC = "static"
_ENTRYPOINT = re.compile(r"[\w.]{1,200}(:[\w.]{1,200})?")
# uv takes `-` for the standard input, and a name with a colon for a URL.
_REQUIREMENTS = re.compile(r"(?!-)[\w.+@ -]+(/[\w.+@ -]+)*")
_MAX_BYTES = 4 * 1024 * 1024


class BundleRefusedError(ValueError):
    """The bundle is not accepted. The message is one sentence with the reason."""


@dataclass(frozen=True)
class Manifest:
    """The fields of the manifest that the rehearsal needs."""

    app_mode: str
    """`ASGI` or `STATIC`. Static content needs no Python: its other fields are empty."""
    entrypoint: str
    """The application, `module:attribute`, or the path of the page that static content opens."""
    python_version: str
    """The version of the interpreter that the publisher used."""
    python_requires: str | None
    """The specifier of the versions that the content accepts; `None` if it has none."""
    requirements: str
    """The path of the requirements file in the bundle."""


class _Metadata(msgspec.Struct):
    appmode: str
    entrypoint: str = ""
    primary_html: str = ""


class _PackageManager(msgspec.Struct):
    package_file: str


class _Python(msgspec.Struct):
    version: str
    package_manager: _PackageManager


class _Accepted(msgspec.Struct):
    requires: str | None = None


class _Environment(msgspec.Struct):
    python: _Accepted | None = None


class _File(msgspec.Struct):
    checksum: str


class _Document(msgspec.Struct):
    metadata: _Metadata
    files: dict[str, _File]
    python: _Python | None = None
    environment: _Environment | None = None


def read_manifest(directory: Path) -> Manifest:
    """Returns the manifest of an unpacked bundle. Checks that listed files have their checksum.

    Files that the manifest does not list are accepted. Raises `BundleRefusedError`.
    """
    file = directory / "manifest.json"
    if not file.is_file():
        raise BundleRefusedError("The bundle has no manifest.json at its top.")
    if file.stat().st_size > _MAX_BYTES:
        raise BundleRefusedError("The bundle's manifest.json is too large.")
    try:
        document = msgspec.json.decode(file.read_bytes(), type=_Document)
    except msgspec.ValidationError as error:
        raise BundleRefusedError(f"The bundle's manifest.json is not valid: {error}.") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BundleRefusedError("The bundle's manifest.json is not JSON.") from None
    metadata, python = document.metadata, document.python
    if metadata.appmode == STATIC:
        return _static(directory, document)
    if metadata.appmode != ASGI:
        raise BundleRefusedError(_not_hosted(metadata.appmode))
    if python is None:
        raise BundleRefusedError("The bundle's manifest.json is not valid: it has no `python`.")
    if not _ENTRYPOINT.fullmatch(metadata.entrypoint):
        raise BundleRefusedError(
            f"The entry point {metadata.entrypoint[:40]!r} is not of the form 'module:app'."
        )
    requirements = python.package_manager.package_file
    if not _REQUIREMENTS.fullmatch(requirements):
        raise BundleRefusedError(
            f"The requirements file {requirements[:80]!r} must be a path in the bundle."
        )
    _verify(directory, document.files, requirements)
    if not _is_file_in(directory, requirements):
        raise BundleRefusedError(f"The bundle has no requirements file {requirements[:80]!r}.")
    accepted = document.environment and document.environment.python
    return Manifest(
        app_mode=ASGI,
        entrypoint=metadata.entrypoint,
        python_version=python.version,
        python_requires=accepted.requires if accepted else None,
        requirements=requirements,
    )


def _static(directory: Path, document: _Document) -> Manifest:
    # rsconnect writes the page as `primary_html`, and for a rendered notebook as `entrypoint` only.
    page = document.metadata.primary_html or document.metadata.entrypoint
    _verify(directory, document.files, "")
    if not _is_file_in(directory, page):
        raise BundleRefusedError(f"The bundle has no page {page[:80]!r}, which it is to open with.")
    return Manifest(STATIC, page, "", None, "")


def _not_hosted(app_mode: str) -> str:
    known = {
        mode.name(): mode.desc()  # type: ignore[no-untyped-call]
        for mode in AppModes._modes
    }
    if app_mode in known:
        kind = f"Connect hosts content of the kind {known[app_mode]} ({app_mode})"
    else:
        kind = f"Connect may host content of the kind {app_mode[:40]!r}"
    return (
        f"{kind}, but the rehearsal does not: it hosts ASGI apps (`rsconnect deploy fastapi`) and"
        " static pages (`rsconnect deploy html`)."
    )


def _is_file_in(directory: Path, name: str) -> bool:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts:
        return False
    try:
        return (directory / path).is_file()
    except (OSError, ValueError):  # The name is too long or not valid.
        return False


def _verify(directory: Path, files: dict[str, _File], requirements: str) -> None:
    for name, file in files.items():
        if not _is_file_in(directory, name):
            raise BundleRefusedError(
                f"The manifest lists {name[:80]!r}, which is not in the bundle."
            )
        content = (directory / name).read_bytes()
        if file.checksum != _md5(content) and not (
            name == requirements and file.checksum == _md5(_as_rsconnect_reads(content))
        ):
            raise BundleRefusedError(f"The checksum of {name[:80]!r} is not that of the manifest.")


def _md5(content: bytes) -> str:
    """Returns the manifest's kind of checksum, which detects a broken upload but not an attack."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _as_rsconnect_reads(requirements: bytes) -> bytes:
    """Returns requirements as `rsconnect write-manifest` reads them. It does not write them back.

    rsconnect drops lines that name rsconnect, text after ` @ file:`, and the spaces around each
    line (rsconnect-python 1.32, rsconnect/subprocesses/inspect_environment.py, output_file and
    strip_ref).
    """
    return b"\n".join(
        line.partition(b" @ file:")[0].strip() + (b"\r" if line.endswith(b"\r") else b"")
        for line in requirements.split(b"\n")
        if b"rsconnect" not in line
    )

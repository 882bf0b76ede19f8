"""Unpacks what a client uploads: hostile input, nothing of which is trusted before it was looked at."""

import gzip
import hashlib
import json
import os
import re
import shutil
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

MIB = 1024 * 1024
APP_MODE = "python-fastapi"
_MAX_NAME_BYTES = 1024
_MAX_SEGMENT_BYTES = 255
_MAX_DEPTH = 32
_ENTRYPOINT = re.compile(r"[\w.]{1,200}(:[\w.]{1,200})?")
_MAX_MANIFEST_BYTES = 4 * MIB
_CHUNK_BYTES = 64 * 1024


class BundleRefusedError(ValueError):
    """One sentence that says what of the bundle is not accepted."""


@dataclass(frozen=True)
class Limits:
    """How large a bundle may be."""

    packed_bytes: int = 100 * MIB
    unpacked_bytes: int = 500 * MIB
    files: int = 10_000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Manifest:
    """What the rehearsal needs of a bundle's `manifest.json`."""

    entrypoint: str
    python_version: str
    """Of the interpreter that the publisher used."""
    python_requires: str | None
    """The specifier of versions that the content accepts, where it states one."""
    requirements: str
    """The path of the requirements file in the bundle."""


class _Bounded:
    """A file of which nobody can read a huge piece at once: tar headers announce their own length."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MIB:
            raise BundleRefusedError("The bundle has a tar header that is too large.")
        return self._file.read(size)


def unpack(bundle: Path, target: Path, limits: Limits) -> Manifest:
    """Unpack a gzipped tar archive into the new directory `target` and read its manifest.

    Raises `BundleRefusedError`, `OSError` (a full disk); nothing is left of `target` then.
    """
    plain = target.with_name(target.name + ".tar")
    target.mkdir(parents=True)
    try:
        _decompress(bundle, plain, limits)
        with plain.open("rb") as file:
            _unpack_tar(file, target, limits)
        return read_manifest(target)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    finally:
        plain.unlink(missing_ok=True)


def _decompress(bundle: Path, plain: Path, limits: Limits) -> None:
    # Tar adds at most one block of header and one of padding to a file that has no long name.
    limit = limits.unpacked_bytes + limits.files * 2048
    written = 0
    try:
        with gzip.open(bundle) as packed, plain.open("wb") as output:
            while chunk := packed.read(_CHUNK_BYTES):
                written += len(chunk)
                if written > limit:
                    raise BundleRefusedError(
                        f"The bundle unpacks to more than {limits.unpacked_bytes // MIB} MiB."
                    )
                output.write(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise BundleRefusedError("The bundle is not a complete gzip file.") from None


def _unpack_tar(file: IO[bytes], target: Path, limits: Limits) -> None:
    seen: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    members = total = 0
    try:
        with tarfile.open(fileobj=_Bounded(file), mode="r:") as archive:  # type: ignore[call-overload]
            for member in archive:
                path = _accepted_path(member)
                if path in seen and not member.isdir():
                    raise BundleRefusedError(f"The bundle has {path} twice.")
                seen.add(path)
                # A path makes the folders above it, whether or not the archive names them.
                folders.update(path.parents)
                members += 1
                total += member.size
                if members + len(folders) > limits.files:
                    raise BundleRefusedError(
                        f"The bundle has more than {limits.files} files and folders."
                    )
                if total > limits.unpacked_bytes:
                    raise BundleRefusedError(
                        f"The bundle unpacks to more than {limits.unpacked_bytes // MIB} MiB."
                    )
                _write(archive, member, target / path)
    except BundleRefusedError:
        raise
    except (tarfile.TarError, ValueError, OverflowError, RecursionError):
        # The last three are how tarfile takes pax records, sparse maps and chains of headers amiss.
        raise BundleRefusedError("The bundle is not a complete tar archive.") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise BundleRefusedError("The bundle has a path that is both file and folder.") from None


def _accepted_path(member: tarfile.TarInfo) -> PurePosixPath:
    shown = ascii(member.name[:80])
    kind = {
        tarfile.SYMTYPE: "a symbolic link",
        tarfile.LNKTYPE: "a hard link",
        tarfile.CHRTYPE: "a device",
        tarfile.BLKTYPE: "a device",
        tarfile.FIFOTYPE: "a pipe",
    }.get(member.type)
    if kind is not None or not (member.isfile() or member.isdir()) or member.size < 0:
        raise BundleRefusedError(f"The bundle has {kind or 'something odd'}, {shown}: only files.")
    name = member.name
    segments = name.rstrip("/").split("/")
    while segments[:1] == ["."]:
        segments = segments[1:]
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in segments or "\\" in name:
        raise BundleRefusedError(f"The bundle has a path that leads out of it, {shown}.")
    unfit = any(
        not segment or segment == "." or len(os.fsencode(segment)) > _MAX_SEGMENT_BYTES
        for segment in segments
    )
    if (
        (unfit and segments)
        or len(segments) > _MAX_DEPTH
        or len(os.fsencode(name)) > _MAX_NAME_BYTES
        or re.search(r"[\0-\x1f\x7f]", name)
    ):
        raise BundleRefusedError(f"The bundle has a path that cannot be unpacked, {shown}.")
    return PurePosixPath(*segments)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    source = archive.extractfile(member)
    assert source is not None
    # Our own modes: not setuid, not writable by others, not unreadable for us.
    mode = 0o755 if member.mode & 0o100 else 0o644
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as output:
        shutil.copyfileobj(source, output, _CHUNK_BYTES)


def parse_json(data: bytes) -> Any:
    """What this JSON says; strings in it that are no Unicode text are refused (RFC 8259, 8.2).

    Raises `ValueError`, `RecursionError`.
    """
    value = json.loads(data)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def read_manifest(directory: Path) -> Manifest:
    """The manifest of an unpacked bundle; each file that it lists must be there as it was listed.

    Files that it does not list are accepted. Raises `BundleRefusedError`.
    """
    file = directory / "manifest.json"
    if not file.is_file():
        raise BundleRefusedError("The bundle has no manifest.json at its top.")
    if file.stat().st_size > _MAX_MANIFEST_BYTES:
        raise BundleRefusedError("The bundle's manifest.json is too large.")
    try:
        manifest = parse_json(file.read_bytes())
    except (ValueError, RecursionError):
        raise BundleRefusedError("The bundle's manifest.json is not JSON.") from None
    metadata = _member(manifest, "metadata", dict)
    app_mode = _member(metadata, "appmode", str)
    if app_mode != APP_MODE:
        raise BundleRefusedError(
            f"The rehearsal runs {APP_MODE} content only, not {app_mode[:40]!r}:"
            " deploy ASGI apps with `rsconnect deploy fastapi`."
        )
    entrypoint = _member(metadata, "entrypoint", str)
    if not _ENTRYPOINT.fullmatch(entrypoint):
        raise BundleRefusedError(
            f"The entry point {entrypoint[:40]!r} is not of the form 'module:app'."
        )
    python = _member(manifest, "python", dict)
    package_manager = _member(python, "package_manager", dict)
    requirements = _member(package_manager, "package_file", str)
    _verify(directory, _member(manifest, "files", dict), requirements)
    if not _is_listed_file(directory, requirements):
        raise BundleRefusedError(f"The bundle has no requirements file {requirements[:80]!r}.")
    environment = manifest.get("environment") or {}
    requires = environment.get("python") if isinstance(environment, dict) else None
    return Manifest(
        entrypoint=entrypoint,
        python_version=_member(python, "version", str),
        python_requires=_member(requires, "requires", str) if isinstance(requires, dict) else None,
        requirements=requirements,
    )


def _member(parent: Any, name: str, kind: type[Any]) -> Any:
    value = parent.get(name) if isinstance(parent, dict) else None
    if not isinstance(value, kind):
        raise BundleRefusedError(f"The bundle's manifest.json has no proper {name!r}.")
    return value


def _is_listed_file(directory: Path, name: str) -> bool:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts:
        return False
    try:
        return (directory / path).is_file()
    except (OSError, ValueError):  # Too long, or a name that no file can have.
        return False


def _verify(directory: Path, files: dict[str, Any], requirements: str) -> None:
    for name, entry in files.items():
        if not _is_listed_file(directory, name):
            raise BundleRefusedError(
                f"The manifest lists {name[:80]!r}, which is not in the bundle."
            )
        checksum = _member(entry, "checksum", str)
        if checksum == _checksum(directory / name):
            continue
        if name == requirements and checksum == _checksum_of_rsconnect(directory / name):
            continue
        raise BundleRefusedError(f"The checksum of {name[:80]!r} is not the manifest's.")


def _checksum(file: Path) -> str:
    """MD5 is what the format has: it guards against a broken upload, not against anybody."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _checksum_of_rsconnect(file: Path) -> str:
    """Of requirements as `rsconnect write-manifest` has read them, which it does not write back.

    It drops lines that name rsconnect, what follows ` @ file:`, and the spaces around each line
    (rsconnect-python 1.32, rsconnect/subprocesses/inspect_environment.py, output_file and strip_ref).
    """
    read = [line for line in file.read_bytes().split(b"\n") if b"rsconnect" not in line]
    kept = [
        line.partition(b" @ file:")[0].strip() + (b"\r" if line.endswith(b"\r") else b"")
        for line in read
    ]
    return hashlib.md5(b"\n".join(kept), usedforsecurity=False).hexdigest()

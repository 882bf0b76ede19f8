"""Unpacks an uploaded bundle. Checks every name, type and size before it is used."""

import gzip
import os
import re
import shutil
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rehearsal.storage.manifest import BundleRefusedError, Manifest, read_manifest

MIB = 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}
_LEADS_OUT = re.compile(r"/|[A-Za-z]:|.*\\|(.*/)?\.\.(/|$)", re.DOTALL)
# Control characters, empty segments, names that file systems refuse, and more than 32 levels.
_UNFIT = re.compile(r".*([\0-\x1f\x7f]|//|/\.(/|$)|[^/]{256})|([^/]*/){32}", re.DOTALL)


@dataclass(frozen=True)
class Limits:
    """How large a bundle may be."""

    packed_bytes: int = 100 * MIB
    unpacked_bytes: int = 500 * MIB
    files: int = 10_000


DEFAULT_LIMITS = Limits()


class _Bounded:
    """An archive that refuses reads over 1 MiB, and reads beyond the limit of bytes.

    `tarfile` allocates the sizes that tar headers state.
    """

    def __init__(self, file: gzip.GzipFile, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MIB:
            raise BundleRefusedError("The bundle has a tar header that is too large.")
        # Tar adds at most a block of header and one of padding to a file without a long name.
        if self._file.tell() > self._limits.unpacked_bytes + self._limits.files * 2048:
            raise _too_many_bytes(self._limits)
        return self._file.read(size)


def _too_many_bytes(limits: Limits) -> BundleRefusedError:
    return BundleRefusedError(
        f"The bundle unpacks to more than {limits.unpacked_bytes // MIB} MiB."
    )


def unpack(bundle: Path, directory: Path, limits: Limits) -> Manifest:
    """Unpacks a gzipped tar archive into the new directory `directory` and reads its manifest.

    Raises `BundleRefusedError`, `OSError` (a full disk), after deleting `directory`.
    """
    directory.mkdir(parents=True)
    try:
        _unpack(bundle, directory, limits)
        return read_manifest(directory)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _unpack(bundle: Path, directory: Path, limits: Limits) -> None:
    try:
        with gzip.open(bundle) as packed:
            bounded = _Bounded(packed, limits)
            with tarfile.open(fileobj=bounded, mode="r:") as archive:  # type: ignore[call-overload]
                _extract(archive, directory, limits)
            while bounded.read(_CHUNK_BYTES):  # Reads up to the checksum at the end.
                pass
    except BundleRefusedError:
        raise
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise BundleRefusedError("The bundle is not a complete gzip file.") from None
    except (tarfile.TarError, ValueError, OverflowError, RecursionError):
        # `tarfile` raises the last three for bad pax records, sparse maps and chains of headers.
        raise BundleRefusedError("The bundle is not a complete tar archive.") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise BundleRefusedError("The bundle has a path that is both file and folder.") from None


def _extract(archive: tarfile.TarFile, directory: Path, limits: Limits) -> None:
    """Extracts the members after checking them.

    `tarfile.data_filter` is not used: it removes the slash of absolute names, and Python 3.11.2
    does not have it.
    """
    seen: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    total = 0
    for members, member in enumerate(archive, 1):
        path = _accepted_path(member)
        if path in seen and not member.isdir():
            raise BundleRefusedError(f"The bundle has {path} twice.")
        seen.add(path)
        # Extracting a path creates its parent folders, even if the archive does not list them.
        folders.update(path.parents)
        total += member.size
        if members + len(folders) > limits.files:
            raise BundleRefusedError(f"The bundle has more than {limits.files} files and folders.")
        if total > limits.unpacked_bytes:
            raise _too_many_bytes(limits)
        _write(archive, member, directory / path)


def _accepted_path(member: tarfile.TarInfo) -> PurePosixPath:
    name = ascii(member.name[:80])
    if not (member.isfile() or member.isdir()) or member.size < 0:
        kind = _KINDS.get(member.type, "something odd")
        raise BundleRefusedError(
            f"The bundle has {kind}, {name}: only files and folders are allowed."
        )
    if _LEADS_OUT.match(member.name):
        raise BundleRefusedError(f"The bundle has a path that leads out of it, {name}.")
    if _UNFIT.match(member.name.rstrip("/")):
        raise BundleRefusedError(f"The bundle has a path that cannot be unpacked, {name}.")
    return PurePosixPath(member.name)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    source = archive.extractfile(member)
    assert source is not None
    # Fixed modes: not setuid, not writable by others, readable for the owner.
    mode = 0o755 if member.mode & 0o100 else 0o644
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as output:
        shutil.copyfileobj(source, output, _CHUNK_BYTES)

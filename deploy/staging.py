"""Writes a framework's bundle to `build/bundles/<name>/`, which rsconnect uploads."""

import hashlib
import os
import shutil
from pathlib import Path

from deploy.contents import RECORD, contents
from tooling.files import locked
from tooling.frameworks import Framework

_EPOCH = 946_684_800  # 2000-01-01T00:00:00Z


def bundle_folder(framework: Framework) -> Path:
    """Returns `build/bundles/<name>` in the framework's repository, which need not exist."""
    return framework.folder.parent / "build" / "bundles" / framework.name


def bundle_lock(framework: Framework) -> Path:
    """Returns the file to lock while a bundle is written or read."""
    return bundle_folder(framework).with_name(f".{framework.name}.lock")


def stage(framework: Framework, store: str | None = None) -> Path:
    """Calls `stage_locked` with the lock on `bundle_lock`."""
    with locked(bundle_lock(framework)):
        return stage_locked(framework, store)


def stage_locked(framework: Framework, store: str | None = None) -> Path:
    """Writes the framework's files to its bundle folder and returns that folder.

    `store` is the extra that the bundle's requirements include. The same files give the same bytes,
    modes and times. rsconnect's record of earlier deployments is kept. If the process is killed,
    the old or the new bundle remains, and the next call restores its name.

    Raises `UsageError`, and `OSError` if the disk is full or cannot be written.
    """
    bundle = bundle_folder(framework)
    staging = bundle.with_name(f".{framework.name}.staging")
    replaced = bundle.with_name(f".{framework.name}.replaced")
    if replaced.exists() and not bundle.exists():
        replaced.rename(bundle)
    for left in (staging, replaced):
        shutil.rmtree(left, ignore_errors=True)
    try:
        _write(staging, contents(framework, store))
        if (bundle / RECORD).is_dir():
            shutil.copytree(bundle / RECORD, staging / RECORD)
        _put(staging, bundle, replaced)
    finally:
        for left in (staging, replaced):
            shutil.rmtree(left, ignore_errors=True)
    return bundle


def _write(folder: Path, files: dict[str, Path]) -> None:
    folder.mkdir()
    for path, source in sorted(files.items()):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        content = source.read_bytes()
        file.write_bytes(content)
        file.chmod(0o644)
        os.utime(file, (mtime := _mtime(content), mtime))
    for directory in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        directory.chmod(0o755)
        os.utime(directory, (_EPOCH, _EPOCH))


def _put(new: Path, bundle: Path, replaced: Path) -> None:
    # If the process is killed between these two renames, the old folder is named `replaced`.
    if bundle.exists():
        bundle.rename(replaced)
    new.rename(bundle)


def _mtime(content: bytes) -> int:
    """Returns a modification time derived from the content: seconds from 2000 on.

    A reproducible bundle needs times that do not depend on the clock. One time for all files would
    be wrong, because the frameworks compute a file's entity tag from its time and size. After a
    deployment that changes a colour in the stylesheet, browsers would be answered 304. Python also
    checks its compiled modules by time and size.
    """
    return _EPOCH + int.from_bytes(hashlib.sha256(content).digest()[:4]) % 2**29

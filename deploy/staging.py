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
    """`build/bundles/<name>` of the repository that the framework lies in, whether it exists or
    not.
    """
    return framework.folder.parent / "build" / "bundles" / framework.name


def bundle_lock(framework: Framework) -> Path:
    """The file to hold a lock on while a bundle is written or read."""
    return bundle_folder(framework).with_name(f".{framework.name}.lock")


def stage(framework: Framework, store: str | None = None) -> Path:
    """As `stage_locked`, with the lock on `bundle_lock`."""
    with locked(bundle_lock(framework)):
        return stage_locked(framework, store)


def stage_locked(framework: Framework, store: str | None = None) -> Path:
    """Writes the framework's files to its bundle folder and returns that folder.

    `store` is the extra whose requirements the bundle lists as well. The same files give the same
    bytes, modes and times. rsconnect's record of earlier deployments is kept. A process that is
    killed leaves the bundle of before or the new one; the next call completes what it left.

    Raises `UsageError`, and `OSError` where the disk is full or cannot be written.
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
    # A process that is killed between these two renames leaves the old folder under its second
    # name.
    if bundle.exists():
        bundle.rename(replaced)
    new.rename(bundle)


def _mtime(content: bytes) -> int:
    """A time of modification, in seconds, derived from the file's content: between 2000 and 2016.

    Reproducible bytes need a time that does not come from the clock. One time for all files would
    be wrong: the frameworks make a file's entity tag from its time and size. After a deployment
    that changes a colour in the stylesheet, browsers would be answered 304. Python checks its
    compiled modules by the same two values.
    """
    return _EPOCH + int.from_bytes(hashlib.sha256(content).digest()[:4]) % 2**29

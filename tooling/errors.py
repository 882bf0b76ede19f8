"""Errors that end a command with one line, and what the system reports of a full disk."""

import errno
import os
import re

_FULL_DISK = re.compile(r"No space left|Disk quota exceeded|os error (?:28|122)\b")
# Not from `sqlite3`, which some Pythons lack: `make setup` uses this module too.
_SQLITE_FULL = 13
# `shutil.copytree` goes on after an error, and raises one whose message contains those of all.
_FULL_DISK_NUMBERS = (f"[Errno {errno.ENOSPC}]", f"[Errno {errno.EDQUOT}]")


class UsageError(Exception):
    """One line that says what is wrong and what to do. A command prints it and exits with 1."""


def is_full_disk(error: BaseException) -> bool:
    """Whether the system or SQLite raised it because the disk, or the quota, is full."""
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return full or any(number in str(error) for number in _FULL_DISK_NUMBERS)
    return getattr(error, "sqlite_errorcode", None) == _SQLITE_FULL


def check_full_disk(output: str) -> None:
    """Raises `OSError` (ENOSPC) where the output of a failed program reports a full disk."""
    if _FULL_DISK.search(output):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def os_error_message(error: OSError) -> str:
    """What failed, as one sentence."""
    if is_full_disk(error):
        return "The disk is full: make room, and run this again."
    return f"{error.strerror or error}: {error.filename or 'no file named'}."

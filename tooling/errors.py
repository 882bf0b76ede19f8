"""Errors that end a command with one line, and the detection of a full disk."""

import errno
import os
import re

_FULL_DISK = re.compile(r"No space left|Disk quota exceeded|os error (?:28|122)\b")
# Not imported from `sqlite3`: `make setup` uses this module too, and some Pythons lack `sqlite3`.
_SQLITE_FULL = 13
# `shutil.copytree` continues after errors, and raises one error with all messages.
_FULL_DISK_NUMBERS = (f"[Errno {errno.ENOSPC}]", f"[Errno {errno.EDQUOT}]")


class UsageError(Exception):
    """One line with the error and its remedy. A command prints it and exits with 1."""


def is_full_disk(error: BaseException) -> bool:
    """Returns whether the system or SQLite raised the error because the disk or quota is full."""
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return full or any(number in str(error) for number in _FULL_DISK_NUMBERS)
    return getattr(error, "sqlite_errorcode", None) == _SQLITE_FULL


def check_full_disk(output: str) -> None:
    """Raises `OSError` (ENOSPC) if the output of a failed program reports a full disk."""
    if _FULL_DISK.search(output):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def os_error_message(error: OSError) -> str:
    """Returns one sentence that describes the error."""
    if is_full_disk(error):
        return "The disk is full: make room, and run this again."
    return f"{error.strerror or error}: {error.filename or 'unknown file'}."

"""Removes compiled modules that a full disk has cut: Python ends in `EOFError` where it finds one.

Python before 3.14 does not look whether the whole file was written:
https://github.com/python/cpython/issues/126606
"""

import contextlib
import marshal
import os
from pathlib import Path

# What a full disk cuts ends where a block of the disk ends; no file system has smaller blocks.
_BLOCK_BYTES = 512
_HEADER_BYTES = 16


def remove_cut_files(folder: Path) -> None:
    """Looks at every `.pyc` below the folder. Only those of whole blocks are read."""
    pending = [str(folder)]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif entry.name.endswith(".pyc") and entry.stat().st_size % _BLOCK_BYTES == 0:
                    _check(Path(entry.path))


def _check(file: Path) -> None:
    try:
        marshal.loads(file.read_bytes()[_HEADER_BYTES:])
    except (EOFError, ValueError, TypeError):
        # Another version's file may not be readable either; nothing is lost with it.
        file.unlink(missing_ok=True)

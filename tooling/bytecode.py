"""Removes compiled modules that a full disk has truncated: Python raises `EOFError` for them.

Before 3.14, Python does not check that the whole file was written:
https://github.com/python/cpython/issues/126606
"""

import contextlib
import marshal
import os
from pathlib import Path

# A truncated file ends at the end of a disk block. No file system has smaller blocks than this.
_BLOCK_BYTES = 512
_HEADER_BYTES = 16


def remove_cut_files(folder: Path) -> None:
    """Removes truncated `.pyc` files below the folder. Reads only files of whole blocks."""
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
        # The file of another Python version may not be readable either; Python compiles it again.
        file.unlink(missing_ok=True)

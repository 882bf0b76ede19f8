"""The rules for `NAME`, the package of the new project, for `DEST`, its folder, and `REHEARSAL`."""

import keyword
import re
import sys
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

from tooling.errors import UsageError
from tooling.terminal import printable

MAX_LENGTH = 40
"""A longer name would not leave room for code in a line of 100 characters."""

# The folders of the project beside the package.
_FOLDERS = frozenset({"tests", "tools", "build"})


def check_name(name: str) -> None:
    """Raises `UsageError` unless the name can be that of a new top-level package.

    It is an ASCII identifier with a letter or digit at both ends (PyPA, names and normalization),
    and no other module that the project can import has it.
    """
    if not name:
        raise UsageError("NAME is missing: the name of your package, such as NAME=our_service.")
    if not name.isascii() or not name.isidentifier():
        raise UsageError(
            f"NAME={_shown(name)} is not an identifier: use letters, digits and underscores."
        )
    if len(name) > MAX_LENGTH:
        raise UsageError(f"NAME has {len(name)} characters; the limit is {MAX_LENGTH}.")
    if not re.fullmatch(r"[A-Za-z](?:\w*[A-Za-z0-9])?", name):
        raise UsageError(f"NAME={name} must not begin or end with an underscore.")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise UsageError(f"NAME={name} is a keyword of Python.")
    if name.lower() in {module.lower() for module in sys.stdlib_module_names}:
        raise UsageError(f"NAME={name} is a module of Python's standard library.")
    if name in _FOLDERS:
        raise UsageError(f"NAME={name} is another folder of the project.")
    if name in packages_distributions() or find_spec(name) is not None:
        raise UsageError(f"NAME={name} is a module that is installed or in this repository.")


def _shown(value: str) -> str:
    """Returns the beginning of a value as one printable line."""
    return printable(value[: MAX_LENGTH + 1]).replace("\n", "\\n").replace("\t", "\\t")


def check_destination(dest: str, root: Path) -> Path:
    """Returns the folder as an absolute path. Raises `UsageError` unless it is absent or empty."""
    if not dest:
        raise UsageError("DEST is missing: the folder of the project, such as DEST=../our-service.")
    try:
        folder = Path(dest).expanduser().absolute()
        used = folder.is_symlink() or (
            folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"DEST={printable(dest[:80])} cannot be used: {reason}.") from None
    if used:
        raise UsageError(f"{dest} exists and is not an empty folder: name another DEST.")
    if folder.resolve().is_relative_to(root):
        raise UsageError(f"{dest} is inside this repository: name a DEST outside.")
    if not printable(dest) == dest or "\n" in dest:
        raise UsageError("DEST contains a control character.")
    return folder


def check_rehearsal(value: str) -> bool:
    """Returns whether the project keeps the stand-in. Raises `UsageError` unless 1 or empty."""
    if value not in ("", "1"):
        raise UsageError(
            f"REHEARSAL={_shown(value)} is not known: REHEARSAL=1 keeps the stand-in for Connect;"
            " without REHEARSAL, the project has none."
        )
    return value == "1"

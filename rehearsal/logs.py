"""`make rehearse-logs`: prints the log of deployed content, whether or not a rehearsal runs."""

import contextlib
import re
import sqlite3
import sys
from pathlib import Path

from tooling.errors import UsageError
from tooling.terminal import printable

_LAST_BUNDLES = """
    SELECT guid, ifnull(bundle_id, (SELECT max(id) FROM bundles WHERE content_guid = guid)),
    name, vanity, title FROM content ORDER BY last_deployed_time DESC, id"""
_Row = tuple[str, int | None, str, str | None, str | None]


def show_log(state: Path, name: str | None) -> None:
    """Prints the log of the content's active bundle, else of its newest. Raises `UsageError`."""
    rows = _read(state)
    if not name or not (found := _find(name, rows)):
        names = ", ".join(sorted(row[2] for row in rows)) or "none"
        raise UsageError(f"Choose content with make rehearse-logs NAME=...; there are: {names}.")
    guid, bundle_id, own_name = found[:3]
    log = state / "logs" / guid / f"{bundle_id}.log"
    if not log.is_file():
        raise UsageError(f"{own_name} has no log: no process was started for it yet.")
    with log.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        for line in lines:
            sys.stdout.write(printable(line))


def _read(state: Path) -> list[_Row]:
    database = state / "state.sqlite"
    if not database.is_file():
        raise UsageError("No rehearsal was started here yet: run make rehearse.")
    uri = f"{database.absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            return connection.execute(_LAST_BUNDLES).fetchall()
    except sqlite3.Error as error:
        raise unusable(state, error) from None


def unusable(state: Path, error: OSError | sqlite3.Error) -> UsageError:
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return UsageError(
        f"The state in {state} cannot be used ({reason}): remove it, or set REHEARSAL_STATE."
    )


def _find(text: str, rows: list[_Row]) -> _Row | None:
    """Returns the content with that GUID, name or path, else that title, else that end of its name.

    Ignores case and punctuation: rsconnect makes the name `our_service` from the title
    "Our service". If several have that title, returns the one that was deployed last.
    """
    name = _plain(text)
    for row in rows:
        if name in map(_plain, (row[0], row[2], row[3] or "")):
            return row
    for row in rows:
        if name == _plain(row[4] or ""):
            return row
    ending = [row for row in rows if _plain(row[2]).endswith(f"_{name}")]
    return ending[0] if len(ending) == 1 else None


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "_", text.lower()).strip("_")

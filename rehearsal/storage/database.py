"""What the rehearsal remembers: users, content and bundles, in SQLite; the bundles' files beside it.

Every change is one transaction, and files are in place before a row names them. So whenever the process
is killed, what is found at the next start is the state before or after a step, never between.
"""

import fcntl
import os
import secrets
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

from rehearsal.storage.unpack import Manifest

AccessType = Literal["all", "logged_in", "acl"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    guid TEXT PRIMARY KEY, username TEXT UNIQUE NOT NULL, role TEXT NOT NULL,
    api_key TEXT UNIQUE NOT NULL, session TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS content (
    id INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, owner_guid TEXT NOT NULL,
    name TEXT NOT NULL, title TEXT, description TEXT NOT NULL DEFAULT '',
    access_type TEXT NOT NULL DEFAULT 'all', bundle_id INTEGER, vanity TEXT UNIQUE,
    min_processes INTEGER, max_processes INTEGER, max_conns_per_process INTEGER, load_factor REAL,
    idle_timeout INTEGER, init_timeout INTEGER,
    created_time TEXT NOT NULL, last_deployed_time TEXT NOT NULL, UNIQUE (owner_guid, name));
CREATE TABLE IF NOT EXISTS bundles (
    id INTEGER PRIMARY KEY AUTOINCREMENT, content_guid TEXT NOT NULL REFERENCES content (guid)
    ON DELETE CASCADE, created_time TEXT NOT NULL, size INTEGER NOT NULL, entrypoint TEXT NOT NULL,
    python_version TEXT NOT NULL, python_requires TEXT, requirements TEXT NOT NULL, metadata TEXT);
CREATE TABLE IF NOT EXISTS environment (
    content_guid TEXT NOT NULL REFERENCES content (guid) ON DELETE CASCADE,
    name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (content_guid, name));
CREATE TABLE IF NOT EXISTS permissions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, content_guid TEXT NOT NULL REFERENCES content (guid)
    ON DELETE CASCADE, user_guid TEXT NOT NULL REFERENCES users (guid), role TEXT NOT NULL,
    UNIQUE (content_guid, user_guid));
"""


class StateInUseError(RuntimeError):
    """Another rehearsal runs on the same directory."""


class ConflictError(ValueError):
    """A name or path that must be unique is taken."""


@dataclass(frozen=True)
class User:
    guid: str
    username: str
    role: Literal["publisher", "viewer"]
    api_key: str
    session: str
    """What the dashboard's cookie holds for this user."""


@dataclass(frozen=True)
class Content:
    id: int
    guid: str
    owner_guid: str
    name: str
    title: str | None
    description: str
    access_type: AccessType
    bundle_id: int | None
    """The active version; `None` before the first was activated."""
    vanity: str | None
    """As in `/fastapi`: a second prefix; begins with a slash, ends without one."""
    min_processes: int | None
    max_processes: int | None
    max_conns_per_process: int | None
    load_factor: float | None
    idle_timeout: int | None
    init_timeout: int | None
    created_time: str
    last_deployed_time: str


@dataclass(frozen=True)
class Bundle:
    id: int
    content_guid: str
    created_time: str
    size: int
    entrypoint: str
    python_version: str
    python_requires: str | None
    requirements: str
    metadata: str | None


@dataclass(frozen=True)
class Permission:
    id: int
    content_guid: str
    user_guid: str
    role: str
    """`viewer` or `owner`, as the API has it: who may look, who may publish too."""


SETTABLE = frozenset(field.name for field in fields(Content)) - {
    "id",
    "guid",
    "owner_guid",
    "bundle_id",
    "vanity",
    "created_time",
    "last_deployed_time",
}
"""The members of `Content` that a client may change."""

# The viewer's name is there to find apps that take header bytes for latin-1.
_USERS = (("publisher", "publisher"), ("José Ünï 你好", "viewer"))

_ANNOUNCED_SECONDS = 2.0


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _lock(file: Path) -> TextIO:
    """The file, empty and locked. Raises `StateInUseError`, which says where the other rehearsal is."""
    lock = file.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StateInUseError(
            f"A rehearsal runs here already: {_holder(file)}. Use that one, or stop it first."
        ) from None
    lock.truncate(0)
    return lock


def _holder(file: Path) -> str:
    """What the process that has the lock wrote into it; soon after its start that is not there yet."""
    deadline = time.monotonic() + _ANNOUNCED_SECONDS
    while not (holder := file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return holder or f"on {file.parent}"


class State:
    """The database and files under `directory`, made where they are missing.

    Raises `StateInUseError`: one process has it at a time.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)  # API keys and environment variables lie here.
        self._lock = _lock(directory / "lock")
        self._bundles = directory / "bundles"
        self._bundles.mkdir(exist_ok=True)
        self._database = sqlite3.connect(
            directory / "state.sqlite", isolation_level=None, check_same_thread=False
        )
        self._database.row_factory = sqlite3.Row
        self._database.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
            + _SCHEMA
        )
        with self._transaction() as database:
            for username, role in _USERS:
                secret = (secrets.token_hex(16), secrets.token_hex(16))
                database.execute(
                    "INSERT OR IGNORE INTO users VALUES (?, ?, ?, ?, ?)",
                    (str(uuid.uuid4()), username, role, *secret),
                )
        self.sweep(incoming=True)

    def announce(self, url: str) -> None:
        """Lets a second rehearsal on the same directory tell its user where this one is."""
        self._lock.write(f"{url}/ (process {os.getpid()})")
        self._lock.flush()

    def close(self) -> None:
        self._database.close()
        self._lock.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # SQLite itself rolls back where the disk is full.
                self._database.execute("ROLLBACK")
            raise

    def sweep(self, *, incoming: bool = False) -> None:
        """Removes the files of bundles that no row names, and uploads that were interrupted if `incoming`."""
        known = {str(row["id"]) for row in self._database.execute("SELECT id FROM bundles")}
        for path in self._bundles.iterdir():
            name = path.name.partition(".")[0]
            if name in known or not (incoming or name.isdecimal()):
                continue
            _remove(path)

    # Users

    def users(self) -> list[User]:
        rows = self._database.execute("SELECT * FROM users ORDER BY rowid")
        return [User(**row) for row in rows]

    def user_by(self, column: Literal["api_key", "session", "guid"], value: str) -> User | None:
        row = self._database.execute(f"SELECT * FROM users WHERE {column} = ?", (value,)).fetchone()
        return User(**row) if row else None

    # Content

    def contents(self, owner_guid: str | None = None, name: str | None = None) -> list[Content]:
        """Newest deployment first."""
        rows = self._database.execute(
            "SELECT * FROM content WHERE owner_guid = ifnull(?, owner_guid) AND name = ifnull(?, name)"
            " ORDER BY last_deployed_time DESC, id",
            (owner_guid, name),
        )
        return [Content(**row) for row in rows]

    def content(self, guid: str) -> Content | None:
        row = self._database.execute("SELECT * FROM content WHERE guid = ?", (guid,)).fetchone()
        return Content(**row) if row else None

    def create_content(self, owner_guid: str, name: str, fields: Mapping[str, Any] = {}) -> Content:
        """`fields` has only names in `SETTABLE`. Raises `ConflictError` where the owner has that name."""
        guid = str(uuid.uuid4())
        with self._transaction() as database:
            try:
                database.execute(
                    "INSERT INTO content (guid, owner_guid, name, title, created_time,"
                    " last_deployed_time) VALUES (?, ?, ?, ?, ?, ?)",
                    (guid, owner_guid, name, name, _now(), _now()),
                )
            except sqlite3.IntegrityError:
                raise ConflictError("There is content of that name already.") from None
            self._change(guid, fields)
        created = self.content(guid)
        assert created is not None
        return created

    def update_content(self, guid: str, changes: Mapping[str, Any]) -> None:
        """`changes` has only names in `SETTABLE` or `vanity`. Raises `ConflictError`."""
        with self._transaction():
            self._change(guid, changes)

    def _change(self, guid: str, changes: Mapping[str, Any]) -> None:
        assert SETTABLE | {"vanity"} >= set(changes)
        for name, value in changes.items():
            try:
                self._database.execute(
                    f"UPDATE content SET {name} = ? WHERE guid = ?", (value, guid)
                )
            except sqlite3.IntegrityError:
                raise ConflictError(f"Other content has that {name} already.") from None

    def activate(self, guid: str, bundle_id: int) -> None:
        """From here on this bundle is the content's active version.

        Raises `LookupError` where one of them is not there any more.
        """
        with self._transaction() as database:
            changed = database.execute(
                "UPDATE content SET bundle_id = ?1, last_deployed_time = ?2 WHERE guid = ?3"
                " AND EXISTS (SELECT 1 FROM bundles WHERE id = ?1 AND content_guid = ?3)",
                (bundle_id, _now(), guid),
            )
            if changed.rowcount == 0:
                raise LookupError("There is no such bundle.")

    def delete_content(self, guid: str) -> None:
        """The files of its bundles stay until `sweep`: a process may still use them."""
        with self._transaction() as database:
            database.execute("DELETE FROM content WHERE guid = ?", (guid,))

    # Environment variables

    def environment(self, guid: str) -> dict[str, str]:
        rows = self._database.execute(
            "SELECT name, value FROM environment WHERE content_guid = ? ORDER BY name", (guid,)
        )
        return {row["name"]: row["value"] for row in rows}

    def set_environment(self, guid: str, changes: Mapping[str, str | None]) -> None:
        """`None` removes a variable; those not named stay."""
        with self._transaction() as database:
            for name, value in changes.items():
                database.execute(
                    "DELETE FROM environment WHERE content_guid = ? AND name = ?", (guid, name)
                )
                if value is not None:
                    database.execute(
                        "INSERT INTO environment VALUES (?, ?, ?)", (guid, name, value)
                    )

    # Access lists

    def permissions(self, guid: str) -> list[Permission]:
        rows = self._database.execute(
            "SELECT * FROM permissions WHERE content_guid = ? ORDER BY id", (guid,)
        )
        return [Permission(**row) for row in rows]

    def add_permission(self, guid: str, user_guid: str, role: str) -> Permission:
        """Raises `ConflictError` where that user is listed."""
        with self._transaction() as database:
            try:
                database.execute(
                    "INSERT INTO permissions (content_guid, user_guid, role) VALUES (?, ?, ?)",
                    (guid, user_guid, role),
                )
            except sqlite3.IntegrityError:
                raise ConflictError("That user is listed already.") from None
        return self.permissions(guid)[-1]

    def remove_permission(self, guid: str, permission_id: int) -> None:
        with self._transaction() as database:
            database.execute(
                "DELETE FROM permissions WHERE content_guid = ? AND id = ?", (guid, permission_id)
            )

    # Bundles

    def archive_of(self, bundle_id: int) -> Path:
        """The uploaded file."""
        return self._bundles / f"{bundle_id}.tar.gz"

    def directory_of(self, bundle_id: int) -> Path:
        """The unpacked bundle."""
        return self._bundles / str(bundle_id)

    @contextmanager
    def incoming(self) -> Iterator[tuple[Path, Path]]:
        """Where to put an archive that comes in, and where to unpack it; both are gone afterwards."""
        directory = self._bundles / f"incoming.{secrets.token_hex(8)}"
        try:
            yield directory.with_name(directory.name + ".tar.gz"), directory
        finally:
            for path in self._bundles.glob(directory.name + "*"):
                _remove(path)

    def add_bundle(
        self, guid: str, archive: Path, directory: Path, manifest: Manifest, metadata: str | None
    ) -> Bundle:
        """Move an unpacked bundle to its place and name it in the database."""
        with self._transaction() as database:
            cursor = database.execute(
                "INSERT INTO bundles (content_guid, created_time, size, entrypoint, python_version,"
                " python_requires, requirements, metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(guid, _now(), archive.stat().st_size, manifest.entrypoint),
                    *(manifest.python_version, manifest.python_requires, manifest.requirements),
                    metadata,
                ),
            )
            assert cursor.lastrowid is not None
            bundle_id = cursor.lastrowid
            shutil.rmtree(self.directory_of(bundle_id), ignore_errors=True)
            archive.rename(self.archive_of(bundle_id))
            directory.rename(self.directory_of(bundle_id))
        added = self.bundle(guid, bundle_id)
        assert added is not None
        return added

    def bundles(self, guid: str) -> list[Bundle]:
        """Newest first."""
        rows = self._database.execute(
            "SELECT * FROM bundles WHERE content_guid = ? ORDER BY id DESC", (guid,)
        )
        return [Bundle(**row) for row in rows]

    def bundle(self, guid: str, bundle_id: int) -> Bundle | None:
        row = self._database.execute(
            "SELECT * FROM bundles WHERE content_guid = ? AND id = ?", (guid, bundle_id)
        ).fetchone()
        return Bundle(**row) if row else None

    def delete_bundle(self, guid: str, bundle_id: int) -> None:
        """Its files stay until `sweep`: a process may still use them."""
        with self._transaction() as database:
            database.execute(
                "DELETE FROM bundles WHERE content_guid = ? AND id = ?", (guid, bundle_id)
            )

"""The rehearsal's state: users, content and bundles in SQLite, and the bundles' files beside it.

Every change is one transaction. Files are in place before a row names them. If the process is
killed, the state is that before a step or that after it.
"""

import fcntl
import os
import re
import secrets
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TextIO, TypeVar

from rehearsal.storage.manifest import Manifest
from tooling.errors import UsageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    guid TEXT PRIMARY KEY, username TEXT UNIQUE NOT NULL, role TEXT NOT NULL,
    api_key TEXT UNIQUE NOT NULL, session TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS content (
    id INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, owner_guid TEXT NOT NULL,
    name TEXT NOT NULL, title TEXT, bundle_id INTEGER, vanity TEXT UNIQUE,
    created_time TEXT NOT NULL, last_deployed_time TEXT NOT NULL, UNIQUE (owner_guid, name));
CREATE TABLE IF NOT EXISTS bundles (
    id INTEGER PRIMARY KEY AUTOINCREMENT, content_guid TEXT NOT NULL REFERENCES content (guid)
    ON DELETE CASCADE, created_time TEXT NOT NULL, size INTEGER NOT NULL, entrypoint TEXT NOT NULL,
    python_version TEXT NOT NULL, python_requires TEXT, requirements TEXT NOT NULL, metadata TEXT,
    app_mode TEXT NOT NULL DEFAULT 'python-fastapi');
CREATE TABLE IF NOT EXISTS environment (
    content_guid TEXT NOT NULL REFERENCES content (guid) ON DELETE CASCADE,
    name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (content_guid, name));
CREATE TABLE IF NOT EXISTS repositories (
    content_guid TEXT PRIMARY KEY REFERENCES content (guid) ON DELETE CASCADE,
    repository TEXT NOT NULL, branch TEXT NOT NULL, directory TEXT NOT NULL,
    polling INTEGER NOT NULL, last_error TEXT NOT NULL, last_known_commit TEXT NOT NULL);
"""
# The viewer's name reveals apps that decode header bytes as latin-1.
_USERS = (("publisher", "publisher"), ("José Ünï 你好", "viewer"))
_ANNOUNCED_SECONDS = 2.0


class ConflictError(ValueError):
    """A name or path that must be unique already exists."""


@dataclass(frozen=True)
class User:
    guid: str
    username: str
    role: Literal["publisher", "viewer"]
    api_key: str
    session: str
    """The value of the dashboard's cookie for this user."""


@dataclass(frozen=True)
class Content:
    id: int
    guid: str
    owner_guid: str
    name: str
    title: str | None
    bundle_id: int | None
    """The active bundle; `None` before the first activation."""
    vanity: str | None
    """A second path prefix, such as `/team/service`: begins with a slash, ends without one."""
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
    """The JSON object about the git commit that rsconnect sends."""
    app_mode: str


@dataclass(frozen=True)
class Repository:
    """The folder of a git repository from which content is deployed."""

    content_guid: str
    repository: str
    """Its URL."""
    branch: str
    directory: str
    """The folder with `manifest.json`, relative to the root; `.` for the root."""
    polling: int
    """1 if the publisher wants the server to look for new commits. The rehearsal never does."""
    last_error: str = ""
    last_known_commit: str = ""


_Row = TypeVar("_Row", User, Content, Bundle, Repository)
_TABLES = {User: "users", Content: "content", Bundle: "bundles", Repository: "repositories"}


class State:
    """The database and files under `directory`, which are created if missing.

    Raises `UsageError` if another process has the directory open.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)  # It contains API keys and variables.
        self._lock = _lock(directory / "lock")
        self._bundles = directory / "bundles"
        self._bundles.mkdir(exist_ok=True)
        self._database = sqlite3.connect(
            directory / "state.sqlite", isolation_level=None, check_same_thread=False
        )
        self._database.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
            + _SCHEMA
        )
        columns = self._database.execute("SELECT name FROM pragma_table_info('bundles')")
        if ("app_mode",) not in columns.fetchall():  # The state of an earlier version.
            self._write("ALTER TABLE bundles ADD COLUMN app_mode TEXT DEFAULT 'python-fastapi'")
        for username, role in _USERS:
            self._write(
                "INSERT OR IGNORE INTO users VALUES (?, ?, ?, ?, ?)",
                *(str(uuid.uuid4()), username, role, secrets.token_hex(16), secrets.token_hex(16)),
            )
        self.delete_unused_files(incoming=True)

    def announce(self, url: str) -> None:
        """Writes the address that a second rehearsal on the same directory prints."""
        self._lock.write(f"{url}/ (process {os.getpid()})")
        self._lock.flush()

    def close(self) -> None:
        self._database.close()
        self._lock.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # SQLite itself rolls back if the disk is full.
                self._database.execute("ROLLBACK")
            raise

    def _write(self, statement: str, *values: object) -> sqlite3.Cursor:
        with self._transaction():
            return self._database.execute(statement, values)

    def _read(self, kind: type[_Row], rest: str, *values: object) -> list[_Row]:
        columns = ", ".join(field.name for field in fields(kind))
        statement = f"SELECT {columns} FROM {_TABLES[kind]} {rest}"
        return [kind(*row) for row in self._database.execute(statement, values)]

    def delete_unused_files(self, *, incoming: bool = False) -> None:
        """Deletes the files of bundles without a row, and interrupted uploads if `incoming`."""
        known = {str(row[0]) for row in self._database.execute("SELECT id FROM bundles")}
        for path in self._bundles.iterdir():
            name = path.name.partition(".")[0]
            if name not in known and (incoming or name.isdecimal()):
                _delete(path)

    # Users

    def users(self) -> list[User]:
        return self._read(User, "ORDER BY rowid")

    def user_by(self, column: Literal["session", "guid"], value: str) -> User | None:
        return next(iter(self._read(User, f"WHERE {column} = ?", value)), None)

    # Content

    def contents(self, owner_guid: str | None = None, name: str | None = None) -> list[Content]:
        """Returns content, the newest deployment first."""
        return self._read(
            Content,
            "WHERE owner_guid = ifnull(?, owner_guid) AND name = ifnull(?, name)"
            " ORDER BY last_deployed_time DESC, id",
            *(owner_guid, name),
        )

    def content(self, guid: str) -> Content | None:
        return next(iter(self._read(Content, "WHERE guid = ?", guid)), None)

    def create_content(self, owner_guid: str, name: str, title: str | None = None) -> Content:
        """Raises `ConflictError` if the owner already has content of that name."""
        guid = str(uuid.uuid4())
        try:
            self._write(
                "INSERT INTO content (guid, owner_guid, name, title, created_time,"
                " last_deployed_time) VALUES (?, ?, ?, ?, ?, ?)",
                *(guid, owner_guid, name, title or name, _now(), _now()),
            )
        except sqlite3.IntegrityError:
            raise ConflictError("There is content of that name already.") from None
        (created,) = self._read(Content, "WHERE guid = ?", guid)
        return created

    def update_content(
        self, guid: str, column: Literal["name", "title", "vanity"], value: str | None
    ) -> None:
        """Raises `ConflictError` if the value must be unique and already exists."""
        try:
            self._write(f"UPDATE content SET {column} = ? WHERE guid = ?", value, guid)
        except sqlite3.IntegrityError:
            raise ConflictError(f"Other content has that {column} already.") from None

    def activate(self, guid: str, bundle_id: int) -> None:
        """Makes this the active bundle. Raises `LookupError` if either was deleted."""
        changed = self._write(
            "UPDATE content SET bundle_id = ?1, last_deployed_time = ?2 WHERE guid = ?3"
            " AND EXISTS (SELECT 1 FROM bundles WHERE id = ?1 AND content_guid = ?3)",
            *(bundle_id, _now(), guid),
        )
        if changed.rowcount == 0:
            raise LookupError("There is no such bundle.")

    def delete_content(self, guid: str) -> None:
        """Deletes the rows. A process may use the files until `delete_unused_files`."""
        self._write("DELETE FROM content WHERE guid = ?", guid)

    # Variables

    def variables(self, guid: str) -> dict[str, str]:
        return dict(
            self._database.execute(
                "SELECT name, value FROM environment WHERE content_guid = ? ORDER BY name", (guid,)
            )
        )

    def set_variables(self, guid: str, changes: Mapping[str, str | None]) -> None:
        """Sets variables; `None` removes one. Variables that are not named stay."""
        with self._transaction():
            for name, value in changes.items():
                if value is None:
                    self._database.execute(
                        "DELETE FROM environment WHERE content_guid = ? AND name = ?", (guid, name)
                    )
                else:
                    self._database.execute(
                        "INSERT OR REPLACE INTO environment VALUES (?, ?, ?)", (guid, name, value)
                    )

    # Repositories

    def repository(self, guid: str) -> Repository | None:
        return next(iter(self._read(Repository, "WHERE content_guid = ?", guid)), None)

    def set_repository(self, repository: Repository) -> None:
        values = astuple(repository)
        marks = ", ".join("?" * len(values))
        self._write(f"INSERT OR REPLACE INTO repositories VALUES ({marks})", *values)

    def delete_repository(self, guid: str) -> None:
        self._write("DELETE FROM repositories WHERE content_guid = ?", guid)

    # Bundles

    def archive_of(self, bundle_id: int) -> Path:
        """Returns the path of the uploaded archive."""
        return self._bundles / f"{bundle_id}.tar.gz"

    def directory_of(self, bundle_id: int) -> Path:
        """Returns the directory of the unpacked bundle."""
        return self._bundles / str(bundle_id)

    @contextmanager
    def incoming(self) -> Iterator[tuple[Path, Path]]:
        """Yields paths for an archive and its unpacked files. Deletes the rest at the end."""
        directory = self._bundles / f"incoming.{secrets.token_hex(8)}"
        archive = directory.with_name(directory.name + ".tar.gz")
        try:
            yield archive, directory
        finally:
            _delete(archive)
            _delete(directory)

    def add_bundle(
        self,
        guid: str,
        archive: Path,
        directory: Path,
        manifest: Manifest,
        metadata: str | None = None,
    ) -> Bundle:
        """Moves the files of an upload into place and adds a row for them."""
        with self._transaction():
            cursor = self._database.execute(
                "INSERT INTO bundles (content_guid, created_time, size, entrypoint, python_version,"
                " python_requires, requirements, metadata, app_mode)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(guid, _now(), archive.stat().st_size, manifest.entrypoint),
                    *(manifest.python_version, manifest.python_requires, manifest.requirements),
                    *(metadata, manifest.app_mode),
                ),
            )
            bundle_id = cursor.lastrowid or 0
            shutil.rmtree(self.directory_of(bundle_id), ignore_errors=True)
            archive.rename(self.archive_of(bundle_id))
            directory.rename(self.directory_of(bundle_id))
        (added,) = self._read(Bundle, "WHERE id = ?", bundle_id)
        return added

    def bundles(self, guid: str) -> list[Bundle]:
        """Returns the bundles, the newest first."""
        return self._read(Bundle, "WHERE content_guid = ? ORDER BY id DESC", guid)

    def bundle(self, guid: str, bundle_id: int) -> Bundle | None:
        found = self._read(Bundle, "WHERE content_guid = ? AND id = ?", guid, bundle_id)
        return next(iter(found), None)

    def delete_bundle(self, guid: str, bundle_id: int) -> None:
        """Deletes the row. A process may use the files until `delete_unused_files`."""
        self._write("DELETE FROM bundles WHERE content_guid = ? AND id = ?", guid, bundle_id)


def bundle_id_of(text: str) -> int:
    """Parses the id of a bundle. Returns 0, which no bundle has, for any other text."""
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else 0


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _lock(file: Path) -> TextIO:
    """Returns the file, emptied and locked. Raises `UsageError` with the address of its holder."""
    lock = file.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise UsageError(
            f"A rehearsal runs here already: {_holder(file)}. Use that one, or stop it first."
        ) from None
    lock.truncate(0)
    return lock


def _holder(file: Path) -> str:
    """Returns what the holder wrote into the file; waits, since a new holder needs a moment."""
    deadline = time.monotonic() + _ANNOUNCED_SECONDS
    while not (holder := file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return holder or f"on {file.parent}"

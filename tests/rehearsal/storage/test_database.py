"""The state directory: one that an earlier version wrote, and one that is in use."""

import sqlite3
from pathlib import Path

import pytest

from rehearsal.storage.database import State
from tooling.errors import UsageError

EARLIER = """
CREATE TABLE content (
    id INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, owner_guid TEXT NOT NULL,
    name TEXT NOT NULL, title TEXT, description TEXT NOT NULL DEFAULT '',
    access_type TEXT NOT NULL DEFAULT 'all', bundle_id INTEGER, vanity TEXT UNIQUE,
    min_processes INTEGER, max_processes INTEGER, max_conns_per_process INTEGER, load_factor REAL,
    idle_timeout INTEGER, init_timeout INTEGER,
    created_time TEXT NOT NULL, last_deployed_time TEXT NOT NULL, UNIQUE (owner_guid, name));
INSERT INTO content (guid, owner_guid, name, created_time, last_deployed_time)
    VALUES ('g', 'o', 'kept', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z');
"""


def test_the_state_of_an_earlier_version_is_kept(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "state.sqlite")
    database.executescript(EARLIER)
    database.close()
    state = State(tmp_path)
    assert [content.name for content in state.contents()] == ["kept"]
    assert state.create_content("o", "added").title == "added"
    state.close()


def test_one_process_at_a_time_has_the_state(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.announce("http://127.0.0.1:3939")
    with pytest.raises(UsageError, match=r"runs here already: http://127\.0\.0\.1:3939/"):
        State(tmp_path)
    state.close()
    State(tmp_path).close()

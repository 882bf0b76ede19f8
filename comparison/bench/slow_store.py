"""A PostgreSQL in which every query of the applications takes a given time."""

import atexit
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache

import psycopg

from tooling.postgresql import ROLE, Cluster, Database
from tooling.postgresql_binaries import NoPostgreSQLError

# The applications read the view `greetings`. A function in FROM is executed once for each query,
# and not at all for LIMIT 0, with which the applications check the store.
SCHEMA = f"""
CREATE TABLE delay AS SELECT 0::float8 AS seconds;
CREATE TABLE stored (lang text PRIMARY KEY, text text NOT NULL);
CREATE FUNCTION read_slowly() RETURNS SETOF stored LANGUAGE plpgsql SECURITY DEFINER ROWS 1000 AS $$
BEGIN
    PERFORM pg_sleep(seconds) FROM delay;
    RETURN QUERY SELECT * FROM stored;
END $$;
CREATE VIEW greetings AS SELECT lang, text FROM read_slowly();
GRANT SELECT ON greetings TO {ROLE};
"""


@dataclass(frozen=True)
class SlowStore:
    """A database for `GREETINGS_URL`."""

    database: Database

    @property
    def url(self) -> str:
        return self.database.url

    def fill(self, rows: int) -> None:
        """Replaces the greetings by "en" and `rows - 1` others."""
        self.database.execute(
            "TRUNCATE stored; INSERT INTO stored VALUES ('en', 'Hello'); INSERT INTO stored"
            f" SELECT 'x-' || lpad(i::text, 6, '0'), 'Hi' FROM generate_series(2, {rows}) AS i"
        )

    def set_delay(self, seconds: float) -> None:
        """Sets the time that every query takes that begins later."""
        self.database.execute(f"UPDATE delay SET seconds = {seconds}")

    def waiting(self) -> int:
        """Returns the number of queries that run now."""
        return self.database.active()


@contextmanager
def open_slow_store() -> Iterator[SlowStore]:
    """Starts a PostgreSQL of its own, which ends with the context.

    Raises `NoPostgreSQLError`, and `RuntimeError` if it does not start.
    """
    with Cluster() as cluster:
        database = cluster.create_database("slow")
        database.execute(SCHEMA)
        yield SlowStore(database)


@cache
def shared_slow_store() -> SlowStore | str:
    """Returns the store of this process, which is stopped at its exit.

    Returns a sentence instead if there is none.
    """
    stack = ExitStack()
    atexit.register(stack.close)
    try:
        return stack.enter_context(open_slow_store())
    except (NoPostgreSQLError, RuntimeError, psycopg.Error) as error:
        return str(error).splitlines()[0]

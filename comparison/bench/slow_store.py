"""A PostgreSQL in which every query of the applications takes a given time."""

import atexit
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache

import psycopg

from tooling.postgresql import ROLE, Cluster, Database
from tooling.postgresql_binaries import NoPostgreSQLError

# The applications read the view `greetings`. A function in FROM is executed once for each query,
# and not at all for LIMIT 0, with which the applications check the store.
SCHEMA = f"""
CREATE TABLE delay AS SELECT 0::float8 AS seconds, 0 AS after;
CREATE SEQUENCE queries;
CREATE TABLE stored (lang text PRIMARY KEY, text text NOT NULL);
CREATE FUNCTION read_slowly() RETURNS SETOF stored LANGUAGE plpgsql SECURITY DEFINER ROWS 1000 AS $$
BEGIN
    PERFORM pg_sleep(seconds) FROM delay WHERE nextval('queries') > after;
    RETURN QUERY SELECT * FROM stored;
END $$;
CREATE VIEW greetings AS SELECT lang, text FROM read_slowly();
GRANT SELECT ON greetings TO {ROLE};
"""


# PgSleep: a query that was cancelled may be active until the client has read that.
RUNNING = "SELECT FROM pg_stat_activity WHERE usename = %s AND wait_event = 'PgSleep'"


@dataclass(frozen=True)
class SlowStore:
    """A database for `GREETINGS_URL`."""

    database: Database

    @property
    def url(self) -> str:
        return self.database.url

    def prepare(self, rows: int, delay: float) -> None:
        """Ends all queries, and fills the store with "en" and `rows - 1` other greetings.

        `delay` is in seconds. A query of an application that was killed would run to its end.
        """
        self.database.kill_connections()
        self.database.execute(
            "TRUNCATE stored; INSERT INTO stored VALUES ('en', 'Hello'); INSERT INTO stored"
            f" SELECT 'x-' || lpad(i::text, 6, '0'), 'Hi' FROM generate_series(2, {rows}) AS i"
        )
        self.set_delay(delay)

    def set_delay(self, seconds: float, *, after: int = 0) -> None:
        """Sets the time that every query takes that begins later, except the first `after` ones."""
        self.database.execute(
            f"ALTER SEQUENCE queries RESTART; UPDATE delay SET seconds = {seconds}, after = {after}"
        )

    def waiting(self) -> int:
        """Returns the number of queries that run now."""
        return self.database.active()

    @contextmanager
    def watch(self) -> Iterator[Callable[[], int]]:
        """Gives a quick `waiting`, on one connection that stays open."""
        cluster = self.database.cluster
        with psycopg.connect(
            host=str(cluster.directory),
            port=cluster.port,
            user="postgres",
            dbname=self.database.name,
            autocommit=True,
        ) as connection:

            def waiting() -> int:
                return connection.execute(RUNNING, [ROLE]).rowcount

            yield waiting


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

"""Slows a database down: the table of greetings becomes a view that sleeps."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tooling.postgresql import Database

# `OFFSET 0` keeps the planner from merging the subquery: the sleep runs once for each query.
VIEW = """
ALTER TABLE greetings RENAME TO quick_greetings;
CREATE TABLE sleep (seconds float8 NOT NULL);
INSERT INTO sleep VALUES ({seconds});
CREATE SEQUENCE queries;
GRANT USAGE ON SEQUENCE queries TO PUBLIC;
CREATE VIEW greetings AS
    SELECT lang, text
    FROM quick_greetings, (
        SELECT pg_sleep((SELECT seconds FROM sleep WHERE nextval('queries') > {after})) OFFSET 0
    ) AS slept;
GRANT SELECT ON greetings TO PUBLIC;
"""
TABLE = """
DROP VIEW greetings;
DROP TABLE sleep;
DROP SEQUENCE queries;
ALTER TABLE quick_greetings RENAME TO greetings;
"""


@dataclass(frozen=True)
class Slow:
    """A database in which queries for greetings sleep first."""

    database: Database

    def sleep(self, seconds: float) -> None:
        """Sets the seconds, from the next query on."""
        self.database.execute(f"UPDATE sleep SET seconds = {seconds}")


@contextmanager
def slowed(database: Database, seconds: float, *, after: int = 0) -> Iterator[Slow]:
    """Makes every query sleep, except the first ones, as many as `after` says.

    Leaving the context terminates the queries that still sleep.
    """
    database.execute(VIEW.format(seconds=seconds, after=after))
    try:
        yield Slow(database)
    finally:
        database.kill_connections()
        database.execute(TABLE)

"""A database that takes its time: the table of greetings becomes a view that sleeps."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.postgresql import Database

# `OFFSET 0` keeps the planner from folding the sleep into the query, so that it is slept once for each.
VIEW = """
ALTER TABLE greetings RENAME TO quick_greetings;
CREATE TABLE sleep (seconds float8 NOT NULL);
INSERT INTO sleep VALUES ({seconds});
CREATE VIEW greetings AS
    SELECT lang, text FROM quick_greetings, (SELECT pg_sleep((SELECT seconds FROM sleep)) OFFSET 0) AS slept;
GRANT SELECT ON greetings TO PUBLIC;
"""
TABLE = """
DROP VIEW greetings;
DROP TABLE sleep;
ALTER TABLE quick_greetings RENAME TO greetings;
"""


@dataclass(frozen=True)
class Slow:
    """Every query for greetings takes `seconds` longer."""

    database: Database

    def sleep(self, seconds: float) -> None:
        """From the next query on."""
        self.database.execute(f"UPDATE sleep SET seconds = {seconds}")


@contextmanager
def slowed(database: Database, seconds: float) -> Iterator[Slow]:
    """Ends what is still asleep when the context is left."""
    database.execute(VIEW.format(seconds=seconds))
    try:
        yield Slow(database)
    finally:
        database.kill_connections()
        database.execute(TABLE)

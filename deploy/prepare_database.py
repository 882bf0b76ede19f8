"""`python -m deploy.prepare_database`: prepares the table of greetings in `GREETINGS_URL`.

A second run adds missing greetings and does not change existing ones.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any

import asyncpg

from shared.greetings import FILE, LANGUAGE_TAG, GreetingsError, read_greetings
from shared.postgresql import PoolSettings, address, reason
from tooling.commands import exit_code
from tooling.errors import UsageError

TABLE = f"""
CREATE TABLE IF NOT EXISTS greetings (
    lang text COLLATE "C" PRIMARY KEY CHECK (lang ~ '{LANGUAGE_TAG}'),
    text text NOT NULL CHECK (text <> '')
)
"""
ADD = "INSERT INTO greetings (lang, text) VALUES ($1, $2) ON CONFLICT (lang) DO NOTHING"


async def prepare(url: str, greetings: Mapping[str, str], settings: PoolSettings) -> str:
    """Creates the table if it does not exist, and adds the greetings that it does not contain.

    Does everything in one transaction. Returns a sentence that describes the result. Raises
    `GreetingsError`.
    """
    where = address(url)
    try:
        connection = await asyncpg.connect(
            url, timeout=settings.connect_timeout, command_timeout=settings.query_timeout
        )
        try:
            encoding = await connection.fetchval("SHOW server_encoding")
            if encoding != "UTF8":
                raise GreetingsError(
                    f"PostgreSQL at {where} stores text as {encoding}, which cannot hold every"
                    " script: create the database with ENCODING 'UTF8' TEMPLATE template0."
                )
            try:
                before = await _make(connection, greetings)
            except asyncpg.UniqueViolationError:
                # IF NOT EXISTS does not prevent this error if another run creates the table at the
                # same moment.
                before = await _make(connection, greetings)
        finally:
            await connection.close(timeout=settings.connect_timeout)
    except (
        OSError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        ValueError,
        OverflowError,
    ) as error:
        raise GreetingsError(
            f"PostgreSQL at {where} cannot be prepared: {reason(error)}."
        ) from None
    added = len(greetings.keys() - before.keys())
    other = sum(before.get(lang, text) != text for lang, text in greetings.items())
    kept = f" {other} with another text than in {FILE.name} were not changed." if other else ""
    return f"PostgreSQL at {where} has {len(before) + added} greetings, {added} of them new.{kept}"


async def _make(connection: Any, greetings: Mapping[str, str]) -> dict[str, str]:
    """Creates the table, adds the greetings, and returns those that existed before."""
    async with connection.transaction():
        await connection.execute(TABLE)
        before = dict(await connection.fetch("SELECT lang, text FROM greetings"))
        await connection.executemany(ADD, greetings.items())
    return before


def _prepare() -> None:
    url = os.environ.get("GREETINGS_URL")
    if not url:
        raise UsageError(
            "GREETINGS_URL is not set: export GREETINGS_URL=postgresql://user:password@host:5432/database"
        )
    try:
        settings = PoolSettings.from_environment()
        print(asyncio.run(prepare(url, read_greetings(FILE), settings)))
    except GreetingsError as error:
        raise UsageError(str(error)) from None


if __name__ == "__main__":
    sys.exit(exit_code("db", _prepare))

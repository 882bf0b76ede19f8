"""`python -m deploy.prepare_database`: prepares the greetings table in the database of
`GREETINGS_URL`.

Run again it adds what is missing, and changes nothing that is there.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any

import asyncpg

from shared.greetings import FILE, LANGUAGE_TAG, GreetingsError, read_greetings
from shared.postgresql import Settings, place, reason
from tooling.commands import exit_code
from tooling.errors import UsageError

TABLE = f"""
CREATE TABLE IF NOT EXISTS greetings (
    lang text COLLATE "C" PRIMARY KEY CHECK (lang ~ '{LANGUAGE_TAG}'),
    text text NOT NULL CHECK (text <> '')
)
"""
ADD = "INSERT INTO greetings (lang, text) VALUES ($1, $2) ON CONFLICT (lang) DO NOTHING"


async def prepare(url: str, greetings: Mapping[str, str], settings: Settings) -> str:
    """Makes the table where there is none, and adds those greetings whose languages it lacks.

    All of it is done, or nothing. Gives a sentence saying what was found and done. Raises
    `GreetingsError`.
    """
    where = place(url)
    try:
        connection = await asyncpg.connect(
            url, timeout=settings.connect_timeout, command_timeout=settings.query_timeout
        )
        try:
            encoding = await connection.fetchval("SHOW server_encoding")
            if encoding != "UTF8":
                raise GreetingsError(
                    f"PostgreSQL at {where} stores text as {encoding}, which cannot hold every"
                    " script: make the database with ENCODING 'UTF8' TEMPLATE template0."
                )
            try:
                before = await _make(connection, greetings)
            except asyncpg.UniqueViolationError:
                # Another run made the table in the same moment: IF NOT EXISTS looks before it
                # leaps.
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
    kept = f" {other} with another text than in {FILE.name} were left as they are." if other else ""
    return f"PostgreSQL at {where} has {len(before) + added} greetings, {added} of them new.{kept}"


async def _make(connection: Any, greetings: Mapping[str, str]) -> dict[str, str]:
    """Gives the greetings that were there before."""
    async with connection.transaction():
        await connection.execute(TABLE)
        before = dict(await connection.fetch("SELECT lang, text FROM greetings"))
        await connection.executemany(ADD, greetings.items())
    return before


def _prepare() -> None:
    url = os.environ.get("GREETINGS_URL")
    if not url:
        raise UsageError(
            "which database? export GREETINGS_URL=postgresql://user:password@host:5432/database"
        )
    try:
        settings = Settings.from_environment()
        print(asyncio.run(prepare(url, read_greetings(FILE), settings)))
    except GreetingsError as error:
        raise UsageError(str(error)) from None


if __name__ == "__main__":
    sys.exit(exit_code("db", _prepare))

"""`python -m deploy.prepare_database`: prepares the table of greetings in `GREETINGS_URL`.

A second run adds missing greetings and does not change existing ones.
"""

import asyncio
import os
import sys
from collections.abc import Mapping

import psycopg
from psycopg import sql
from psycopg.errors import InsufficientPrivilege, UniqueViolation

from shared.errors import ConfigurationError
from shared.greetings import FILE, LANGUAGE_TAG, read_greetings
from shared.postgresql import Connection, PoolSettings, connector, reason
from shared.postgresql_url import address
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
    `ConfigurationError`.
    """
    connect, where = connector(url, settings), address(url)
    try:
        connection = await connect()
        try:
            async with asyncio.timeout(settings.query_timeout):
                before = await _make_once_more(connection, greetings, where)
        finally:
            await connection.close()
    except (OSError, TimeoutError, psycopg.Error) as error:
        raise ConfigurationError(
            f"PostgreSQL at {where} cannot be prepared: {reason(error)}."
        ) from None
    added = len(greetings.keys() - before.keys())
    other = sum(before.get(lang, text) != text for lang, text in greetings.items())
    kept = f" {other} with another text than in {FILE.name} were not changed." if other else ""
    return f"PostgreSQL at {where} has {len(before) + added} greetings, {added} of them new.{kept}"


async def _make_once_more(
    connection: Connection, greetings: Mapping[str, str], where: str
) -> dict[str, str]:
    """Returns what `_make` returns, also if another run creates the table at the same moment."""
    if (encoding := connection.info.parameter_status("server_encoding")) != "UTF8":
        raise ConfigurationError(
            f"PostgreSQL at {where} stores text as {encoding}, which cannot hold every"
            " script: create the database with ENCODING 'UTF8' TEMPLATE template0."
        )
    try:
        return await _make(connection, greetings)
    except UniqueViolation:
        # IF NOT EXISTS does not prevent this error.
        await connection.rollback()
        return await _make(connection, greetings)
    except InsufficientPrivilege:
        await connection.rollback()
        raise ConfigurationError(
            f"PostgreSQL at {where} cannot be prepared: {await _missing(connection)}."
        ) from None


async def _make(connection: Connection, greetings: Mapping[str, str]) -> dict[str, str]:
    """Creates the table, adds the greetings, and returns those that existed before."""
    await connection.set_autocommit(False)  # All in one transaction.
    # A role without CREATE may use a table that exists, but IF NOT EXISTS refuses it.
    if not await _exists(connection):
        await connection.execute(TABLE)
    cursor = await connection.execute("SELECT lang, text FROM greetings")
    before = dict(await cursor.fetchall())
    await cursor.executemany(ADD, list(greetings.items()))
    await connection.commit()
    return before


async def _exists(connection: Connection) -> bool:
    cursor = await connection.execute("SELECT to_regclass('greetings')::text, ''")
    row = await cursor.fetchone()
    return row is not None and row[0] is not None


async def _missing(connection: Connection) -> str:
    """Returns which privilege the role lacks, and the statement that gives it.

    Since PostgreSQL 15 only its owner may create tables in the schema public.
    """
    cursor = await connection.execute("SELECT current_user, coalesce(current_schema, 'public')")
    row = await cursor.fetchone()
    assert row is not None
    role, schema = (sql.Identifier(name).as_string(connection) for name in row)
    privilege = (
        "SELECT, INSERT ON greetings" if await _exists(connection) else f"CREATE ON SCHEMA {schema}"
    )
    return f"an administrator has to run GRANT {privilege} TO {role}"


def _prepare() -> None:
    url = os.environ.get("GREETINGS_URL")
    if not url:
        raise UsageError(
            "GREETINGS_URL is not set: export GREETINGS_URL=postgresql://user:password@host:5432/database"
        )
    try:
        settings = PoolSettings.from_environment()
        print(asyncio.run(prepare(url, read_greetings(FILE), settings)))
    except ConfigurationError as error:
        raise UsageError(str(error)) from None


if __name__ == "__main__":
    sys.exit(exit_code("db", _prepare))

"""Greetings from PostgreSQL."""

from collections.abc import AsyncGenerator
from typing import Any

from shared.greetings import Greeting
from shared.postgresql import Pool

# Collation C sorts by code point, as Python does; the database's default may sort by a language's
# rules.
ALL = 'SELECT lang, text FROM greetings ORDER BY lang COLLATE "C"'
ONE = "SELECT lang, text FROM greetings WHERE lang = $1"
PAGE = (
    'SELECT lang, text FROM greetings WHERE lang COLLATE "C" > $1'
    ' ORDER BY lang COLLATE "C" LIMIT $2'
)
MAX_PAGE = 256
"""The largest number of rows that `each` reads at once."""


class PostgreSQLStore(Pool):
    """The table `greetings` of a database, as `python -m deploy.prepare_database` creates it."""

    probe = "SELECT FROM greetings LIMIT 0"

    async def all(self) -> list[Greeting]:
        return _greetings(await self.fetch(ALL))

    async def get(self, lang: str) -> Greeting | None:
        return next(iter(_greetings(await self.fetch(ONE, lang))), None)

    async def each(self) -> AsyncGenerator[Greeting, None]:
        """Reads pages, because a cursor would hold its connection while a slow client reads.

        The first page is a single row, so that it is sent at once. Each following page is twice as
        large.
        """
        last, size = "", 1
        while page := _greetings(await self.fetch(PAGE, last, size)):
            for greeting in page:
                yield greeting
            if len(page) < size:
                break
            last, size = page[-1].lang, min(2 * size, MAX_PAGE)


def _greetings(rows: list[tuple[Any, ...]]) -> list[Greeting]:
    return [Greeting(lang, text) for lang, text in rows]

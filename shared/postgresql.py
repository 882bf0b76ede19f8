"""Greetings from PostgreSQL, or any server with its protocol: one connection pool per process."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import asyncpg

from shared.greetings import Greeting, GreetingsError, UnavailableError

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

_log = logging.getLogger(__name__)

# What the driver raises if the server is unreachable, disconnects, or refuses the connection.
_LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

_NO_URL = (
    "GREETINGS_URL is not an address such as postgresql://user:password@host:5432/database;"
    " characters like @ / ? # % in a password have to be percent-encoded."
)


@dataclass(frozen=True)
class PoolSettings:
    """The limits of one process; times in seconds."""

    pool_size: int = 5
    """The largest number of connections; each is opened when it is needed."""
    connect_timeout: float = 2.0
    query_timeout: float = 5.0
    """The time from requesting a connection to receiving the last row."""

    @classmethod
    def from_environment(cls) -> Self:
        """Reads `GREETINGS_POOL_SIZE`, `GREETINGS_CONNECT_TIMEOUT` and `GREETINGS_QUERY_TIMEOUT`.

        Raises `GreetingsError`, which names a variable that is not a number or out of range.
        """
        return cls(
            pool_size=int(_number("GREETINGS_POOL_SIZE", cls.pool_size, least=1, most=1000)),
            connect_timeout=_number("GREETINGS_CONNECT_TIMEOUT", cls.connect_timeout),
            query_timeout=_number("GREETINGS_QUERY_TIMEOUT", cls.query_timeout),
        )


def _number(name: str, default: float, least: float = 0.1, most: float = 3600) -> float:
    value = os.environ.get(name)
    if not value:
        return default
    try:
        number = type(default)(value)
        if least <= number <= most:
            return number
    except ValueError:
        pass
    kind = "a whole number" if isinstance(default, int) else "a number of seconds"
    raise GreetingsError(f"{name} must be {kind} from {least} to {most}.")


def address(url: str) -> str:
    """Returns `host:port/database` of a URL, for messages: without user and password.

    Raises `GreetingsError` if it is not the URL of a database.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise GreetingsError(_NO_URL) from None
    # Only the text after the @ is shown. With a second @, it could contain part of the password.
    _, at, server = parts.netloc.rpartition("@")
    if parts.scheme not in ("postgresql", "postgres") or url.count("@") != len(at):
        raise GreetingsError(_NO_URL)
    return server + parts.path


class PostgreSQLStore:
    """The table `greetings` of a database, as `python -m deploy.prepare_database` creates it.

    A connection is opened when a request needs one, and replaced after it was lost. Requests
    therefore succeed as soon as the database is available again. A connection is held for one query
    at a time.
    """

    kind: Literal["postgresql"] = "postgresql"

    def __init__(self, pool: asyncpg.Pool, address: str, settings: PoolSettings) -> None:
        self._pool = pool
        self._address = address
        self._settings = settings
        self._available = True
        self._releases: set[asyncio.Future[None]] = set()

    @classmethod
    async def open(cls, url: str, settings: PoolSettings) -> Self:
        """Opens the pool. If the database does not answer, this is logged and is not an error.

        Raises `GreetingsError` for an invalid URL.
        """
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=settings.pool_size,
            timeout=settings.connect_timeout,
            reset=_no_reset,
        )
        store = cls(await pool, address(url), settings)
        try:
            await store.check()
        except UnavailableError:
            pass  # It is logged, and every request tries again.
        except asyncpg.ClientConfigurationError as error:
            await store.aclose()
            raise GreetingsError(f"GREETINGS_URL: {error}") from None
        except (ValueError, OverflowError):
            # The driver could not parse it; its message may quote parts of the password.
            await store.aclose()
            raise GreetingsError(_NO_URL) from None
        except BaseException:
            await store.aclose()
            raise
        return store

    async def all(self) -> list[Greeting]:
        return await self._fetch(ALL)

    async def get(self, lang: str) -> Greeting | None:
        return next(iter(await self._fetch(ONE, lang)), None)

    async def each(self) -> AsyncGenerator[Greeting, None]:
        """Reads pages, because a cursor would hold its connection while a slow client reads.

        The first page is a single row, so that it is sent at once. Each following page is twice as
        large.
        """
        last, size = "", 1
        while page := await self._fetch(PAGE, last, size):
            for greeting in page:
                yield greeting
            if len(page) < size:
                break
            last, size = page[-1].lang, min(2 * size, MAX_PAGE)

    async def check(self) -> None:
        await self._fetch("SELECT '', '' FROM greetings LIMIT 0")

    async def aclose(self) -> None:
        """Waits for running queries, no longer than the query timeout."""
        try:
            async with asyncio.timeout(self._settings.query_timeout):
                await self._pool.close()
        except TimeoutError:
            pass  # The pool terminates its connections when it is cancelled.

    async def _fetch(self, query: str, *arguments: object) -> list[Greeting]:
        """Returns the rows of a query. Raises `UnavailableError`, also after the query timeout."""
        try:
            async with asyncio.timeout(self._settings.query_timeout):
                connection = await self._pool.acquire()
                try:
                    rows = await connection.fetch(query, *arguments)
                except asyncpg.InternalClientError:
                    # The driver raises this if the server closes the connection at this moment.
                    connection.terminate()
                    raise
                except BaseException:
                    # Cancelled, timed out or lost: the pool cancels the query on the server before
                    # it takes the connection back, in the background.
                    self._release_later(connection)
                    raise
                await self._pool.release(connection)
        except asyncpg.ClientConfigurationError:
            raise
        except _LOST as error:
            self._log_availability_change(error)
            raise UnavailableError(f"PostgreSQL at {self._address} cannot be used.") from error
        self._log_availability_change(None)
        return [Greeting(lang, text) for lang, text in rows]

    def _release_later(self, connection: Any) -> None:
        release = asyncio.ensure_future(
            self._pool.release(connection, timeout=self._settings.connect_timeout)
        )
        self._releases.add(release)
        release.add_done_callback(self._released)

    def _released(self, release: asyncio.Future[None]) -> None:
        self._releases.discard(release)
        if not release.cancelled():
            release.exception()  # Retrieved; the pool has terminated the connection.

    def _log_availability_change(self, error: Exception | None) -> None:
        """Logs once when the database becomes unavailable, and once when it is available again."""
        if (error is None) is self._available:
            return
        self._available = error is None
        if error is None:
            _log.warning("PostgreSQL at %s can be used again.", self._address)
        else:
            _log.warning(
                "PostgreSQL at %s cannot be used: %s. Until it can, requests for greetings are"
                " answered 503.",
                self._address,
                reason(error),
            )


def reason(error: Exception) -> str:
    """Returns why the database does not answer, without any secret part of the URL."""
    match error:
        case TimeoutError():
            return "it did not answer in time"
        case asyncpg.UndefinedTableError():
            return "it has no table greetings (make db prepares one)"
        case asyncpg.ClientConfigurationError():
            pass
        case ValueError() | OverflowError():
            return "the address is not valid"
    return f"{type(error).__name__}, {error}"


async def _no_reset(connection: Any) -> None:
    """Replaces the pool's reset, a round trip that is not needed after single SELECTs."""

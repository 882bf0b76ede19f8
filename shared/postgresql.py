"""PostgreSQL, or any server with its protocol: one connection pool per process."""

import asyncio
import logging
import math
import os
import select
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.waiting import wait_async

from shared.errors import ConfigurationError, UnavailableError
from shared.postgresql_url import address, parameters

UNUSED = 0.1
"""The seconds after which an unused connection has to answer before it is used again."""
ANSWER = 0.4
"""The seconds within which it has to. `GET /health` may take one second in all."""

_log = logging.getLogger(__name__)

WAITING = 0.8
"""The share of the query timeout that a request may wait for a connection.

If it could wait for all of it, then with more requests than the database serves each one would get
its connection when no time is left for its query, and none would succeed.
"""


class BusyError(Exception):
    """All connections are in use, and none became free in time."""


# What is raised if the server is unreachable, disconnects, or refuses the connection.
_LOST = (OSError, TimeoutError, psycopg.Error)


@dataclass(frozen=True)
class PoolSettings:
    """The limits of one process; times in seconds."""

    pool_size: int = 5
    """The largest number of connections; each is opened when it is needed. `GET /health` has one
    more.
    """
    connect_timeout: float = 2.0
    """For each address of each host. libpq takes whole seconds, and at least 2."""
    query_timeout: float = 5.0
    """The time from requesting a connection to receiving the last row."""

    @classmethod
    def from_environment(cls) -> Self:
        """Reads `GREETINGS_POOL_SIZE`, `GREETINGS_CONNECT_TIMEOUT` and `GREETINGS_QUERY_TIMEOUT`.

        Raises `ConfigurationError`, which names a variable that is not a number or out of range.
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
    raise ConfigurationError(f"{name} must be {kind} from {least} to {most}.")


class Connection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection on which a cancelled query ends at once.

    The inherited `wait` first cancels the query on the server, for up to ten seconds. The request
    would have to wait for that.
    """

    async def wait(
        self,
        gen: Any,
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Any:
        return await wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)

    def quiet(self) -> bool:
        """Whether nothing has arrived since the last query: an end of the connection would have."""
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return not poll.poll(0)


Connect = Callable[[], Awaitable[Connection]]


def connector(url: str, settings: PoolSettings) -> Connect:
    """Returns a function that opens a connection to the database.

    Raises `ConfigurationError` for an invalid URL.
    """
    given: dict[str, Any] = {
        "connect_timeout": max(2, math.ceil(settings.connect_timeout)),
        # The time until what was sent has arrived, in milliseconds. Linux otherwise repeats it for
        # 15 minutes: tcp(7), TCP_USER_TIMEOUT.
        "tcp_user_timeout": 2000,
        **parameters(url),
        "client_encoding": "UTF8",
    }

    async def connect() -> Connection:
        # Without prepared statements, which a connection pooler may not keep (PgBouncer with
        # max_prepared_statements=0), and with parameters as PostgreSQL writes them: $1.
        return await Connection.connect(
            autocommit=True,
            prepare_threshold=None,
            cursor_factory=psycopg.AsyncRawCursor,
            **given,
        )

    return connect


class Connections:
    """Up to `size` connections of one process to a database.

    A connection is opened when a query needs one, and replaced after it was lost. It is held for
    one query at a time.
    """

    def __init__(self, connect: Connect, size: int, settings: PoolSettings) -> None:
        # A function, because the parameters of the connection contain the password.
        self._connect = connect
        self._size = size
        self._settings = settings
        self._slots = asyncio.Semaphore(size)
        self._unused: list[tuple[Connection, float]] = []
        self._ends: set[asyncio.Task[None]] = set()
        self._closed = False

    async def fetch(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Returns the rows of a query. If its connection is lost, a `SELECT` is repeated once.

        Raises `BusyError`, or one of `_LOST`, also after the query timeout.
        """
        timeout = self._settings.query_timeout
        async with asyncio.timeout(timeout):
            try:
                async with asyncio.timeout(timeout * WAITING):
                    await self._slots.acquire()
            except TimeoutError:
                raise BusyError from None
            connection = None
            try:
                if connection := await self._take_unused():
                    try:
                        return await _rows(connection, query, arguments)
                    except psycopg.OperationalError:
                        # The server may have done what any other statement asks for.
                        if not (connection.closed and query.startswith("SELECT")):
                            raise
                    connection = None
                connection = await self._connect()
                return await _rows(connection, query, arguments)
            finally:
                self._give_back(connection)

    async def aclose(self) -> None:
        """Waits for running queries, no longer than the query timeout."""
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(self._settings.query_timeout):
                for _ in range(self._size):
                    await self._slots.acquire()
        except TimeoutError:
            for end in self._ends:
                end.cancel()
            await asyncio.gather(*self._ends, return_exceptions=True)
        await self._close_unused()

    async def _take_unused(self) -> Connection | None:
        """Returns the connection that was used last, if there is one and it is not lost.

        A firewall or a server that disappears ends a connection without a word. A connection that
        was not used for a while is therefore asked first.
        """
        if not self._unused:
            return None
        connection, since = self._unused.pop()
        if asyncio.get_running_loop().time() - since < UNUSED and connection.quiet():
            return connection
        try:
            async with asyncio.timeout(ANSWER):
                await connection.execute("")
            return connection
        except (psycopg.Error, TimeoutError):
            await connection.close()
            # The others were used even earlier: whatever ended this one has ended them too.
            await self._close_unused()
            return None
        except BaseException:
            await connection.close()
            raise

    def _give_back(self, connection: Connection | None) -> None:
        if connection is None:
            self._slots.release()
        elif connection.pgconn.transaction_status == TransactionStatus.IDLE:
            self._unused.append((connection, asyncio.get_running_loop().time()))
            self._slots.release()
        else:
            # Cancelled, timed out or lost.
            end = asyncio.ensure_future(self._end(connection))
            self._ends.add(end)
            end.add_done_callback(self._ends.discard)

    async def _end(self, connection: Connection) -> None:
        """Ends a query on the server, then its connection, and only then allows for another."""
        try:
            await connection.cancel_safe(timeout=self._settings.connect_timeout)
        except psycopg.Error:
            pass  # The server does not answer; it will notice that the connection is closed.
        finally:
            await connection.close()
            self._slots.release()

    async def _close_unused(self) -> None:
        while self._unused:
            await self._unused.pop()[0].close()


async def _rows(
    connection: Connection, query: str, arguments: tuple[object, ...]
) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(query, arguments)
    return await cursor.fetchall() if cursor.description else []


class Pool:
    """A database for the requests of one process. A subclass has the queries.

    Requests succeed as soon as the database is available again. The health check has a connection
    of its own: while all others are busy, the database is not away.
    """

    kind: Literal["postgresql"] = "postgresql"
    probe = "SELECT"
    """The query with which `check` asks whether the database can be used."""

    def __init__(self, connect: Connect, address: str, settings: PoolSettings) -> None:
        self._address = address
        self._available = True
        self._connections = Connections(connect, settings.pool_size, settings)
        self._checks = Connections(connect, 1, settings)
        self._check: asyncio.Task[Any] | None = None

    @classmethod
    async def open(cls, url: str, settings: PoolSettings) -> Self:
        """Opens the pool. If the database does not answer, this is logged and is not an error.

        Raises `ConfigurationError` for an invalid URL.
        """
        pool = cls(connector(url, settings), address(url), settings)
        try:
            await pool.check()
        except UnavailableError:
            pass  # It is logged, and every request tries again.
        except BaseException:
            await pool.aclose()
            raise
        return pool

    async def fetch(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Returns the rows of a query, in which `$1` stands for the first argument.

        A statement that returns no rows gives an empty list. Each call is a transaction of its own.
        Raises `UnavailableError`, also after the query timeout, and `psycopg.DataError` or
        `psycopg.IntegrityError` if the database does not accept the arguments.
        """
        return await self._fetch(self._connections, query, *arguments)

    async def check(self) -> None:
        """Raises `UnavailableError` if the database cannot be used.

        All checks at one time share a query, which goes on if they are cancelled. A check that
        gives up before a connection is open, because the first of several hosts does not answer,
        would otherwise never succeed.
        """
        check = self._check
        if check is None or check.done():
            check = self._check = asyncio.create_task(self._fetch(self._checks, self.probe))
            check.add_done_callback(_retrieve)
        await asyncio.wait([check])
        if check.cancelled():
            raise UnavailableError(f"The connections to {self._address} are closed.")
        check.result()

    async def aclose(self) -> None:
        """Waits for running queries, no longer than the query timeout, and cancels a check."""
        if self._check is not None:
            self._check.cancel()
        await asyncio.gather(self._connections.aclose(), self._checks.aclose())

    async def _fetch(
        self, connections: Connections, query: str, *arguments: object
    ) -> list[tuple[Any, ...]]:
        try:
            rows = await connections.fetch(query, *arguments)
        except BusyError:
            # The database is not away: nothing is logged.
            raise UnavailableError(f"PostgreSQL at {self._address} is busy.") from None
        except (psycopg.DataError, psycopg.IntegrityError):
            raise  # The database answers: the arguments are wrong.
        except _LOST as error:
            self._log_availability_change(error)
            raise UnavailableError(f"PostgreSQL at {self._address} cannot be used.") from error
        self._log_availability_change(None)
        return rows

    def _log_availability_change(self, error: Exception | None) -> None:
        """Logs once when the database becomes unavailable, and once when it is available again."""
        if (error is None) is self._available:
            return
        self._available = error is None
        if error is None:
            _log.warning("PostgreSQL at %s can be used again.", self._address)
        else:
            _log.warning(
                "PostgreSQL at %s cannot be used: %s. Until it can, requests that need it are"
                " answered 503.",
                self._address,
                reason(error),
            )


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Keeps asyncio from logging an error for which nobody waits any more."""
    if not task.cancelled():
        task.exception()


def reason(error: Exception) -> str:
    """Returns why the database does not answer, in one line and without a password."""
    match error:
        case TimeoutError():
            return "it did not answer in time"
        case psycopg.errors.UndefinedTable():
            return f"it lacks a table (make db prepares it): {error.diag.message_primary}"
    return " ".join(str(error).split()).rstrip(".")

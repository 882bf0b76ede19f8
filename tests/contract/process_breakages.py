"""Breakages of an app that need a process of their own, with a database."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from shared.greetings import Greeting

VARIABLE = "CONTRACT_SETUP"
"""The environment variable that names the breakage of a process by its `what`."""


Install = Callable[[], None]


@dataclass(frozen=True)
class ProcessBreakage:
    """`caught_by`: the ID of the part of a case that has to fail. `install` breaks the process."""

    caught_by: str
    what: str
    install: Install


PROCESS_BREAKAGES: list[ProcessBreakage] = []


def install(what: str) -> None:
    next(broken for broken in PROCESS_BREAKAGES if broken.what == what).install()


def breakage(caught_by: str, what: str) -> Callable[[Install], Install]:
    def register(install: Install) -> Install:
        PROCESS_BREAKAGES.append(ProcessBreakage(caught_by, what, install))
        return install

    return register


def store() -> Any:
    """The store class. The import runs in the process that is broken."""
    from shared.postgresql_greetings import PostgreSQLStore

    return PostgreSQLStore


def connections() -> Any:
    """The class of its connections."""
    from shared.postgresql import Connections

    return Connections


@breakage("STORE-1", "the database sorts by its own rules")
def the_database_sorts_by_its_own_rules() -> None:
    everything = store().all

    async def unsorted(self: Any) -> list[Greeting]:
        greetings: list[Greeting] = await everything(self)
        return greetings[::-1]

    store().all = unsorted


@breakage("STORE-2", "what has been read is kept")
def what_has_been_read_is_kept() -> None:
    get = store().get
    kept: dict[str, Greeting | None] = {}

    async def cached(self: Any, lang: str) -> Greeting | None:
        if lang not in kept:
            kept[lang] = await get(self, lang)
        return kept[lang]

    store().get = cached


@breakage("STORE-2: any text", "text is taken for ASCII")
def text_is_taken_for_ASCII() -> None:
    get = store().get

    async def narrowed(self: Any, lang: str) -> Greeting | None:
        greeting = await get(self, lang)
        return greeting and Greeting(lang, greeting.text.encode("ascii", "replace").decode())

    store().get = narrowed


@breakage("STORE-3", "the loop is blocked while the database is waited for")
def the_loop_is_blocked_while_the_database_is_waited_for() -> None:
    fetch = store().fetch

    async def blocking(self: Any, *arguments: Any) -> Any:
        rows = await fetch(self, *arguments)
        time.sleep(0.2)  # noqa: ASYNC251
        return rows

    store().fetch = blocking


@breakage("STORE-3", "there is one connection for all")
def there_is_one_connection_for_all() -> None:
    fetch = store().fetch
    connection = asyncio.Lock()

    async def one_by_one(self: Any, *arguments: Any) -> Any:
        async with connection:
            return await fetch(self, *arguments)

    store().fetch = one_by_one


@breakage("STORE-4", "the start-up needs the database")
def the_start_up_needs_the_database() -> None:
    opened = store().open.__func__

    async def demanding(cls: Any, *arguments: Any) -> Any:
        greetings = await opened(cls, *arguments)
        await greetings.check()
        return greetings

    store().open = classmethod(demanding)


@breakage("STORE-4", "nothing is said of it in the log")
def nothing_is_said_of_it_in_the_log() -> None:
    store()._log_availability_change = lambda self, error: None


@breakage("STORE-5", "a lost connection is an unexpected error")
def a_lost_connection_is_an_unexpected_error() -> None:
    from shared import postgresql

    postgresql._LOST = ()  # type: ignore[assignment]


@breakage("STORE-5", "a query that is late keeps its connection")
def a_query_that_is_late_keeps_its_connection() -> None:
    async def kept(self: Any, connection: Any) -> None:
        pass

    connections()._end = kept


@breakage("STORE-5", "a query is waited for without end")
def a_query_is_waited_for_without_end() -> None:
    init = connections().__init__

    def patient(self: Any, *arguments: Any) -> None:
        init(self, *arguments)
        self._settings = type(self._settings)(query_timeout=60)

    connections().__init__ = patient


@breakage("STORE-6", "now and then a connection is not given back")
def now_and_then_a_connection_is_not_given_back() -> None:
    give_back = connections()._give_back
    asked = iter(range(sys.maxsize))

    def forgetful(self: Any, connection: Any) -> None:
        if next(asked) % 3 != 2:
            give_back(self, connection)

    connections()._give_back = forgetful


@breakage("HEALTH-1: without the database", "the database is not asked")
def the_database_is_not_asked() -> None:
    async def content(self: Any) -> None:
        pass

    store().check = content


@breakage("HEALTH-1: without the database", "the database is waited for as long as for any query")
def the_database_is_waited_for_as_long_as_for_any_query() -> None:
    from shared import health

    health.SECONDS = 60


@breakage("HEALTH-1: while every connection is busy", "the check waits for one of them")
def the_check_waits_for_one_of_them() -> None:
    async def waiting(self: Any) -> None:
        await self.get("en")

    store().check = waiting


@breakage("LIFE-1", "the pool is opened twice")
def the_pool_is_opened_twice() -> None:
    opened = store().open.__func__

    async def twice(cls: Any, *arguments: Any) -> Any:
        await opened(cls, *arguments)
        return await opened(cls, *arguments)

    store().open = classmethod(twice)


@breakage("LIFE-1", "the pool is never closed")
def the_pool_is_never_closed() -> None:
    async def open_for_ever(self: Any) -> None:
        pass

    store().aclose = open_for_ever


@breakage("LIFE-1", "requests in flight are dropped")
def requests_in_flight_are_dropped() -> None:
    sys.argv += ["--timeout-graceful-shutdown", "0"]


@breakage("LIVE-1", "a problem ends the conversation")
def a_problem_ends_the_conversation() -> None:
    from shared import live

    encode = live.encode

    def final(document: Any) -> str:
        if "detail" in (document if isinstance(document, dict) else dir(document)):
            raise live.Close(live.POLICY_VIOLATION)
        return encode(document)

    live.encode = final


@breakage(
    "STREAM-1: as soon as it is there", "the last greeting is waited for before the first is sent"
)
def the_last_greeting_is_waited_for_before_the_first_is_sent() -> None:
    async def collected(self: Any) -> AsyncGenerator[Greeting, None]:
        for greeting in await self.all():
            yield greeting

    store().each = collected


@breakage("STREAM-1: when the client leaves", "the cancellation is swallowed")
def the_cancellation_is_swallowed() -> None:
    fetch = store().fetch
    going_on = set()

    async def shielded(self: Any, *arguments: Any) -> Any:
        query = asyncio.ensure_future(fetch(self, *arguments))
        going_on.add(query)
        return await asyncio.shield(query)

    store().fetch = shielded


@breakage("STREAM-1: when the database stops", "a stream that fails ends as if it was complete")
def a_stream_that_fails_ends_as_if_it_was_complete() -> None:
    each = store().each

    async def silent(self: Any) -> AsyncGenerator[Greeting, None]:
        with suppress(Exception):
            async for greeting in each(self):
                yield greeting

    store().each = silent


@breakage("LIFE-2", "an unknown setting is taken for none")
def an_unknown_setting_is_taken_for_none() -> None:
    from shared import connect

    connect.headers_trusted = lambda: True


@breakage("HELLO-6", "credentials in a trailer are believed")
def credentials_in_a_trailer_are_believed() -> None:
    from shared import security

    security._has_chunked_credentials = lambda scope: False


@breakage("STREAM-1: an unexpected error", "a stream ends quietly after an unexpected error")
def a_stream_ends_quietly_after_an_unexpected_error() -> None:
    a_stream_that_fails_ends_as_if_it_was_complete()


@breakage("LIVE-1: at shutdown", "a websocket is dropped at shutdown")
def a_websocket_is_dropped_at_shutdown() -> None:
    from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

    def dropped(self: Any) -> None:
        self.transport.close()

    AutoWebSocketsProtocol.shutdown = dropped  # type: ignore[union-attr]


@breakage("LIVE-2: 200 at once", "the loop is blocked for each message")
def the_loop_is_blocked_for_each_message() -> None:
    from shared import live

    encode = live.encode

    def blocking(document: Any) -> str:
        time.sleep(0.02)
        return encode(document)

    live.encode = blocking


breakage("LIFE-1: a start-up that fails", "a start-up that fails leaves the pool open")(
    the_pool_is_never_closed
)

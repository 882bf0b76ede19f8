"""Makes every store fail or sleep for certain languages, and log when it is opened and closed."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

from shared.errors import UnavailableError
from shared.greetings import Greeting, JSONStore
from tests.contract.vocabulary import ASLEEP, AWAY, CLOSED, FAULT, FAULTY, HALF_WAY, OPENED, SLEEPY

SECONDS = 0.3


@dataclass
class Interruption:
    """What happens to every stream of greetings in this process after its first greeting.

    - `error`: is raised; None: the store waits for ever.
    - `closed`: how many streams have ended since.
    """

    error: Exception | None
    closed: int = 0


_interruption: Interruption | None = None


@contextmanager
def interrupted(error: Exception | None = None) -> Iterator[Interruption]:
    """Interrupts the streams of this process that begin inside the context."""
    global _interruption
    _interruption = Interruption(error)
    try:
        yield _interruption
    finally:
        _interruption = None


def install() -> None:
    """Patches the store classes in this process: PostgreSQL only if `GREETINGS_URL` is set."""
    _install(JSONStore)
    if os.environ.get("GREETINGS_URL"):
        from shared.postgresql_greetings import PostgreSQLStore

        _install(PostgreSQLStore)
        if os.environ.get("CONTRACT_FAULT") == HALF_WAY:
            PostgreSQLStore.check = _fail  # type: ignore[method-assign]


def _install(store: Any) -> None:
    init, get, each, close = store.__init__, store.get, store.each, store.aclose

    def log(event: str) -> None:
        print(event, file=sys.stderr, flush=True)

    def logging_init(self: Any, *arguments: Any) -> None:
        init(self, *arguments)
        log(OPENED)

    async def faulty_get(self: Any, lang: str) -> Greeting | None:
        if lang == FAULTY:
            raise RuntimeError(FAULT)
        if lang == AWAY:
            raise UnavailableError(FAULT)
        if lang == SLEEPY:
            log(ASLEEP)
            await asyncio.sleep(SECONDS)
            lang = "en"
        greeting: Greeting | None = await get(self, lang)
        return greeting

    async def logging_close(self: Any) -> None:
        await close(self)
        log(CLOSED)

    async def faulty_each(self: Any) -> AsyncGenerator[Greeting, None]:
        interruption = _interruption
        try:
            async with aclosing(each(self)) as greetings:
                async for greeting in greetings:
                    if greeting.lang == FAULTY:
                        raise RuntimeError(FAULT)
                    yield greeting
                    if interruption is not None:
                        await _interrupt(interruption)
        finally:
            if interruption is not None:
                interruption.closed += 1

    store.__init__, store.get, store.aclose = logging_init, faulty_get, logging_close
    store.each = faulty_each


async def _interrupt(interruption: Interruption) -> None:
    if interruption.error is not None:
        await asyncio.sleep(0.05)  # Later than the first greeting, which has been sent by then.
        raise interruption.error
    await asyncio.Event().wait()


async def _fail(self: Any) -> None:
    raise RuntimeError("The start-up fails half way.")

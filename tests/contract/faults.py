"""Makes every store fail or sleep for certain languages, and log when it is opened and closed."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from shared.greetings import Greeting, JSONStore, UnavailableError
from tests.contract.vocabulary import ASLEEP, AWAY, CLOSED, FAULT, FAULTY, HALF_WAY, OPENED, SLEEPY

SECONDS = 0.3


def install() -> None:
    """Patches the store classes in this process: PostgreSQL only if `GREETINGS_URL` is set."""
    _install(JSONStore)
    if os.environ.get("GREETINGS_URL"):
        from shared.postgresql import PostgreSQLStore

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
        async with aclosing(each(self)) as greetings:
            async for greeting in greetings:
                if greeting.lang == FAULTY:
                    raise RuntimeError(FAULT)
                yield greeting

    store.__init__, store.get, store.aclose = logging_init, faulty_get, logging_close
    store.each = faulty_each


async def _fail(self: Any) -> None:
    raise RuntimeError("The start-up fails half way.")

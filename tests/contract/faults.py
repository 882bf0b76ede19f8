"""What the harness has a store do, the same way in every app: fail, sleep, tell that it opens and closes."""

import asyncio
import os
import sys
from typing import Any

from shared.greetings import Greeting, JSONGreetings
from tests.contract.vocabulary import ASLEEP, CLOSED, FAULT, FAULTY, HALF_WAY, OPENED, SLEEPY

SECONDS = 0.3


def install() -> None:
    """From now on every store in this process does so; for PostgreSQL where `GREETINGS_URL` is set."""
    _install(JSONGreetings)
    if os.environ.get("GREETINGS_URL"):
        from shared.postgresql import PostgreSQLGreetings

        _install(PostgreSQLGreetings)
        if os.environ.get("CONTRACT_FAULT") == HALF_WAY:
            PostgreSQLGreetings.check = _fail  # type: ignore[method-assign]


def _install(store: Any) -> None:
    init, get, close = store.__init__, store.get, store.close

    def tell(event: str) -> None:
        print(event, file=sys.stderr, flush=True)

    def telling_init(self: Any, *arguments: Any) -> None:
        init(self, *arguments)
        tell(OPENED)

    async def faulty_get(self: Any, lang: str) -> Greeting | None:
        if lang == FAULTY:
            raise RuntimeError(FAULT)
        if lang == SLEEPY:
            tell(ASLEEP)
            await asyncio.sleep(SECONDS)
            lang = "en"
        greeting: Greeting | None = await get(self, lang)
        return greeting

    async def telling_close(self: Any) -> None:
        await close(self)
        tell(CLOSED)

    store.__init__, store.get, store.close = telling_init, faulty_get, telling_close


async def _fail(self: Any) -> None:
    raise RuntimeError("The start-up fails half way.")

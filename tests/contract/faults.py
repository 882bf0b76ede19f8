"""What the harness has a store do, the same way in every app: fail, sleep, tell that it opens and closes."""

import asyncio
import os
import sys
from typing import Any

from shared.greetings import Greeting, JSONStore
from tests.contract.cases.http import FAULT, FAULTY, SLEEPY
from tests.contract.cases.life import ASLEEP, CLOSED, HALF_WAY, OPENED

SECONDS = 0.3


def install() -> None:
    """From now on every store in this process does so; for PostgreSQL where `GREETINGS_URL` is set."""
    _install(JSONStore)
    if os.environ.get("GREETINGS_URL"):
        from shared.postgresql import PostgreSQLStore

        _install(PostgreSQLStore)
        if os.environ.get("CONTRACT_FAULT") == HALF_WAY:
            PostgreSQLStore.check = _fail  # type: ignore[method-assign]


def _install(store: Any) -> None:
    init, get, close = store.__init__, store.get, store.aclose

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

    store.__init__, store.get, store.aclose = telling_init, faulty_get, telling_close


async def _fail(self: Any) -> None:
    raise RuntimeError("The start-up fails half way.")

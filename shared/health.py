"""Whether the store answers, for whoever watches the application."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from shared.greetings import Store, UnavailableError

SECONDS = 0.75
"""How long the store is waited for: within the second that the contract gives the whole answer."""


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of an application that can do its work."""

    status: Literal["ok"]
    store: Literal["json", "postgresql"]


async def check_health(store: Store) -> Health:
    """Asks the store itself. Raises `UnavailableError` where it does not answer, or not in time."""
    try:
        async with asyncio.timeout(SECONDS):
            await store.check()
    except TimeoutError as error:
        raise UnavailableError("The store takes too long.") from error
    return Health("ok", store.kind)

"""The health check of the store."""

import asyncio
from dataclasses import dataclass
from typing import Literal, Protocol

from shared.errors import UnavailableError

SECONDS = 0.75
"""The timeout of the check; the contract allows one second for the whole answer."""


@dataclass(frozen=True, slots=True)
class Health:
    """The answer to `GET /health` while the store answers."""

    status: Literal["ok"]
    store: Literal["json", "postgresql"]


class Checkable(Protocol):
    """The part of a store that is needed here."""

    @property
    def kind(self) -> Literal["json", "postgresql"]:
        """The kind of the store."""

    async def check(self) -> None:
        """Returns when the store has answered. Raises `UnavailableError`."""


async def check_health(store: Checkable) -> Health:
    """Checks the store. Raises `UnavailableError` if it does not answer in time."""
    try:
        async with asyncio.timeout(SECONDS):
            await store.check()
    except TimeoutError as error:
        raise UnavailableError("The store did not answer in time.") from error
    return Health("ok", store.kind)

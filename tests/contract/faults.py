"""Breaks the store for one language, the same way in every app: how HTTP-3 gets its unexpected error."""

from shared.greetings import Greeting, JSONGreetings
from tests.contract.cases.http import FAULT, FAULTY


def install() -> None:
    """From now on, in this process, asking any store for the greeting in `FAULTY` raises."""
    get = JSONGreetings.get

    async def faulty_get(self: JSONGreetings, lang: str) -> Greeting | None:
        if lang == FAULTY:
            raise RuntimeError(FAULT)
        return await get(self, lang)

    JSONGreetings.get = faulty_get  # type: ignore[method-assign]

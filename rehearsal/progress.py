"""Tells whoever watches how far work on several things at once is."""

import asyncio
import time
from collections.abc import Callable


class Progress:
    """Prints each step with the seconds since the start, through `say`."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._begun = self._last = time.monotonic()
        self._steps: dict[str, str] = {}

    def begin(self, name: str, step: str) -> None:
        """Work on `name` goes on with this step, such as "launching it"."""
        self._steps[name] = step
        self._print(f"{name:<8} {step}")

    def end(self, name: str, result: str) -> None:
        self._steps.pop(name, None)
        self._print(f"{name:<8} {result}")

    async def remind(self, seconds: float = 2.0) -> None:
        """Says, whenever nothing was printed for so many seconds, what is still being done; never
        returns.
        """
        while True:
            await asyncio.sleep(max(self._last + seconds - time.monotonic(), 0))
            if self._steps and time.monotonic() >= self._last + seconds:
                self._print("still " + ", ".join(map(" ".join, self._steps.items())))

    def _print(self, text: str) -> None:
        self._last = time.monotonic()
        self._say(f"  {self._last - self._begun:5.1f} s  {text}")

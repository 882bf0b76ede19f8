"""Progress messages of several deployments that run at the same time."""

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
        """Prints the step of `name` that begins, such as "launching it"."""
        self._steps[name] = step
        self._print(f"{name:<8} {step}")

    def end(self, name: str, result: str) -> None:
        self._steps.pop(name, None)
        self._print(f"{name:<8} {result}")

    async def remind(self, seconds: float = 2.0) -> None:
        """Prints the unfinished steps whenever `seconds` passed without output. Never returns."""
        while True:
            await asyncio.sleep(max(self._last + seconds - time.monotonic(), 0))
            if self._steps and time.monotonic() >= self._last + seconds:
                self._print("still " + ", ".join(map(" ".join, self._steps.items())))

    def _print(self, text: str) -> None:
        self._last = time.monotonic()
        self._say(f"  {self._last - self._begun:5.1f} s  {text}")

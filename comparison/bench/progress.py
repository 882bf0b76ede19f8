"""A progress bar with the time left, on standard error."""

import sys
import time
from typing import TextIO

_WIDTH = 24


class Progress:
    """Shows how much of a run is complete.

    `expected` is the duration in seconds that the measures state. While the run goes on, the time
    left is corrected by how long the completed part has taken.
    """

    def __init__(self, expected: float, output: TextIO = sys.stderr) -> None:
        self._expected = expected
        self._output = output
        self._begun = time.monotonic()
        self._done = 0.0

    def show(self, what: str) -> None:
        """Shows `what` is going on now."""
        share = self._done / self._expected if self._expected else 1.0
        bar = ("#" * round(share * _WIDTH)).ljust(_WIDTH, ".")
        line = f"[{bar}] {share:4.0%}  {left(self.seconds_left())}  {what}"
        if self._output.isatty():
            self._output.write(f"\r\x1b[2K{line}")
        else:
            self._output.write(f"{line}\n")
        self._output.flush()

    def advance(self, seconds: float) -> None:
        """Counts a part as complete, by the seconds that were expected for it."""
        self._done += seconds

    def seconds_left(self) -> float:
        remaining = max(self._expected - self._done, 0.0)
        if not self._done:
            return remaining
        return remaining * (time.monotonic() - self._begun) / self._done

    def end(self) -> None:
        if self._output.isatty():
            self._output.write("\r\x1b[2K")
            self._output.flush()


def left(seconds: float) -> str:
    """Returns a few words: `12 min left`."""
    if seconds >= 90:
        return f"{seconds / 60:.0f} min left"
    return f"{seconds:.0f} s left"

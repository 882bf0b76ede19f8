"""Waits for a condition."""

import time
from collections.abc import Callable


def eventually(met: Callable[[], object], seconds: float = 10.0) -> bool:
    """Returns True as soon as the condition is met, False if it is not met after `seconds`."""
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True

"""Waiting for a condition."""

import time
from collections.abc import Callable


def eventually(met: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether a condition is met, at the latest after so long."""
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True

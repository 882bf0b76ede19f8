"""What the system knows of processes."""

import os
import sys
import time
from pathlib import Path

import pytest

from tests.rehearsal.wire import TIMEOUT_SECONDS

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def ends(pid: int) -> bool:
    """Whether the process ends within the time that tests wait."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while is_running(pid) and time.monotonic() < deadline:
        os.sched_yield()
    return not is_running(pid)

"""The processor time and the memory of a process and its descendants, from Linux."""

import re
import time
from collections.abc import Iterator
from pathlib import Path


def tree(pid: int) -> Iterator[int]:
    """Yields the process and its descendants that run now."""
    pending = [pid]
    while pending:
        current = pending.pop()
        yield current
        for children in Path(f"/proc/{current}/task").glob("*/children"):
            try:
                pending.extend(map(int, children.read_text(encoding="ascii").split()))
            except (FileNotFoundError, ProcessLookupError):  # The thread has ended.
                continue


def cpu_seconds(pid: int) -> float:
    """Returns the processor time of the tree: user and system, all threads, without the dead.

    The resolution is a nanosecond, where /proc/<pid>/stat has 10 ms. Source: clock_getcpuclockid(3)
    and the kernel's include/linux/posix-timers.h, CPUCLOCK_SCHED.
    """
    seconds = 0.0
    for process in tree(pid):
        try:
            seconds += time.clock_gettime((~process << 3) | 2)
        except OSError:
            if process == pid:
                raise
    return seconds


def pss_bytes(pid: int) -> int:
    """Returns the proportional set size of the tree: proc(5), smaps_rollup.

    A page that several processes share is divided among them; so that the sum counts it once.
    """
    total = 0
    for process in tree(pid):
        try:
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):
            if process == pid:
                raise
            continue
        found = re.search(r"^Pss:\s+(\d+) kB$", rollup, re.MULTILINE)
        total += int(found[1]) * 1024 if found else 0
    return total

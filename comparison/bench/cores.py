"""The processor cores: one for the server, another one for the client."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tooling.errors import UsageError

QUOTA = Path("/sys/fs/cgroup/cpu.max")
TOPOLOGY = Path("/sys/devices/system/cpu")


class Cores(NamedTuple):
    server: int
    client: int


@cache
def choose_cores(quota_file: Path = QUOTA, topology: Path = TOPOLOGY) -> Cores:
    """Returns two cores that this process may use; they are chosen once.

    They are not two threads of one core, if there is another one. Raises `UsageError` if there are
    fewer, or if the quota of the control group is below two.
    """
    if not hasattr(os, "sched_getaffinity"):
        raise UsageError("The benchmark assigns processes to cores, which needs Linux.")
    allowed = sorted(os.sched_getaffinity(0))
    quota = _quota(quota_file)
    if len(allowed) < 2 or quota < 2:
        free = f"{min(len(allowed), quota):g}"
        raise UsageError(
            f"The benchmark needs two free cores, one for the server and one for the client;"
            f" this process may use {free}."
        )
    server = allowed[0]
    siblings = _siblings(server, topology)
    others = [core for core in allowed if core not in siblings]
    return Cores(server, client=(others or allowed[1:])[0])


def _siblings(core: int, topology: Path) -> set[int]:
    """Returns the numbers of the threads of a core, itself included: `0-1` or `0,4`."""
    file = topology / f"cpu{core}" / "topology" / "thread_siblings_list"
    try:
        parts = file.read_text(encoding="ascii").strip().split(",")
        limits = [part.partition("-")[::2] for part in parts]
        return {n for low, high in limits for n in range(int(low), int(high or low) + 1)}
    except (OSError, ValueError):
        return {core}


def _quota(file: Path) -> float:
    """Returns the number of cores that the control group grants: cgroup v2, `cpu.max`."""
    try:
        quota, period = file.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return float("inf")
    return float("inf") if quota == "max" else int(quota) / int(period)


@contextmanager
def on_cores(*cores: int) -> Iterator[None]:
    """Runs this thread, and every process that it starts meanwhile, on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

"""Runs functions in forked processes, a few at a time, each with a limit of its time."""

import json
import math
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

MEMORY = 4 * 1024**3
"""The bytes of address space of a process: a changed loop may append for ever."""

WAIT = 15
"""Times the processor time is the time that a process may take: others may need the processor."""


@dataclass(frozen=True)
class Finished:
    """The end of one call.

    - `result`: None if the process was stopped at a limit of its time (`timed_out`) or died.
    - `seconds`: of processor time.
    """

    key: str
    result: Any
    timed_out: bool
    seconds: float


@dataclass
class _Running:
    key: str
    pid: int
    deadline: float
    received: bytes = b""


class Pool:
    """`size` processes at the same time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._running: dict[int, _Running] = {}

    @property
    def is_full(self) -> bool:
        return len(self._running) >= self._size

    @property
    def is_idle(self) -> bool:
        return not self._running

    def start(self, key: str, call: Callable[[], Mapping[str, Any]], timeout: float) -> None:
        """Forks a process for a call, whose result must be JSON.

        `timeout` is in seconds of processor time, so that a busy machine does not shorten it.
        """
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            _run(call, write, math.ceil(timeout))
        os.close(write)
        self._running[read] = _Running(key, pid, time.monotonic() + WAIT * timeout)

    def wait(self) -> Iterator[Finished]:
        """Waits until at least one call has ended. Yields the calls that have."""
        ended: list[Finished] = []
        while not ended and self._running:
            now = time.monotonic()
            first = min(running.deadline for running in self._running.values())
            ready, _, _ = select.select(list(self._running), [], [], max(0.0, first - now))
            for descriptor in ready:
                if received := os.read(descriptor, 65536):
                    self._running[descriptor].received += received
                else:
                    ended.append(self._end(descriptor, timed_out=False))
            now = time.monotonic()
            for descriptor, running in list(self._running.items()):
                if running.deadline <= now:
                    ended.append(self._end(descriptor, timed_out=True))
        yield from ended

    def close(self) -> None:
        """Stops what still runs."""
        for descriptor in list(self._running):
            self._end(descriptor, timed_out=True)

    def _end(self, descriptor: int, *, timed_out: bool) -> Finished:
        running = self._running.pop(descriptor)
        if timed_out:
            os.kill(running.pid, signal.SIGKILL)
        os.close(descriptor)
        _, status, usage = os.wait4(running.pid, 0)
        seconds = usage.ru_utime + usage.ru_stime
        timed_out = timed_out or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU)
        result = json.loads(running.received) if running.received and not timed_out else None
        return Finished(running.key, result, timed_out, seconds)


def _run(call: Callable[[], Mapping[str, Any]], write: int, seconds: int) -> NoReturn:
    """Never returns, so that nothing of the parent runs twice."""
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        result = json.dumps(call()).encode()
        os.write(write, result)
    finally:
        os._exit(0)

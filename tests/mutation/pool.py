"""Runs functions in forked processes, a few at a time, each with a timeout."""

import json
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


@dataclass(frozen=True)
class Finished:
    """The end of one call.

    `result` is None if the process was stopped at its timeout (`timed_out`) or died.
    """

    key: str
    result: Any
    timed_out: bool
    seconds: float


@dataclass
class _Running:
    key: str
    pid: int
    begun: float
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
        """Forks a process for a call, whose result must be JSON."""
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            _run(call, write)
        os.close(write)
        now = time.monotonic()
        self._running[read] = _Running(key, pid, now, now + timeout)

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
        os.waitpid(running.pid, 0)
        seconds = time.monotonic() - running.begun
        result = json.loads(running.received) if running.received and not timed_out else None
        return Finished(running.key, result, timed_out, seconds)


def _run(call: Callable[[], Mapping[str, Any]], write: int) -> NoReturn:
    """Never returns, so that nothing of the parent runs twice."""
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        result = json.dumps(call()).encode()
        os.write(write, result)
    finally:
        os._exit(0)

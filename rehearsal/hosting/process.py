"""The process that serves one bundle: starts it when needed and restarts it after it exits."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tooling.processes import AppDidNotStartError, AppProcess

START_SECONDS = 60.0
_POLL_SECONDS = 0.1
_BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_STABLE_SECONDS = 30.0
DRAIN_SECONDS = 10.0


class BundleClosedError(Exception):
    """The bundle was closed after it was looked up and before its process was requested."""


class BundleProcess:
    """One process of a bundle: `process` is for requests; `close` waits for them and stops it."""

    def __init__(self, launch: Callable[[], AppProcess]) -> None:
        self._launch = launch
        self._process: AppProcess | None = None
        self._pending: AppProcess | None = None
        self._started = 0.0
        self._starting = asyncio.Lock()
        self._requests = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._crashes = 0
        self._not_before = 0.0
        self._last_failure = AppDidNotStartError("It was not started yet.")
        self._closed = False
        self._supervisor = asyncio.create_task(self._supervise())

    def running(self) -> AppProcess | None:
        """Returns the process, `None` if it does not run."""
        process = self._process
        if process is not None and (code := process.exit_code()) is not None:
            self._process = None
            if time.monotonic() - self._started > _STABLE_SECONDS:
                self._crashes = 0
            self._delay_start(process.failure(f"ended with exit code {code}"))
        return self._process

    @asynccontextmanager
    async def process(self) -> AsyncIterator[AppProcess]:
        """Yields the process for one request, and starts it if it does not run.

        Raises `AppDidNotStartError`, `BundleClosedError`.
        """
        if self._closed:
            raise BundleClosedError
        process = self.running() or await self._get_or_start()
        self._requests += 1
        self._idle.clear()
        try:
            yield process
        finally:
            self._requests -= 1
            if self._requests == 0:
                self._idle.set()

    async def _get_or_start(self) -> AppProcess:
        async with self._starting:
            if self._closed:
                raise BundleClosedError
            if process := self.running():
                return process
            if time.monotonic() < self._not_before:
                raise self._last_failure
            try:
                self._pending = self._launch()
                await asyncio.to_thread(self._pending.wait_until_ready, START_SECONDS)
            except OSError as error:
                failure = AppDidNotStartError(f"It cannot be started: {error.strerror}.")
                self._delay_start(failure)
                raise failure from None
            except AppDidNotStartError as error:
                if self._closed:
                    raise BundleClosedError from None
                self._delay_start(error)
                raise
            except BaseException:
                if self._pending:
                    self._pending.stop(0.1)
                raise
            else:
                self._process, self._started = self._pending, time.monotonic()
                return self._process
            finally:
                self._pending = None

    def _delay_start(self, failure: AppDidNotStartError) -> None:
        delay = _BACKOFF_SECONDS[min(self._crashes, len(_BACKOFF_SECONDS) - 1)]
        self._crashes += 1
        self._not_before = time.monotonic() + delay
        self._last_failure = failure

    async def _supervise(self) -> None:
        """Starts the process, and restarts it after it exits, until the bundle is closed."""
        while True:
            if not self._starting.locked() and self.running() is None:
                with contextlib.suppress(AppDidNotStartError, BundleClosedError):
                    await self._get_or_start()
            await asyncio.sleep(_POLL_SECONDS)

    async def close(self, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Prevents new starts, waits for requests up to `drain_seconds`, and then sends SIGTERM."""
        self._closed = True
        self._supervisor.cancel()
        await asyncio.gather(self._supervisor, return_exceptions=True)
        if self._pending is not None:
            await asyncio.to_thread(self._pending.stop)
        async with self._starting:
            pass
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_seconds):
                await self._idle.wait()
        process, self._process = self._process, None
        if process is not None:
            await asyncio.to_thread(process.stop)


class BundleProcesses:
    """All processes of a bundle, numbered from 0. They take turns, unless one is asked for.

    Connect starts more processes under load. The rehearsal runs a fixed number.
    """

    def __init__(self, launch: Callable[[], AppProcess], count: int) -> None:
        self._processes = [BundleProcess(launch) for _ in range(count)]
        self._turns = itertools.cycle(range(count))

    def running(self) -> AppProcess | None:
        """Returns one process that runs, `None` if none does."""
        return next(filter(None, (process.running() for process in self._processes)), None)

    @asynccontextmanager
    async def process(self, wanted: int | None = None) -> AsyncIterator[tuple[int, AppProcess]]:
        """Yields the number of a process, and the process, for one request.

        Raises as `BundleProcess.process`.
        """
        known = wanted is not None and 0 <= wanted < len(self._processes)
        number = wanted if known and wanted is not None else next(self._turns)
        async with self._processes[number].process() as process:
            yield number, process

    async def close(self, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Closes all of them at the same time."""
        await asyncio.gather(*(process.close(drain_seconds) for process in self._processes))

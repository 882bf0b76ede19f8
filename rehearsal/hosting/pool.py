"""The processes of one deployed version: started when needed, restarted when they crash, stopped when idle."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.profiles import Profile
from tooling.processes import AppDidNotStartError, AppProcess

_RUNTIME = Path(__file__).with_name("runtime.py")
_TICK_SECONDS = 0.1
_BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_STABLE_SECONDS = 30.0
_DRAIN_SECONDS = 10.0


class VersionClosedError(Exception):
    """The version was replaced between being looked up and being asked for a process."""


@dataclass(frozen=True)
class Schedule:
    """How many processes there are, and when; names and meaning as in Connect's `[Scheduler]` settings.

    Connect's own defaults are not public in full. Five seconds of idleness are documented by Posit
    Solutions; here one process stays, so that a look at the page after a pause does not wait.
    """

    min_processes: int = 1
    max_processes: int = 3
    max_conns_per_process: int = 20
    load_factor: float = 0.5
    """The share of `max_conns_per_process` in use, over all processes, from which another one is started."""
    idle_timeout: float = 5.0
    """Seconds without a request after which a process beyond `min_processes` is stopped."""
    init_timeout: float = 60.0
    """Seconds that a process may take until it answers."""


DEFAULT_SCHEDULE = Schedule()


@dataclass(frozen=True)
class Launch:
    """What is needed to start a process of a version."""

    entrypoint: str
    directory: Path
    python: Path
    environment: Mapping[str, str]
    profile: Profile
    log: Path

    def start(self) -> AppProcess:
        return AppProcess(
            self.entrypoint,
            log=self.log,
            environment=self.environment,
            directory=self.directory,
            command=(str(self.python), str(_RUNTIME)),
            arguments=(
                *("--shape", self.profile.shape, "--server", self.profile.server),
                *("--fd", "{fd}"),
            ),
            append=True,
        )


@dataclass(eq=False)
class Worker:
    """One process, and the requests that it has."""

    process: AppProcess
    started: float = field(default_factory=time.monotonic)
    last_used: float = field(default_factory=time.monotonic)
    active: int = 0


class Version:
    """One bundle of one content item, as it runs.

    `process` is where a request gets a process from; `close` drains and ends them all.
    """

    def __init__(self, launch: Launch, schedule: Schedule) -> None:
        self.schedule = schedule
        self._launch = launch
        self._workers: list[Worker] = []
        self._pending: AppProcess | None = None
        self._active = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._starting = asyncio.Lock()
        self._crashes = 0
        self._not_before = 0.0
        self._last_failure = AppDidNotStartError("It was not started yet.")
        self._closed = False
        self._keeper = asyncio.create_task(self._keep())
        self._helping: asyncio.Task[None] | None = None

    @property
    def processes(self) -> list[AppProcess]:
        """Those that run now."""
        return [worker.process for worker in self._workers]

    @asynccontextmanager
    async def process(self) -> AsyncIterator[AppProcess]:
        """A process for one request, started if there is none.

        Raises `AppDidNotStartError`, `VersionClosedError`.
        """
        if self._closed:
            raise VersionClosedError
        worker = self._least_busy()
        if worker is None:
            worker = await self._first()
        elif self._is_loaded():
            self._helping = asyncio.create_task(self._start_another())
            self._helping.add_done_callback(_swallow)
        worker.active += 1
        self._active += 1
        self._quiet.clear()
        try:
            yield worker.process
        finally:
            worker.active -= 1
            worker.last_used = time.monotonic()
            self._active -= 1
            if self._active == 0:
                self._quiet.set()

    def _least_busy(self) -> Worker | None:
        self._bury()
        return min(self._workers, key=lambda worker: worker.active, default=None)

    def _is_loaded(self) -> bool:
        schedule = self.schedule
        capacity = len(self._workers) * schedule.max_conns_per_process
        return (
            self._active + 1 > schedule.load_factor * capacity
            and len(self._workers) < schedule.max_processes
            and not self._starting.locked()
            and (self._helping is None or self._helping.done())
        )

    async def _first(self) -> Worker:
        async with self._starting:
            worker = self._least_busy()
            if worker is None:
                if time.monotonic() < self._not_before:
                    raise self._last_failure
                worker = await self._start()
            return worker

    async def _start_another(self) -> None:
        async with self._starting:
            if len(self._workers) < self.schedule.max_processes and not self._closed:
                await self._start()

    async def _start(self) -> Worker:
        """Raises `VersionClosedError`, `AppDidNotStartError`; then no start is tried for some time."""
        if self._closed:
            raise VersionClosedError
        try:
            process = self._pending = self._launch.start()
        except OSError as error:
            failure = AppDidNotStartError(f"It cannot be started: {error.strerror}.")
            self._crashed(failure)
            raise failure from None
        try:
            await asyncio.to_thread(process.wait_until_ready, self.schedule.init_timeout)
        except AppDidNotStartError as error:
            if self._closed:
                raise VersionClosedError from None
            self._crashed(error)
            raise
        except BaseException:
            process.stop(0.1)
            raise
        finally:
            self._pending = None
        worker = Worker(process)
        self._workers.append(worker)
        return worker

    def _crashed(self, failure: AppDidNotStartError) -> None:
        delay = _BACKOFF_SECONDS[min(self._crashes, len(_BACKOFF_SECONDS) - 1)]
        self._crashes += 1
        self._not_before = time.monotonic() + delay
        self._last_failure = failure

    def _bury(self) -> None:
        for worker in list(self._workers):
            code = worker.process.exit_code()
            if code is None:
                continue
            self._workers.remove(worker)
            if time.monotonic() - worker.started > _STABLE_SECONDS:
                self._crashes = 0
            self._crashed(worker.process.failure(f"ended with exit code {code}"))

    async def _keep(self) -> None:
        """Restarts what crashed and stops what is idle, as long as the version is open."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._bury()
            now = time.monotonic()
            missing = len(self._workers) < self.schedule.min_processes
            if missing and now >= self._not_before and not self._starting.locked():
                with contextlib.suppress(AppDidNotStartError, VersionClosedError):
                    async with self._starting:
                        await self._start()
            for worker in self._idle(now):
                self._workers.remove(worker)
                await asyncio.to_thread(worker.process.stop)

    def _idle(self, now: float) -> list[Worker]:
        spare = len(self._workers) - self.schedule.min_processes
        idle = [
            worker
            for worker in self._workers
            if worker.active == 0 and now - worker.last_used > self.schedule.idle_timeout
        ]
        return idle[: max(spare, 0)]

    async def close(self, drain_seconds: float = _DRAIN_SECONDS) -> None:
        """No new processes; SIGTERM when the requests have ended, at the latest after `drain_seconds`."""
        self._closed = True
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        if self._pending is not None:
            await asyncio.to_thread(self._pending.stop)
        async with self._starting:
            pass
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_seconds):
                await self._quiet.wait()
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.process.terminate()
        await asyncio.gather(*(asyncio.to_thread(worker.process.stop) for worker in workers))


def _swallow(task: asyncio.Task[None]) -> None:
    """One process more was a convenience: where it fails, those that run go on."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, AppDidNotStartError | VersionClosedError):
        raise error

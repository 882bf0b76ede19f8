"""Background tasks with a log and a result, as `/v1/tasks` returns them."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from tooling.environments import Log
from tooling.errors import is_full_disk
from tooling.terminal import printable

LOG = logging.getLogger("rehearsal.tasks")
NO_SPACE = "No space left on the rehearsal's disk."


class TaskFailedError(Exception):
    """The task failed. The message is one sentence with the reason."""


class Task:
    """One background task. Its log lines are numbered from 0."""

    def __init__(self, owner_guid: str) -> None:
        self.id = secrets.token_urlsafe(12)
        self.owner_guid = owner_guid
        self.output: list[str] = []
        self.finished = False
        self.code = 0
        self.error = ""
        self._changed = asyncio.Event()

    def log(self, line: str) -> None:
        self.output.append(printable(line))
        self._notify()

    def finish(self, error: str = "") -> None:
        self.finished, self.error, self.code = True, error, 1 if error else 0
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, first: int, seconds: float) -> None:
        """Returns after more than `first` lines, at the end of the task, or after `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.finished and len(self.output) <= first:
                    await self._changed.wait()

    def status(self, first: int) -> dict[str, Any]:
        """Returns the body of `GET /v1/tasks/{id}` (API reference), with lines from `first` on."""
        return {
            "id": self.id,
            "output": self.output[first:],
            "last": len(self.output),
            "finished": self.finished,
            "code": self.code,
            "error": self.error,
            "result": None,
        }


class Tasks:
    """All tasks since the start. They are kept in memory only."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._running: set[asyncio.Task[None]] = set()

    def find(self, task_id: str, owner_guid: str) -> Task | None:
        task = self._tasks.get(task_id)
        return task if task and task.owner_guid == owner_guid else None

    def start(self, owner_guid: str, work: Callable[[Log], Awaitable[None]]) -> Task:
        task = Task(owner_guid)
        self._tasks[task.id] = task
        running = asyncio.create_task(self._run(task, work))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return task

    async def _run(self, task: Task, work: Callable[[Log], Awaitable[None]]) -> None:
        try:
            await work(task.log)
        except TaskFailedError as failure:
            task.finish(str(failure))
        except asyncio.CancelledError:
            task.finish("The rehearsal was stopped.")
        except Exception as error:
            if is_full_disk(error):
                task.finish(NO_SPACE)
            else:
                LOG.exception("A task failed")
                task.finish("The rehearsal itself failed: see its output.")
        else:
            task.finish()

    async def close(self) -> None:
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

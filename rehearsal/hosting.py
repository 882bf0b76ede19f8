"""From a bundle to running processes: builds the environment, launches the version, switches, restarts."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from rehearsal.environments import EnvironmentFailedError, Environments, check_python
from rehearsal.processes import AppDidNotStartError, AppProcess, connect_environment
from rehearsal.profiles import Profile
from rehearsal.state import Bundle, Content, State
from rehearsal.tasks import Log, TaskFailedError
from rehearsal.versions import DEFAULT_SCHEDULE, Launch, Schedule, Version

LOG = logging.getLogger("rehearsal.hosting")
_SCHEDULED = ("min_processes", "max_processes", "max_conns_per_process", "load_factor")
# Connect keeps as many as its setting Applications.BundleRetentionLimit says.
_KEPT_BUNDLES = 5
_TIMED = ("idle_timeout", "init_timeout")


class Hosting:
    """Everything that runs. A version is one bundle of one content item, active or draft.

    - `url`: our own address, without a final slash.
    - `schedule`: what holds for content that sets nothing itself.
    """

    def __init__(
        self,
        state: State,
        environments: Environments,
        logs: Path,
        profile: Profile,
        url: str,
        schedule: Schedule = DEFAULT_SCHEDULE,
    ) -> None:
        self._state = state
        self._environments = environments
        self._logs = logs
        self._profile = profile
        self._url = url
        self._schedule = schedule
        self._versions: dict[tuple[str, int], Version] = {}
        self._changing: dict[str, asyncio.Lock] = {}
        self._retiring: dict[asyncio.Task[None], Version] = {}

    def log_of(self, guid: str, bundle_id: int) -> Path:
        """What the processes of that version printed."""
        return self._logs / guid / f"{bundle_id}.log"

    def processes_of(self, content: Content) -> list[AppProcess]:
        """Those of the active version that run now."""
        version = self._versions.get((content.guid, content.bundle_id or 0))
        return version.processes if version else []

    def _lock(self, guid: str) -> asyncio.Lock:
        return self._changing.setdefault(guid, asyncio.Lock())

    def _schedule_of(self, content: Content, bundle_id: int) -> Schedule:
        own = {
            name: value
            for name in (*_SCHEDULED, *_TIMED)
            if (value := getattr(content, name)) is not None
        }
        schedule = replace(self._schedule, **own)
        # Nobody but its publisher looks at a draft.
        return schedule if bundle_id == content.bundle_id else replace(schedule, min_processes=0)

    async def _new_version(self, content: Content, bundle: Bundle, log: Log) -> Version:
        """Raises `EnvironmentFailedError`, `OSError`."""
        directory = self._state.directory_of(bundle.id)
        check_python(bundle.python_requires)
        python = await self._environments.provide(
            directory, bundle.requirements, self._profile.server, log
        )
        environment = connect_environment(
            self._url, content.guid, self._state.environment(content.guid)
        )
        environment["PATH"] = f"{python.parent}:{environment['PATH']}"
        launch = Launch(
            entrypoint=bundle.entrypoint,
            directory=directory,
            python=python,
            environment=environment,
            profile=self._profile,
            log=self.log_of(content.guid, bundle.id),
        )
        return Version(launch, self._schedule_of(content, bundle.id))

    @asynccontextmanager
    async def process(self, content: Content, bundle_id: int) -> AsyncIterator[AppProcess]:
        """A process of that version for one request.

        Raises `AppDidNotStartError`, `EnvironmentFailedError`, `LookupError` for an unknown bundle.
        """
        version = self._versions.get((content.guid, bundle_id))
        if version is None:
            async with self._lock(content.guid):
                version = await self._revive(content, bundle_id)
        async with version.process() as process:
            yield process

    async def _revive(self, content: Content, bundle_id: int) -> Version:
        """A version that was deployed before we were started."""
        key = (content.guid, bundle_id)
        if key not in self._versions:
            bundle = self._state.bundle(*key)
            if bundle is None:
                raise LookupError("There is no such bundle.")
            self._versions[key] = await self._new_version(content, bundle, LOG.debug)
        return self._versions[key]

    async def deploy(self, guid: str, bundle_id: int, activate: bool, log: Log) -> None:
        """Build, launch and, if `activate`, switch to that bundle; until then what ran goes on.

        The launch is part of the task, so that an app that does not start fails it. Connect's own task
        seems to end before (an entry point that does not exist deploys there: third party).
        Raises `TaskFailedError`, `OSError`.
        """
        async with self._lock(guid):
            content, bundle = self._state.content(guid), self._state.bundle(guid, bundle_id)
            if content is None or bundle is None:
                raise TaskFailedError("The content was deleted meanwhile.")
            version = self._versions.get((guid, bundle_id))
            if version is None:
                version = await self._launch(content, bundle, log)
            self._versions[guid, bundle_id] = version
            if activate:
                self._state.activate(guid, bundle_id)
                version.schedule = self._schedule_of(
                    replace(content, bundle_id=bundle_id), bundle_id
                )
                log(f"Bundle {bundle_id} is active.")
                self._retire(guid, keep=bundle_id)
                for old in self._state.bundles(guid)[_KEPT_BUNDLES:]:
                    if old.id != bundle_id:
                        self._state.delete_bundle(guid, old.id)

    async def _launch(self, content: Content, bundle: Bundle, log: Log) -> Version:
        log(f"Building {content.title or content.name}, bundle {bundle.id}, in the rehearsal.")
        log(f"The bundle was made with Python {bundle.python_version}.")
        try:
            version = await self._new_version(content, bundle, log)
        except EnvironmentFailedError as error:
            raise TaskFailedError(str(error)) from None
        log(f"Launching {bundle.entrypoint} under {self._profile.server}.")
        try:
            async with version.process():
                log("It answers.")
        except AppDidNotStartError as error:
            await version.close(0)
            for line in error.lines:
                log(line)
            last = error.lines[-1] if error.lines else error.sentence
            raise TaskFailedError(f"The app did not start: {last}") from None
        except BaseException:
            await version.close(0)
            raise
        return version

    async def build(self, guid: str, bundle_id: int, log: Log) -> None:
        """Make the environment only. Raises `TaskFailedError`, `OSError`."""
        bundle = self._state.bundle(guid, bundle_id)
        if bundle is None:
            raise TaskFailedError("The bundle was deleted meanwhile.")
        try:
            check_python(bundle.python_requires)
            await self._environments.provide(
                self._state.directory_of(bundle_id), bundle.requirements, self._profile.server, log
            )
        except EnvironmentFailedError as error:
            raise TaskFailedError(str(error)) from None

    def _retire(self, guid: str, keep: int | None = None) -> None:
        """Drain and end all versions of the content but one, while new requests go elsewhere."""
        for key in [key for key in self._versions if key[0] == guid and key[1] != keep]:
            version = self._versions.pop(key)
            task = asyncio.create_task(version.close())
            self._retiring[task] = version
            task.add_done_callback(self._retiring.pop)

    def restart(self, guid: str) -> None:
        """What changed for the content holds for the processes that the next request starts."""
        self._retire(guid)

    async def resume(self) -> None:
        """Start what was active when we were stopped; a version that fails is left to its requests."""
        for content in self._state.contents():
            if content.bundle_id is not None:
                try:
                    async with self._lock(content.guid):
                        await self._revive(content, content.bundle_id)
                except (EnvironmentFailedError, LookupError, OSError) as error:
                    LOG.warning("%s does not run: %s", content.name, error)

    async def close(self) -> None:
        """End every process, without waiting for requests."""
        versions = [*self._versions.values(), *self._retiring.values()]
        self._versions.clear()
        await asyncio.gather(*(version.close(0) for version in versions))
        if self._retiring:
            await asyncio.wait(self._retiring, timeout=1)

"""From a bundle to running processes: builds the environment, launches the version, switches, restarts."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path

from rehearsal.hosting.pool import DEFAULT_SCHEDULE, Launch, Schedule, Version, VersionClosedError
from rehearsal.hosting.tasks import Log, TaskFailedError
from rehearsal.profiles import Profile
from rehearsal.storage.database import Bundle, Content, State
from tooling.environments import EnvironmentFailedError, Environments, check_python
from tooling.processes import AppDidNotStartError, AppProcess, connect_environment

LOG = logging.getLogger("rehearsal.hosting.hosting")
_SCHEDULED = [field.name for field in fields(Schedule)]
# Connect keeps as many as its setting Applications.BundleRetentionLimit says.
_KEPT_BUNDLES = 5


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
        self.schedule = schedule
        self._versions: dict[tuple[str, int], Version] = {}
        self._deploying: dict[str, asyncio.Lock] = {}
        self._reviving: dict[str, asyncio.Lock] = {}
        self._retiring: dict[asyncio.Task[None], Version] = {}
        self._resuming: set[asyncio.Task[None]] = set()

    def log_of(self, guid: str, bundle_id: int) -> Path:
        """What the processes of that version printed."""
        return self._logs / guid / f"{bundle_id}.log"

    def processes_of(self, content: Content) -> list[AppProcess]:
        """Those of the active version that run now."""
        version = self._versions.get((content.guid, content.bundle_id or 0))
        return version.processes if version else []

    def _schedule_of(self, content: Content, bundle_id: int) -> Schedule:
        own = {name: value for name in _SCHEDULED if (value := getattr(content, name)) is not None}
        schedule = replace(self.schedule, **own)
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
    async def process(self, guid: str, draft: int | None = None) -> AsyncIterator[AppProcess]:
        """A process for one request to that draft, or to the active version.

        Raises `AppDidNotStartError`, `EnvironmentFailedError`, and `LookupError` where there is none.
        """
        async with AsyncExitStack() as stack:
            while True:
                version = await self._version(guid, draft)
                try:
                    process = await stack.enter_async_context(version.process())
                except VersionClosedError:
                    continue  # It was replaced meanwhile, by one that is found now.
                break
            yield process

    async def _version(self, guid: str, draft: int | None) -> Version:
        """The version as it is now; made ready where it was deployed before we were started."""
        key = self._key(guid, draft)
        if key in self._versions:
            return self._versions[key]
        async with self._reviving.setdefault(guid, asyncio.Lock()):
            key = self._key(guid, draft)
            content, bundle = self._state.content(guid), self._state.bundle(*key)
            if content is None or bundle is None:
                raise LookupError("There is no such bundle.")
            if key not in self._versions:
                version = await self._new_version(content, bundle, LOG.debug)
                if key in self._versions or not self._is_current(key, draft):
                    # A deployment was faster. A closed version sends the caller here again.
                    await version.close(0)
                    return version
                self._versions[key] = version
            return self._versions[key]

    def _is_current(self, key: tuple[str, int], draft: int | None) -> bool:
        content = self._state.content(key[0])
        if content is None or self._state.bundle(*key) is None:
            return False
        return draft is not None or content.bundle_id == key[1]

    def _key(self, guid: str, draft: int | None) -> tuple[str, int]:
        content = self._state.content(guid)
        active = content.bundle_id if content else None
        if draft is None and active is None:
            raise LookupError("Nothing was deployed to this content yet.")
        return guid, (active or 0) if draft is None else draft

    async def deploy(self, guid: str, bundle_id: int, activate: bool, log: Log) -> None:
        """Build, launch and, if `activate`, switch to that bundle; until then what ran goes on.

        The launch is part of the task, so that an app that does not start fails it. Connect's own task
        seems to end before (an entry point that does not exist deploys there: third party).
        Raises `TaskFailedError`, `OSError`.
        """
        async with self._deploying.setdefault(guid, asyncio.Lock()):
            content, bundle = self._state.content(guid), self._state.bundle(guid, bundle_id)
            if content is None or bundle is None:
                raise TaskFailedError("The content was deleted meanwhile.")
            version = self._versions.get((guid, bundle_id))
            try:
                if version is None:
                    name = content.title or content.name
                    log(f"Building {name}, bundle {bundle_id}, in the rehearsal.")
                    log(f"The bundle was made with Python {bundle.python_version}.")
                    version = await self._new_version(content, bundle, log)
                    if not self._is_current((guid, bundle_id), draft=bundle_id):
                        await version.close(0)
                        raise TaskFailedError("The bundle was deleted meanwhile.")
                    log(f"Launching {bundle.entrypoint} under {self._profile.server}.")
                    self._retire([(guid, bundle_id)])
                    self._versions[guid, bundle_id] = version
                await self._check(version, log)
            except EnvironmentFailedError as error:
                raise TaskFailedError(str(error)) from None
            except OSError:
                self._retire([(guid, bundle_id)])
                if self._state.bundle(guid, bundle_id) is None:  # Its files went with it.
                    raise TaskFailedError("The bundle was deleted meanwhile.") from None
                raise
            except BaseException:
                self._retire([(guid, bundle_id)])
                raise
            if activate:
                self._activate(guid, bundle_id, version)
                log(f"Bundle {bundle_id} is active.")

    async def _check(self, version: Version, log: Log) -> None:
        try:
            async with version.process():
                log("It answers.")
        except AppDidNotStartError as error:
            for line in error.lines:
                log(line)
            last = error.lines[-1] if error.lines else error.sentence
            raise TaskFailedError(f"The app did not start: {last}") from None
        except VersionClosedError:
            raise TaskFailedError("The content was changed or deleted meanwhile.") from None

    def _activate(self, guid: str, bundle_id: int, version: Version) -> None:
        try:
            self._state.activate(guid, bundle_id)
        except LookupError:
            self.forget(guid, bundle_id)
            raise TaskFailedError("The bundle was deleted meanwhile.") from None
        content = self._state.content(guid)
        assert content is not None
        version.schedule = self._schedule_of(content, bundle_id)
        self._retire([key for key in self._keys(guid) if key[1] != bundle_id])
        for old in self._state.bundles(guid)[_KEPT_BUNDLES:]:
            if old.id != bundle_id:
                self._state.delete_bundle(guid, old.id)
        self._sweep()

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
        except OSError:
            if self._state.bundle(guid, bundle_id) is None:  # Its files went with it.
                raise TaskFailedError("The bundle was deleted meanwhile.") from None
            raise

    def _retire(self, keys: Sequence[tuple[str, int]]) -> None:
        """Drain and end these versions, where there are such, while new requests go elsewhere."""
        for version in [self._versions.pop(key) for key in keys if key in self._versions]:
            task = asyncio.create_task(version.close())
            self._retiring[task] = version
            task.add_done_callback(self._retired)

    def _retired(self, task: asyncio.Task[None]) -> None:
        del self._retiring[task]
        self._sweep()

    def _sweep(self) -> None:
        """Remove the files of deleted bundles, when no process that ends can still ask for them."""
        if not self._retiring:
            self._state.sweep()
            self._sweep_logs()

    def _sweep_logs(self) -> None:
        """Remove what versions printed that are not there any more."""
        for log in self._logs.glob("*/*.log"):
            bundle_id = int(log.stem) if log.stem.isdecimal() else 0
            if self._state.bundle(log.parent.name, bundle_id) is None:
                log.unlink(missing_ok=True)
        for folder in self._logs.glob("*/"):
            if self._state.content(folder.name) is None:
                with contextlib.suppress(OSError):  # Something else was put there.
                    folder.rmdir()

    def _keys(self, guid: str) -> list[tuple[str, int]]:
        return [key for key in self._versions if key[0] == guid]

    def forget(self, guid: str, bundle_id: int | None = None) -> None:
        """End what runs of the content, or only of that bundle; files that were deleted go afterwards."""
        self._retire(self._keys(guid) if bundle_id is None else [(guid, bundle_id)])
        self._sweep()

    def restart(self, guid: str) -> None:
        """Run the content anew, as what changed for it says.

        What runs takes no new requests from here on: they wait for a process that has the change.
        """
        self.forget(guid)
        task = asyncio.create_task(self._resume(guid))
        self._resuming.add(task)
        task.add_done_callback(self._resuming.discard)

    async def resume(self) -> None:
        """Start what was active when we were stopped."""
        for content in self._state.contents():
            await self._resume(content.guid)

    async def _resume(self, guid: str) -> None:
        """A version that fails is left to its requests, which say why."""
        try:
            await self._version(guid, None)
        except LookupError:
            return
        except (EnvironmentFailedError, OSError) as error:
            LOG.warning("Content %s does not run: %s", guid, error)

    async def close(self) -> None:
        """End every process, without waiting for requests."""
        for resuming in self._resuming:
            resuming.cancel()
        await asyncio.gather(*self._resuming, return_exceptions=True)
        versions = [*self._versions.values(), *self._retiring.values()]
        self._versions.clear()
        await asyncio.gather(*(version.close(0) for version in versions))
        if self._retiring:
            await asyncio.wait(self._retiring, timeout=1)

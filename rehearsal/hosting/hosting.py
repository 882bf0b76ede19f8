"""Hosting of bundles: makes their environments, starts their processes and activates them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

from rehearsal.hosting.pages import Pages
from rehearsal.hosting.process import BundleClosedError, BundleProcesses
from rehearsal.hosting.tasks import TaskFailedError
from rehearsal.profiles import Profile
from rehearsal.storage.database import Bundle, Content, State
from rehearsal.storage.manifest import STATIC
from tooling.environments import EnvironmentFailedError, Environments, Log, check_python
from tooling.processes import AppDidNotStartError, AppProcess, connect_variables

LOG = logging.getLogger("rehearsal.hosting")
_RUNTIME = Path(__file__).with_name("runtime.py")
# Connect has this as its setting Applications.BundleRetentionLimit. Here older bundles only use
# disk space: nothing leads back to them.
_KEPT_BUNDLES = 5


class BundleKey(NamedTuple):
    """A bundle of a content item, active or draft."""

    guid: str
    bundle_id: int


class Hosting:
    """The bundles that are served. `url` is the rehearsal's own address, without a final slash."""

    def __init__(
        self, state: State, environments: Environments, logs: Path, profile: Profile, url: str
    ) -> None:
        self._state = state
        self._environments = environments
        self._logs = logs
        self._profile = profile
        self._url = url
        self._served: dict[BundleKey, BundleProcesses] = {}
        self._deploying: dict[str, asyncio.Lock] = {}
        self._serving: dict[str, asyncio.Lock] = {}
        self._draining: dict[asyncio.Task[None], BundleProcesses] = {}
        self._restarting: set[asyncio.Task[None]] = set()

    def log_of(self, guid: str, bundle_id: int) -> Path:
        """Returns the log file of the processes of that bundle."""
        return self._logs / guid / f"{bundle_id}.log"

    def process_of(self, content: Content) -> AppProcess | None:
        """Returns the process of the active bundle, `None` if it does not run."""
        served = self._served.get(BundleKey(content.guid, content.bundle_id or 0))
        return served.running() if served else None

    async def _serve(self, bundle: Bundle, log: Log) -> BundleProcesses:
        """Makes the bundle's environment and returns its `BundleProcesses`.

        Raises `EnvironmentFailedError`, `OSError`.
        """
        python = await self._make_environment(bundle, log)
        guid, directory = bundle.content_guid, self._state.directory_of(bundle.id)
        variables = connect_variables(self._url, guid, self._state.variables(guid))
        variables["PATH"] = f"{python.parent}:{variables['PATH']}"
        profile = ("--shape", self._profile.shape, "--server", self._profile.server)

        def launch() -> AppProcess:
            return AppProcess(
                bundle.entrypoint,
                (str(python), str(_RUNTIME), *profile, "--fd", "{fd}"),
                log=self.log_of(guid, bundle.id),
                variables=variables,
                directory=directory,
                append=True,
            )

        return BundleProcesses(launch, self._profile.processes)

    async def _make_environment(self, bundle: Bundle, log: Log) -> Path:
        check_python(bundle.python_requires)
        directory = self._state.directory_of(bundle.id)
        return await self._environments.provide(
            directory, bundle.requirements, self._profile.server, log
        )

    def pages(self, guid: str, draft: int | None = None) -> Pages | None:
        """Returns the static content of that draft or of the active bundle; `None` for an app.

        Raises `LookupError` if there is no such bundle.
        """
        bundle = self._state.bundle(*self._key(guid, draft))
        if bundle is None:
            raise LookupError("There is no such bundle.")
        if bundle.app_mode != STATIC:
            return None
        return Pages(self._state.directory_of(bundle.id), bundle.entrypoint)

    @asynccontextmanager
    async def process(
        self, guid: str, draft: int | None = None, wanted: int | None = None
    ) -> AsyncIterator[tuple[int, AppProcess]]:
        """Yields a process for one request to that draft, or to the active bundle, and its number.

        `wanted` is the number of the process that the request should go to.

        Raises `AppDidNotStartError`, `EnvironmentFailedError`, and `LookupError` if there is no
        such bundle.
        """
        async with AsyncExitStack() as stack:
            while True:
                served = await self._get_or_serve(guid, draft)
                try:
                    numbered = await stack.enter_async_context(served.process(wanted))
                except BundleClosedError:
                    continue  # Another bundle was activated meanwhile; the next pass finds it.
                break
            yield numbered

    async def _get_or_serve(self, guid: str, draft: int | None) -> BundleProcesses:
        """Returns the served bundle; serves one that was deployed before the rehearsal started."""
        key = self._key(guid, draft)
        if key in self._served:
            return self._served[key]
        async with self._serving.setdefault(guid, asyncio.Lock()):
            key = self._key(guid, draft)
            bundle = self._state.bundle(*key)
            if bundle is None:
                raise LookupError("There is no such bundle.")
            if key not in self._served:
                served = await self._serve(bundle, LOG.debug)
                if key in self._served or not self._is_current(key, draft):
                    # A deployment was faster. The caller finds the bundle closed and calls again.
                    await served.close(0)
                    return served
                self._served[key] = served
            return self._served[key]

    def _is_current(self, key: BundleKey, draft: int | None) -> bool:
        content = self._state.content(key.guid)
        if content is None or self._state.bundle(*key) is None:
            return False
        return draft is not None or content.bundle_id == key.bundle_id

    def _key(self, guid: str, draft: int | None) -> BundleKey:
        if draft is not None:
            return BundleKey(guid, draft)
        content = self._state.content(guid)
        if content is None or content.bundle_id is None:
            raise LookupError("Nothing was deployed to this content yet.")
        return BundleKey(guid, content.bundle_id)

    async def deploy(self, key: BundleKey, activate: bool, log: Log) -> None:
        """Makes the environment, starts the app and, if `activate`, activates that bundle.

        The previously active bundle is served until then. The task includes the start, so that it
        fails if the app does not start. Connect's own task seems to end before the start: an entry
        point that does not exist deploys there (third party). Raises `TaskFailedError`, `OSError`.
        """
        async with self._deploying.setdefault(key.guid, asyncio.Lock()):
            try:
                with self._task_failures(key):
                    await self._start(key, log)
                if activate:
                    self._activate(key)
                    log(f"Bundle {key.bundle_id} is active.")
            except BaseException:
                self._drain([key])
                raise
            self._drain_others(key)

    async def _start(self, key: BundleKey, log: Log) -> None:
        bundle = self._bundle(key)
        if bundle.app_mode == STATIC:
            log(f"Bundle {key.bundle_id} is static content: no environment, no process.")
            return
        served = self._served.get(key)
        if served is None:
            log(f"Building bundle {key.bundle_id} in the rehearsal.")
            log(f"The bundle was made with Python {bundle.python_version}.")
            served = await self._serve(bundle, log)
            if self._state.bundle(*key) is None:
                await served.close(0)
                raise TaskFailedError("The bundle was deleted meanwhile.")
            log(f"Launching {bundle.entrypoint} under {self._profile.server}.")
            self._drain([key])
            self._served[key] = served
        try:
            async with served.process():
                log("The app answers.")
        except AppDidNotStartError as error:
            for line in error.lines:
                log(line)
            last = error.lines[-1] if error.lines else error.sentence
            raise TaskFailedError(f"The app did not start: {last}") from None

    def _bundle(self, key: BundleKey) -> Bundle:
        bundle = self._state.bundle(*key)
        if bundle is None:
            raise TaskFailedError("The bundle was deleted meanwhile.")
        return bundle

    @contextmanager
    def _task_failures(self, key: BundleKey) -> Iterator[None]:
        try:
            yield
        except EnvironmentFailedError as error:
            raise TaskFailedError(str(error)) from None
        except BundleClosedError:
            raise TaskFailedError("The content was changed or deleted meanwhile.") from None
        except OSError:
            self._bundle(key)  # Raises if the bundle was deleted, and with it its files.
            raise

    def _activate(self, key: BundleKey) -> None:
        try:
            self._state.activate(*key)
        except LookupError:
            raise TaskFailedError("The bundle was deleted meanwhile.") from None
        for old in self._state.bundles(key.guid)[_KEPT_BUNDLES:]:
            if old.id != key.bundle_id:
                self._state.delete_bundle(key.guid, old.id)

    async def build(self, key: BundleKey, log: Log) -> None:
        """Makes the environment without starting the app. Raises `TaskFailedError`, `OSError`."""
        with self._task_failures(key):
            if (bundle := self._bundle(key)).app_mode != STATIC:
                await self._make_environment(bundle, log)

    def _drain(self, keys: Iterable[BundleKey]) -> None:
        """Stops the processes of these bundles after their requests. New requests start others."""
        for served in [self._served.pop(key) for key in keys if key in self._served]:
            task = asyncio.create_task(served.close())
            self._draining[task] = served
            task.add_done_callback(self._drained)

    def _drained(self, task: asyncio.Task[None]) -> None:
        del self._draining[task]
        self._delete_unused_files()

    def _drain_others(self, key: BundleKey) -> None:
        """Drains the content's bundles except this one and the active one."""
        content = self._state.content(key.guid)
        kept = (key.bundle_id, content.bundle_id if content else None)
        self._drain([k for k in self._served if k.guid == key.guid and k.bundle_id not in kept])
        self._delete_unused_files()

    def _delete_unused_files(self) -> None:
        """Deletes files and logs of deleted bundles, unless a process is still draining."""
        if self._draining:
            return
        self._state.delete_unused_files()
        for log in self._logs.glob("*/*.log"):
            bundle_id = int(log.stem) if log.stem.isdecimal() else 0
            if self._state.bundle(log.parent.name, bundle_id) is None:
                log.unlink(missing_ok=True)
        for folder in self._logs.glob("*/"):
            if self._state.content(folder.name) is None:
                with contextlib.suppress(OSError):  # It contains other files.
                    folder.rmdir()

    def stop(self, guid: str) -> None:
        """Stops the processes of the content, and then deletes the files of deleted bundles."""
        self._drain([key for key in self._served if key.guid == guid])
        self._delete_unused_files()

    def restart(self, guid: str) -> None:
        """Restarts the active bundle with changed variables. New requests wait for it."""
        self.stop(guid)
        task = asyncio.create_task(self._start_active(guid))
        self._restarting.add(task)
        task.add_done_callback(self._restarting.discard)

    async def start_active(self) -> None:
        """Starts the active bundles of all content."""
        for content in self._state.contents():
            await self._start_active(content.guid)

    async def _start_active(self, guid: str) -> None:
        """Starts the active bundle. Logs failures; the next request retries and reports them."""
        try:
            if self.pages(guid) is None:
                await self._get_or_serve(guid, None)
        except LookupError:
            return
        except (EnvironmentFailedError, OSError) as error:
            LOG.warning("Content %s does not run: %s", guid, error)

    async def close(self) -> None:
        """Stops every process without waiting for requests."""
        for restarting in self._restarting:
            restarting.cancel()
        await asyncio.gather(*self._restarting, return_exceptions=True)
        ending = [*self._served.values(), *self._draining.values()]
        self._served.clear()
        await asyncio.gather(*(served.close(0) for served in ending))
        if self._draining:
            await asyncio.wait(self._draining, timeout=1)

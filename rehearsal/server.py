"""The rehearsal as one ASGI application: the gateway, and behind it content, deploy API and dashboard."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rehearsal.access import (
    SESSION_COOKIE,
    WrongKeyError,
    api_key_of,
    may_publish,
    may_view,
    user_by_cookie,
    user_by_key,
)
from rehearsal.api import Api, api_problem
from rehearsal.dashboard import Dashboard
from rehearsal.hosting.hosting import Hosting
from rehearsal.hosting.pool import DEFAULT_SCHEDULE, Schedule
from rehearsal.hosting.runtime import MOUNT_HEADER
from rehearsal.hosting.tasks import Tasks
from rehearsal.profiles import DEFAULT_PROFILE, Profile
from rehearsal.proxy.gateway import Gateway, Refusal, Route, is_under
from rehearsal.proxy.headers import Credentials
from rehearsal.storage.database import Content, State, User
from rehearsal.storage.unpack import DEFAULT_LIMITS, Limits
from tooling.environments import EnvironmentFailedError, Environments
from tooling.processes import AppDidNotStartError

LOG = logging.getLogger("rehearsal.server")
_CONTENT = re.compile(rb"(/content/([0-9a-f-]{36})(?:/_bundle([0-9]{1,15}))?)(?=/|$)")


@dataclass(frozen=True)
class Settings:
    """How a rehearsal behaves.

    - `directory`: where its state lives.
    - `url`: its own address, without a final slash, as apps find it in `CONNECT_SERVER`.
    - `version`: the Connect version that it says it is, on which clients make features depend.
    """

    directory: Path
    url: str
    profile: Profile = DEFAULT_PROFILE
    version: str = "2026.07.0"
    schedule: Schedule = DEFAULT_SCHEDULE
    limits: Limits = DEFAULT_LIMITS
    response_seconds: float = 60.0
    environments: Path | None = None
    """Where Python environments are kept, by default in `directory`; several rehearsals may share it."""
    resume: bool = True
    """Whether what was active before is started at once, or when it is first asked for."""


class Rehearsal:
    """ASGI application. Processes start and end with its lifespan; the caller closes the state."""

    def __init__(self, settings: Settings, state: State) -> None:
        self.state = state
        self.settings = settings
        self._gateway: Gateway | None = None
        self._hosting: Hosting | None = None

    @property
    def hosting(self) -> Hosting:
        """What runs; there from the start of the lifespan on."""
        assert self._hosting is not None
        return self._hosting

    @property
    def publisher(self) -> User:
        """The user who owns what is deployed with the printed key."""
        return next(user for user in self.state.users() if user.role == "publisher")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._gateway is None:
            self._gateway = self._assemble()
        await self._gateway(scope, receive, send)

    def _assemble(self) -> Gateway:
        settings = self.settings
        hosting = self._hosting = Hosting(
            self.state,
            Environments(settings.environments or settings.directory / "environments"),
            settings.directory / "logs",
            settings.profile,
            settings.url,
            settings.schedule,
        )
        tasks = Tasks()
        api = Api(self.state, hosting, tasks, settings.version, settings.limits)
        dashboard = Dashboard(self.state, hosting, settings.profile)

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            resuming = asyncio.create_task(hosting.resume()) if settings.resume else None
            try:
                yield
            finally:
                if resuming:
                    resuming.cancel()
                    await asyncio.gather(resuming, return_exceptions=True)
                await tasks.close()
                await hosting.close()

        async def refusal(request: Request, error: Exception) -> Response:
            assert isinstance(error, HTTPException)
            if request.url.path.startswith("/__api__"):
                return await api_problem(request, error)
            return await dashboard.problem(request, error)

        fallback = Starlette(
            routes=[*api.routes(), *dashboard.routes()],
            exception_handlers={HTTPException: refusal},
            lifespan=lifespan,
        )
        return Gateway(self.resolve, fallback, response_seconds=settings.response_seconds)

    @asynccontextmanager
    async def resolve(self, scope: Scope) -> AsyncIterator[Route | None]:
        """Where a request for content goes. Raises `Refusal`.

        That an app reached through a draft's or a vanity path is told that very path as its mount is
        inferred: only the content's own path was seen on live servers.
        """
        found = self._find(scope["raw_path"])
        if found is None:
            yield None
            return
        prefix, content, bundle_id = found
        user = self._user(scope)
        self._check_access(user, content, is_draft=bundle_id is not None)
        try:
            async with self.hosting.process(content.guid, bundle_id) as process:
                yield self._route(scope, prefix, process.port, user)
        except LookupError as error:
            raise Refusal(404, str(error)) from None
        except AppDidNotStartError as error:
            LOG.warning("%s: %s", content.name, error)
            raise Refusal(502, f"The app did not start: see its log ({error.sentence})") from None
        except EnvironmentFailedError as error:
            raise Refusal(502, str(error)) from None

    def _find(self, raw_path: bytes) -> tuple[str, Content, int | None] | None:
        """The prefix, content and draft that a path leads to."""
        if match := _CONTENT.match(raw_path):
            content = self.state.content(match[2].decode())
            if content is None:
                return None
            return match[1].decode(), content, int(match[3]) if match[3] else None
        fitting = [
            (content.vanity, content)
            for content in self.state.contents()
            if content.vanity and is_under(raw_path, content.vanity)
        ]
        if not fitting:
            return None
        return *max(fitting, key=lambda pair: len(pair[0])), None

    def _user(self, scope: Scope) -> User | None:
        try:
            return user_by_key(self.state, scope) or user_by_cookie(self.state, scope)
        except WrongKeyError:
            raise Refusal(401, "The API key is not valid.") from None

    def _check_access(self, user: User | None, content: Content, *, is_draft: bool) -> None:
        if is_draft:
            allowed = user is not None and may_publish(self.state, user, content)
        else:
            allowed = may_view(self.state, user, content)
        if allowed:
            return
        if user is None:
            raise Refusal(401, "This content is not for anonymous visitors.")
        raise Refusal(403, "This user may not see this content.")

    def _route(self, scope: Scope, prefix: str, port: int, user: User | None) -> Route:
        profile = self.settings.profile
        return Route(
            prefix=prefix,
            port=port,
            forwarded=profile.forwarded,
            external_host=profile.external_host,
            credentials=Credentials(user.username) if user else None,
            # Whether Connect hands the key on is unknown; an app that needs it would notice here.
            drop=frozenset({b"authorization"}) if api_key_of(scope) is not None else frozenset(),
            drop_cookies=frozenset({SESSION_COOKIE.encode()}),
            add=((MOUNT_HEADER, prefix.encode()),),
        )

"""The rehearsal as one ASGI application: the gateway, content, deploy API, dashboard and site."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from rehearsal.access import check_request
from rehearsal.api import create_api
from rehearsal.api.endpoint import Services
from rehearsal.dashboard import Dashboard
from rehearsal.hosting.hosting import Hosting
from rehearsal.hosting.tasks import Tasks
from rehearsal.profiles import DEFAULT_PROFILE, Profile
from rehearsal.proxy.gateway import Gateway
from rehearsal.proxy.problems import refuse
from rehearsal.routing import Routing
from rehearsal.site import Site, to_dashboard
from rehearsal.storage.database import State, User
from rehearsal.storage.unpack import DEFAULT_LIMITS, Limits
from tooling.environments import Environments
from tooling.frameworks import Framework


@dataclass(frozen=True)
class Settings:
    """The settings of a rehearsal."""

    directory: Path
    """The directory with its state."""
    url: str
    """Its own address, without a final slash. Apps receive it in `CONNECT_SERVER`."""
    profile: Profile = DEFAULT_PROFILE
    version: str = "2026.07.0"
    """The Connect version that it reports. Clients choose their features by it."""
    limits: Limits = DEFAULT_LIMITS
    environments: Path | None = None
    """The directory with Python environments, by default in `directory`; it may be shared."""
    site: Path | None = None
    """A directory of static files for `/`. Without it, `/` leads to the dashboard."""
    start_active: bool = True
    """Whether active bundles are started at once, or at their first request."""
    allowed_hosts: frozenset[str] = frozenset()
    """Names, in lower case, under which a proxy passes requests on, beside the host of `url`."""
    frameworks: Sequence[Framework] = ()
    """The apps that the dashboard describes, whether or not they are deployed."""


class Rehearsal:
    """ASGI application. Its lifespan starts and stops processes; the caller closes the state."""

    def __init__(self, settings: Settings, state: State) -> None:
        self.settings = settings
        self.state = state
        self.hosting = Hosting(
            state,
            Environments(settings.environments or settings.directory / "environments"),
            settings.directory / "logs",
            settings.profile,
            settings.url,
        )
        self._own_hosts = settings.allowed_hosts | {urlsplit(settings.url).hostname or ""}
        self._tasks = Tasks()
        api = create_api(
            Services(state, self.hosting, self._tasks, settings.version, settings.limits)
        )
        dashboard = Dashboard(
            state,
            self.hosting,
            settings.profile,
            settings.frameworks,
            settings.site is not None,
        )
        pages = Starlette(
            routes=[
                Mount("/__api__", api),
                *dashboard.routes(),
                Route("/{path:path}", Site(settings.site))
                if settings.site
                else Route("/", to_dashboard),
            ],
            exception_handlers={HTTPException: dashboard.on_http_error},
            lifespan=self._lifespan,
        )
        self._gateway = Gateway(Routing(state, self.hosting, settings.profile).resolve, pages)

    @property
    def publisher(self) -> User:
        """The user who owns the content that is deployed with the printed key."""
        return next(user for user in self.state.users() if user.role == "publisher")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["type"] != "lifespan":
                check_request(scope, self._own_hosts)
        except HTTPException as error:
            await refuse(error, scope, receive, send)
        else:
            await self._gateway(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        starting = (
            asyncio.create_task(self.hosting.start_active()) if self.settings.start_active else None
        )
        try:
            yield
        finally:
            if starting:
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
            await self._tasks.close()
            await self.hosting.close()

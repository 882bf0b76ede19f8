"""The gateway: sends what comes under a path prefix to the app behind it, as a Connect server would.

It is one ASGI application. What it does not know itself, it asks: `resolve` says for each request where
it goes, so that the table of a test and the content of a whole rehearsal use the same gateway.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rehearsal.proxy.connection import UpstreamRefusedError, UpstreamSlowError
from rehearsal.proxy.headers import Credentials, for_client, for_upstream, target_of
from rehearsal.proxy.http import proxy_http
from rehearsal.proxy.problems import Problem, refuse
from rehearsal.proxy.websocket import HANDSHAKE_HEADERS, proxy_websocket


@dataclass(frozen=True)
class Route:
    """One app process behind one path prefix, and what it is told about that."""

    prefix: str
    """As in `/content/7b1e...`: begins with a slash, ends without one."""
    port: int
    """Where the app listens on 127.0.0.1."""
    strip_prefix: bool = True
    """Whether the request target sent on begins after the prefix."""
    base_url: bool = True
    """Whether `RStudio-Connect-App-Base-URL` is sent."""
    forwarded: bool = True
    """Whether `X-Forwarded-For`, `-Proto` and `-Host` are sent."""
    credentials: Credentials | None = None
    """The signed-in user; `None` is an anonymous visitor, for whom no header is sent."""
    external_host: bool = True
    """Whether the app sees the client's Host header, or its own address."""
    drop: frozenset[bytes] = frozenset()
    """Lower-case names of further request headers that are not for the app."""
    drop_cookies: frozenset[bytes] = frozenset()
    """Names of cookies that are not for the app."""
    add: tuple[tuple[bytes, bytes], ...] = ()
    """Further request headers for the app."""


class Refusal(Exception):
    """Raised while resolving: the request gets this answer instead of an app's."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(status, detail)


Resolve = Callable[[Scope], AbstractAsyncContextManager[Route | None]]
"""Where does this request go? Entered before it is sent on, left when its answer has ended; `None` means
that no app has the path. May raise `Refusal`."""


def is_under(raw_path: bytes, prefix: str) -> bool:
    """Whether this path is the prefix or below it, by its bytes: `/%66oo` is not under `/foo`."""
    mount = prefix.encode()
    return raw_path == mount or raw_path.startswith(mount + b"/")


@dataclass
class RoutingTable:
    """Routes that may change while requests run; the longest prefix that fits wins."""

    routes: dict[str, Route] = field(default_factory=dict)

    @classmethod
    def of(cls, *routes: Route) -> "RoutingTable":
        return cls({route.prefix: route for route in routes})

    def put(self, route: Route) -> None:
        self.routes[route.prefix] = route

    def remove(self, prefix: str) -> None:
        self.routes.pop(prefix, None)

    @asynccontextmanager
    async def resolve(self, scope: Scope) -> AsyncIterator[Route | None]:
        fitting = [prefix for prefix in self.routes if is_under(scope["raw_path"], prefix)]
        yield self.routes[max(fitting, key=len)] if fitting else None


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer where nothing is mounted; an application without lifespan."""
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await refuse(Problem(404, "Nothing is mounted at this path."), scope, receive, send)


class Gateway:
    """ASGI application. Requests that no app has go to `fallback`, lifespan events too.

    `response_seconds` is how long an app may take from the end of a request to the head of its answer.
    """

    def __init__(
        self, resolve: Resolve, fallback: ASGIApp = not_found, *, response_seconds: float = 60.0
    ) -> None:
        self._resolve = resolve
        self._fallback = fallback
        self._response_seconds = response_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._fallback(scope, receive, send)
            return
        try:
            async with self._resolve(scope) as route:
                if route is None:
                    await self._fallback(scope, receive, send)
                elif scope.get("method") in ("GET", "HEAD") and _is_bare(route, scope):
                    await _with_slash(scope)(scope, receive, send)
                else:
                    await self._proxy(route, scope, receive, send)
        except Refusal as refusal:
            await refuse(refusal.problem, scope, receive, send)
        except UpstreamRefusedError:
            detail = "The app behind this path does not take requests: see its log."
            await refuse(Problem(502, detail), scope, receive, send)
        except UpstreamSlowError:
            detail = f"The app behind this path did not answer within {self._response_seconds:g} s."
            await refuse(Problem(504, detail), scope, receive, send)

    async def _proxy(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        proxy = proxy_http
        drop = route.drop
        if scope["type"] == "websocket":
            proxy = proxy_websocket
            drop |= HANDSHAKE_HEADERS
        target = target_of(scope)
        if route.strip_prefix:
            target = target[len(route.prefix.encode()) :]
            if not target.startswith(b"/"):
                # The bare prefix: a request target cannot be empty (RFC 9112, 3.2.1).
                target = b"/" + target
        headers = for_upstream(
            scope,
            route.prefix,
            route.credentials,
            base_url=route.base_url,
            forwarded=route.forwarded,
            drop=drop,
            drop_cookies=route.drop_cookies,
        )
        host = dict(scope["headers"]).get(b"host") if route.external_host else None
        await proxy(
            scope,
            receive,
            send,
            port=route.port,
            target=target,
            host=host or f"127.0.0.1:{route.port}".encode(),
            headers=[*headers, *route.add],
            rewrite=partial(for_client, prefix=route.prefix),
            response_seconds=self._response_seconds,
        )


def _is_bare(route: Route, scope: Scope) -> bool:
    """Whether the prefix alone is asked for: relative links on the page there would lead one level up."""
    raw_path: bytes = scope["raw_path"]
    return raw_path == route.prefix.encode()


def _with_slash(scope: Scope) -> Response:
    """A redirect to the same address with a final slash, as a relative reference (RFC 9110, 10.2.2).

    So it also holds behind a further proxy that takes a prefix off. That Connect redirects is inferred.
    """
    path, _, query = target_of(scope).decode("ascii").partition("?")
    location = path.rpartition("/")[2] + "/" + ("?" + query if query else "")
    return Response(status_code=307, headers={"Location": location})

"""The gateway: sends requests below a path prefix to the app behind it, as a Connect server does.

It is one ASGI application. The function `resolve` says for each request where it goes.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rehearsal.proxy.connection import UpstreamRefusedError, UpstreamSlowError
from rehearsal.proxy.headers import Credentials, Forward, for_client, for_upstream, target_of
from rehearsal.proxy.http import proxy_http
from rehearsal.proxy.problems import Problem, refuse
from rehearsal.proxy.websocket import HANDSHAKE_HEADERS, proxy_websocket


@dataclass(frozen=True)
class Upstream:
    """One app process behind one path prefix, and what it is told about that."""

    prefix: str
    """As in `/content/7b1e...`: begins with a slash, ends without one."""
    port: int
    """Where the app listens on 127.0.0.1."""
    strip_prefix: bool = True
    """Whether the request target that is sent on begins after the prefix."""
    base_url: bool = True
    """Whether `RStudio-Connect-App-Base-URL` is sent."""
    forwarded: bool = True
    """Whether `X-Forwarded-For`, `-Proto` and `-Host` are sent."""
    credentials: Credentials | None = None
    """The signed-in user; for `None`, an anonymous visitor, no header is sent."""
    external_host: bool = True
    """Whether the app sees the client's Host header, or its own address."""
    drop: frozenset[bytes] = frozenset()
    """Lower-case names of further request headers that are not sent on."""
    drop_cookies: frozenset[bytes] = frozenset()
    """Names of cookies that are not sent on."""
    add: tuple[tuple[bytes, bytes], ...] = ()
    """Further request headers for the app."""


class Refusal(Exception):
    """Raised while resolving: the request gets this answer instead of an app's."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(status, detail)


Resolve = Callable[[Scope], AbstractAsyncContextManager[Upstream | None]]
"""Where a request goes. The context is entered before the request is sent on and left at the end of its
answer. `None` means that no app has the path. May raise `Refusal`."""


def is_under(raw_path: bytes, prefix: str) -> bool:
    """Whether this path is the prefix or below it, by its bytes: `/%66oo` is not under `/foo`."""
    mount = prefix.encode()
    return raw_path == mount or raw_path.startswith(mount + b"/")


class Gateway:
    """ASGI application. Requests for no app, and lifespan events, go to `fallback`.

    `response_seconds` is how long an app may take from the end of a request to the head of its answer.
    """

    def __init__(
        self, resolve: Resolve, fallback: ASGIApp, *, response_seconds: float = 60.0
    ) -> None:
        self._resolve = resolve
        self._fallback = fallback
        self._response_seconds = response_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._fallback(scope, receive, send)
            return
        try:
            async with self._resolve(scope) as upstream:
                if upstream is None:
                    await self._fallback(scope, receive, send)
                elif scope.get("method") in ("GET", "HEAD") and _is_bare(upstream, scope):
                    await _with_slash(scope)(scope, receive, send)
                else:
                    await self._proxy(upstream, scope, receive, send)
        except Refusal as refusal:
            await refuse(refusal.problem, scope, receive, send)
        except UpstreamRefusedError:
            detail = "The app behind this path does not take requests: see its log."
            await refuse(Problem(502, detail), scope, receive, send)
        except UpstreamSlowError:
            detail = f"The app behind this path did not answer within {self._response_seconds:g} s."
            await refuse(Problem(504, detail), scope, receive, send)

    async def _proxy(self, upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        is_websocket = scope["type"] == "websocket"
        target = target_of(scope)
        if upstream.strip_prefix:
            target = target[len(upstream.prefix.encode()) :]
            if not target.startswith(b"/"):
                # The bare prefix: a request target cannot be empty (RFC 9112, 3.2.1).
                target = b"/" + target
        headers = for_upstream(
            scope,
            upstream.prefix,
            upstream.credentials,
            base_url=upstream.base_url,
            forwarded=upstream.forwarded,
            drop=upstream.drop | (HANDSHAKE_HEADERS if is_websocket else frozenset()),
            drop_cookies=upstream.drop_cookies,
        )
        host = dict(scope["headers"]).get(b"host") if upstream.external_host else None
        forward = Forward(
            port=upstream.port,
            target=target,
            host=host or f"127.0.0.1:{upstream.port}".encode(),
            headers=[*headers, *upstream.add],
            rewrite=partial(for_client, prefix=upstream.prefix),
            response_seconds=self._response_seconds,
        )
        await (proxy_websocket if is_websocket else proxy_http)(forward, scope, receive, send)


def _is_bare(upstream: Upstream, scope: Scope) -> bool:
    """Whether the path is the prefix alone: relative links on the page there lead one level up."""
    raw_path: bytes = scope["raw_path"]
    return raw_path == upstream.prefix.encode()


def _with_slash(scope: Scope) -> Response:
    """A redirect to the same address with a final slash, as a relative reference (RFC 9110, 10.2.2).

    So it also holds behind a further proxy that takes a prefix off. That Connect redirects is inferred.
    """
    path, _, query = target_of(scope).decode("ascii").partition("?")
    location = path.rpartition("/")[2] + "/" + ("?" + query if query else "")
    return Response(status_code=307, headers={"Location": location})

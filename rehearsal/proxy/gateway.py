"""The gateway: forwards requests below a path prefix to an app, as a Connect server does.

It is one ASGI application. The function `resolve` finds the app for each request.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rehearsal.proxy.connection import UpstreamRefusedError, UpstreamSlowError
from rehearsal.proxy.headers import Forward, for_client, for_upstream, target_of
from rehearsal.proxy.http import proxy_http
from rehearsal.proxy.problems import refuse
from rehearsal.proxy.upstream import Local, Upstream
from rehearsal.proxy.websocket import HANDSHAKE_HEADERS, proxy_websocket

Resolve = Callable[[Scope], AbstractAsyncContextManager[Upstream | Local | None]]
"""Finds the content for a request, `None` if none has the path. May raise `HTTPException`.

The context is entered before the request is forwarded and exited at the end of the response.
"""


class Gateway:
    """ASGI application. Passes lifespan events, and requests for no app, to `fallback`.

    `response_seconds` is the time limit from the end of a request to the head of the response.
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
                elif scope.get("method") in ("GET", "HEAD") and _lacks_slash(upstream, scope):
                    await _with_slash(scope)(scope, receive, send)
                elif isinstance(upstream, Local):
                    await upstream.app({**scope, "root_path": upstream.prefix}, receive, send)
                else:
                    await self._proxy(upstream, scope, receive, send)
        except HTTPException as error:
            await refuse(error, scope, receive, send)
        except UpstreamRefusedError:
            detail = "The app behind this path does not accept requests: see its log."
            await refuse(HTTPException(502, detail), scope, receive, send)
        except UpstreamSlowError:
            detail = f"The app behind this path did not answer within {self._response_seconds:g} s."
            await refuse(HTTPException(504, detail), scope, receive, send)

    async def _proxy(self, upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        is_websocket = scope["type"] == "websocket"
        target = target_of(scope)
        if upstream.strip_prefix:
            target = target[len(upstream.prefix.encode()) :]
            if not target.startswith(b"/"):
                # The bare prefix: a request target cannot be empty (RFC 9112, 3.2.1).
                target = b"/" + target
        drop = HANDSHAKE_HEADERS if is_websocket else frozenset()
        host = dict(scope["headers"]).get(b"host") if upstream.external_host else None
        forward = Forward(
            port=upstream.port,
            target=target,
            host=host or f"127.0.0.1:{upstream.port}".encode(),
            headers=for_upstream(scope, upstream, drop),
            rewrite=partial(for_client, prefix=upstream.prefix, cookie=upstream.cookie),
            response_seconds=self._response_seconds,
        )
        await (proxy_websocket if is_websocket else proxy_http)(forward, scope, receive, send)


def _lacks_slash(upstream: Upstream | Local, scope: Scope) -> bool:
    """Returns whether the path is the prefix alone, where relative links lead one level up."""
    raw_path: bytes = scope["raw_path"]
    return raw_path == upstream.prefix.encode()


def _with_slash(scope: Scope) -> Response:
    """Returns a redirect to the final slash, as a relative reference (RFC 9110, 10.2.2).

    A relative reference also works behind a further proxy that removes a prefix. That Connect
    redirects is inferred.
    """
    path, _, query = target_of(scope).decode("ascii").partition("?")
    location = path.rpartition("/")[2] + "/" + ("?" + query if query else "")
    return Response(status_code=307, headers={"Location": location})

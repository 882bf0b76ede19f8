"""What every application does so that one visitor's data do not reach another's browser."""

from collections.abc import Collection
from operator import itemgetter

from shared.asgi import ASGIApp, Message, Receive, Scope, Send
from shared.connect import BASE_URL, CREDENTIALS, ROUTE
from shared.problems import Problem, send_problem

_BASE_URL = BASE_URL.lower().encode()
_CREDENTIALS = CREDENTIALS.lower().encode()

_NOSNIFF = (b"x-content-type-options", b"nosniff")
# RFC 9111 section 5.2.2.4: a cache asks again before each use. A page depends on the base URL, and
# a greeting may change at any time.
_REVALIDATE = ((b"cache-control", b"no-cache"), (b"vary", _BASE_URL))
# ASGI specification, HTTP connection scope.
_VERSIONS = frozenset({"1.0", "1.1", "2", "3"})
_DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}

_name = itemgetter(0)


class Security:
    """ASGI middleware: headers of every response, and the address and origin of every websocket.

    - A response has `X-Content-Type-Options: nosniff` (Fetch standard, section 3.6). If the
      application sets no `Cache-Control`, it is `no-cache`.
    - A websocket handshake from a page of another origin is refused with 403 (RFC 6455 section
      10.2), because browsers send it with the visitor's cookies.
    - A path that does not begin with one slash is refused with 404. Frameworks take two for one, or
      answer `//` with 500, and take `*` for the index page.
    - A request that frameworks answer with 500, or read in different ways, is refused with 400: one
      of an HTTP version that ASGI does not name, and one with a `#`, which no target has (RFC 9112
      section 3.2). Servers pass both on.
    - A handshake for any other address than `websockets` is refused with 404, and so is a request
      for one of these that is no handshake. Frameworks differ in both, and one
      would run the handler of an HTTP route for a handshake.
    - Credentials in a chunked request are refused with 411: uvicorn with httptools adds the
      trailers of the request, which a proxy does not check, to its headers.

    It belongs inside `connect.Mount`, which removes the headers of Connect that are not trusted.
    """

    def __init__(self, app: ASGIApp, *, websockets: Collection[str]) -> None:
        self.app = app
        self.websockets = websockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), _NOSNIFF]
                # Not every framework sends names in lower case, as ASGI demands.
                if b"cache-control" not in [name.lower() for name, _ in headers]:
                    headers += _REVALIDATE
                message["headers"] = headers
            await send(message)

        if problem := self._refusal(scope):
            if scope["type"] == "websocket":
                await receive()
            await send_problem(problem, scope, send_secured)
        else:
            await self.app(scope, receive, send_secured)

    def _refusal(self, scope: Scope) -> Problem | None:
        """Returns the answer to a request that the framework must not receive, else None."""
        is_websocket = scope["type"] == "websocket"
        route: str = scope[ROUTE]
        if b"#" in scope["raw_path"] or b"#" in scope.get("query_string", b""):
            return Problem(400)
        if scope.get("http_version", "1.1") not in _VERSIONS:
            return Problem(400)
        if not route.startswith("/") or route.startswith("//"):
            return Problem(404)
        if (route in self.websockets) != is_websocket:
            return Problem(404)
        if is_websocket:
            return None if is_same_origin(scope) else Problem(403)
        return Problem(411) if _has_chunked_credentials(scope) else None


def is_same_origin(scope: Scope) -> bool:
    """Returns whether the request has no `Origin`, or the origin of the application's pages.

    That origin is known from the base URL that Connect sends. Without it, the host is compared with
    `Host`, and the scheme is not: a proxy that ends TLS does not change `Host`. A client that is
    not a browser sends no `Origin`.
    """
    origins = _values(scope, b"origin")
    if not origins:
        return True
    scheme, host = _origin(origins[0])
    if len(origins) > 1 or scheme not in _DEFAULT_PORTS:
        return False
    if base_urls := _values(scope, _BASE_URL):
        return (scheme, host) == _origin(base_urls[0])
    return [(scheme, host)] == [_origin(scheme + b"://" + name) for name in _values(scope, b"host")]


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value.lower() for key, value in scope["headers"] if key == name]


def _origin(url: bytes) -> tuple[bytes, bytes]:
    """Returns the scheme, and the host with a port that is not the scheme's default."""
    scheme, _, rest = url.partition(b"://")
    return scheme, rest.partition(b"/")[0].removesuffix(_DEFAULT_PORTS.get(scheme, b""))


def _has_chunked_credentials(scope: Scope) -> bool:
    names = [*map(_name, scope["headers"])]
    return b"transfer-encoding" in names and _CREDENTIALS in names

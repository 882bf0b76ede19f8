"""The headers that the gateway forwards, removes and sets."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Scope

from rehearsal.proxy.upstream import Upstream

Headers = list[tuple[bytes, bytes]]

# RFC 9110, 7.6.1 and 11.7. Trailer is removed too, because the gateway does not forward trailers
# (6.5.1).
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer"
    b" transfer-encoding upgrade".split()
)
# Headers that only the gateway may send. Names are compared after `_spelling`: a backend that folds
# names as CGI does (`RStudio_Connect_Credentials`) must not receive a second copy.
_OURS = re.compile(
    rb"(rstudio|posit)-connect-.*|x-rsc-.*|x-rehearsal-.*|x-rs-correlation-id|x-forwarded-.*|forwarded|x-real-ip"
)
_HOST = re.compile(rb"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_COOKIE_PATH = re.compile(rb"(;[ \t]*path[ \t]*=[ \t]*)(/[^;]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Forward:
    """One request as it is sent to an app, and the conversion of its response."""

    port: int
    """The app's port on 127.0.0.1."""
    target: bytes
    host: bytes
    headers: Headers
    rewrite: Callable[[Headers], Headers]
    """Converts the app's response headers for the client."""
    response_seconds: float
    """The time limit for the head of the response."""


def target_of(scope: Scope) -> bytes:
    """Returns the request target, byte for byte. ASGI does not distinguish `/x?` from `/x`."""
    raw_path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return raw_path + b"?" + query if query else raw_path


def origin_of(scope: Scope) -> bytes:
    """Returns `http://host:port` from the Host header, or our own address if that is not valid."""
    scheme = b"https" if scope["scheme"] in ("https", "wss") else b"http"
    host: bytes = dict(scope["headers"]).get(b"host", b"")
    if not _HOST.fullmatch(host):
        address, port = scope["server"]
        host = f"{address}:{port}".encode()
    return scheme + b"://" + host


def _spelling(name: bytes) -> bytes:
    return re.sub(rb"[^a-z0-9]", b"-", name.lower())


def _end_to_end(headers: Headers) -> Headers:
    nominated = {
        option.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in _HOP_BY_HOP and name.lower() not in nominated
    ]


def for_upstream(scope: Scope, upstream: Upstream, drop: frozenset[bytes] = frozenset()) -> Headers:
    """Returns the client's end-to-end headers, except those of the gateway, then the gateway's.

    The caller sets the framing headers (`Host`, `Content-Length`, `Transfer-Encoding`,
    `Sec-WebSocket-*`). The server in front of the gateway handles `Expect`. `drop` names further
    headers that are not forwarded.
    """
    unsent = upstream.drop | drop | {b"host", b"content-length", b"expect"}
    headers = []
    for name, value in _end_to_end(scope["headers"]):
        if name.lower() == b"cookie":
            value = _without_cookies(value, upstream.drop_cookies)
            if not value:
                continue
        if name.lower() not in unsent and not _OURS.fullmatch(_spelling(name)):
            headers.append((name, value))
    origin = origin_of(scope)
    headers.append((b"x-rsc-request", origin + target_of(scope)))
    if upstream.base_url:
        headers.append((b"rstudio-connect-app-base-url", origin + upstream.prefix.encode()))
    if upstream.credentials is not None:
        headers.append((b"rstudio-connect-credentials", upstream.credentials.header))
    if upstream.forwarded:
        scheme, _, host = origin.partition(b"://")
        if client := scope.get("client"):
            headers.append((b"x-forwarded-for", client[0].encode()))
        headers += [(b"x-forwarded-proto", scheme), (b"x-forwarded-host", host)]
    return [*headers, *upstream.add]


def _without_cookies(value: bytes, names: frozenset[bytes]) -> bytes:
    """Removes these cookies. `str.strip` removes what Starlette removes around a name."""
    pairs = [pair.strip() for pair in value.decode("latin-1").split(";")]
    kept = [p for p in pairs if p and p.partition("=")[0].strip().encode("latin-1") not in names]
    return "; ".join(kept).encode("latin-1")


def for_client(headers: Headers, prefix: str, cookie: bytes | None = None) -> Headers:
    """Returns the app's end-to-end headers, with cookie paths moved under the prefix.

    Connect changes `Path=/` to `Path=/content/GUID/` and does not change `Location` (third party,
    live server). A path that already lies under the prefix is not changed; other paths are prefixed
    (inferred). `cookie` is a cookie of the gateway.
    """
    added = [(b"set-cookie", cookie)] if cookie else []
    rewritten = [
        (name, _rewrite_cookie_path(value, prefix) if name.lower() == b"set-cookie" else value)
        for name, value in _end_to_end(headers)
    ]
    return rewritten + added


def _rewrite_cookie_path(cookie: bytes, prefix: str) -> bytes:
    mount = prefix.encode()

    def under_mount(match: re.Match[bytes]) -> bytes:
        attribute, path = match.groups()
        if path == mount or path.startswith(mount + b"/"):
            return match[0]
        return bytes(attribute + mount + path)

    return _COOKIE_PATH.sub(under_mount, cookie)

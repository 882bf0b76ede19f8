"""Posit Connect's additions to a request: the mount prefix, the base URL and the credentials.

No single ASGI scope suits every framework behind a path-prefix proxy. With `root_path` set, some
frameworks route only a `path` that includes it, and others only a `path` without it. Servers also
differ in which form they send. `Mount` accepts both forms and passes the framework the one that it
routes.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Annotated, Literal
from urllib.parse import quote, unquote_to_bytes, urlsplit

import msgspec

from shared.asgi import ASGIApp, Receive, Scope, Send
from shared.pages import LACKS_SLASH
from shared.problems import Problem

BASE_URL = "RStudio-Connect-App-Base-URL"
CREDENTIALS = "RStudio-Connect-Credentials"

ROUTE = "shared.route"
"""The key in the scope of the path without the prefix, in whatever form the framework has it."""

# Header names in a scope are lower case: ASGI specification, HTTP connection scope.
_BASE_URL = BASE_URL.lower().encode()
_CONNECT_HEADERS = frozenset({_BASE_URL, CREDENTIALS.lower().encode()})

# Unreserved characters only (RFC 3986 section 2.3): such a prefix needs no encoding in a path, in
# HTML or in a script. Browsers remove the segments `.` and `..`.
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+")
_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")
# An encoded unreserved character, or a percent sign that encodes nothing.
_UNRESERVED = re.compile(
    rb"%(2[DE]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F|7E)|%(?![0-9A-F]{2})", re.IGNORECASE
)
_SLASH = re.compile(rb"/|%2[Ff]|\Z")
_MAX_LENGTH = 2048

_name = itemgetter(0)


def headers_trusted() -> bool:
    """Returns whether Connect's headers are trusted. Only Connect removes headers sent by a client.

    `CONNECT_HEADERS` (`trust` or `ignore`) decides. If it is unset or empty, the headers are
    trusted if the environment states that Connect runs this process. Raises `ValueError` for
    another value.
    """
    match os.environ.get("CONNECT_HEADERS", ""):
        case "trust":
            return True
        case "ignore":
            return False
        case value if value:
            raise ValueError(f"CONNECT_HEADERS must be trust or ignore, not {value!r}.")
    return "CONNECT" in (os.environ.get("POSIT_PRODUCT"), os.environ.get("RSTUDIO_PRODUCT"))


@dataclass(frozen=True, slots=True)
class BaseURL:
    """The external address of the content, without a final slash."""

    url: str
    """Absolute, http or https: `https://connect.example.org/content/1b2c`."""
    prefix: str
    """The path of `url`: `/content/1b2c`, or an empty string."""


@lru_cache(maxsize=64)
def parse_base_url(value: bytes) -> BaseURL | None:
    """Parses `RStudio-Connect-App-Base-URL`.

    Returns None unless it is an absolute http(s) URL of plain segments.
    """
    if len(value) > _MAX_LENGTH:
        return None
    url = value.decode("latin-1").removesuffix("/")
    origin = _origin(url)
    prefix = url[len(origin) :]
    if not origin or (prefix and not _PREFIX.fullmatch(prefix)):
        return None
    return BaseURL(url, prefix)


def _origin(url: str) -> str:
    """Returns the scheme and the host with which an http(s) URL begins; empty if it does not."""
    origin = _ORIGIN.match(url)
    if origin is None:
        return ""
    try:
        _ = urlsplit(origin[0]).port  # Raises for a port or an IPv6 address out of range.
    except ValueError:
        return ""
    return origin[0]


@lru_cache(maxsize=64)
def parse_prefix(root_path: str) -> str:
    """Returns `root_path` without a final slash, or an empty string if a segment is not plain."""
    prefix = root_path.rstrip("/")
    return prefix if len(prefix) <= _MAX_LENGTH and _PREFIX.fullmatch(prefix) else ""


class Mount:
    """The outermost ASGI middleware: determines the prefix and the route of each request.

    The prefix is `root_path`, else the path of a trusted `RStudio-Connect-App-Base-URL`, else
    empty. It is determined per request, because one process serves several prefixes:
    `/content/<guid>`, the same with `/_bundle<id>` for a draft, and vanity paths.

    `path` is the form that the framework routes: "included" as in the ASGI specification, where
    `path` begins with `root_path`, or "stripped". A path that fits both forms is treated as
    included.

    The constructor raises `ValueError` if `CONNECT_HEADERS` has an unknown value.

    The application receives only trusted headers of Connect. Untrusted ones are removed, and so is
    a base URL that is invalid or repeated.
    """

    def __init__(self, app: ASGIApp, *, path: Literal["included", "stripped"]) -> None:
        self.app = app
        self.included = path == "included"
        headers_trusted()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = self.mounted(scope)
        await self.app(scope, receive, send)

    def mounted(self, scope: Scope) -> Scope:
        """Returns a copy of `scope` in the form that the framework routes, with the route."""
        scope = _in_origin_form(scope)
        headers, base_url = _connect_headers(scope["headers"])
        root_path, path = scope.get("root_path", ""), scope["path"]
        prefix = parse_prefix(root_path) if root_path else ""
        if not prefix and base_url is not None:
            prefix = base_url.prefix

        # The path may also begin with a root path that is ignored as invalid.
        route = _without(prefix or root_path.rstrip("/"), path)
        mounted_path = prefix + route if self.included else route
        raw_path = _normalized(scope.get("raw_path"))
        if (
            raw_path
            and raw_path == scope["raw_path"]
            and (mounted_path, prefix) == (path, scope.get("root_path"))
        ):
            return {**scope, "headers": headers, ROUTE: route}

        if raw_path and (prefix or route == path):
            raw_route = _raw_without(prefix, raw_path)
        else:
            raw_route = quote(route).encode()
        mounted = {
            **scope,
            "headers": headers,
            "root_path": prefix,
            "path": mounted_path,
            ROUTE: route,
            "raw_path": prefix.encode() + raw_route if self.included else raw_route,
        }
        if prefix and path in (prefix, ""):
            mounted[LACKS_SLASH] = True
        return mounted


def _in_origin_form(scope: Scope) -> Scope:
    """Returns the scope of a request for `http://host/path` as that of `/path`.

    A server has to accept both: RFC 9112 section 3.2.2. hypercorn hands on any target as the path.
    One of another form, such as `*` or `%2Fpath`, is a path that begins without a slash.
    """
    raw_path: bytes | None = scope.get("raw_path")
    if not raw_path or raw_path.startswith(b"/"):
        return scope
    origin = _origin(raw_path.decode("latin-1").lower())
    rest = raw_path[len(origin) :] or b"/"
    if not origin or not rest.startswith(b"/"):
        return {**scope, "path": raw_path.decode("latin-1")}
    return {**scope, "raw_path": rest, "path": unquote_to_bytes(rest).decode("utf-8", "replace")}


Headers = Sequence[tuple[bytes, bytes]]


def _connect_headers(headers: Headers) -> tuple[Headers, BaseURL | None]:
    """Returns the trusted headers and the base URL.

    The list is a copy: uvicorn with httptools appends the trailers to the one that it hands on.
    """
    headers = list(headers)
    if _CONNECT_HEADERS.isdisjoint(map(_name, headers)):
        return headers, None
    if not headers_trusted():
        return [header for header in headers if header[0] not in _CONNECT_HEADERS], None
    values = [value for name, value in headers if name == _BASE_URL]
    base_url = parse_base_url(values[0]) if len(values) == 1 else None
    if not values or (base_url is not None and base_url.url.encode() == values[0]):
        return headers, base_url
    trusted = [header for header in headers if header[0] != _BASE_URL]
    if base_url is not None:
        trusted.append((_BASE_URL, base_url.url.encode()))
    return trusted, base_url


def _normalized(raw_path: bytes | None) -> bytes | None:
    """Decodes the characters that need no encoding, as RFC 3986 section 6.2.2.2 demands.

    A framework that routes this path would not find `/he%61lth`. A percent sign that encodes
    nothing is encoded: otherwise `%6%38` became `%68`, which would be decoded once more.
    """
    if raw_path and b"%" in raw_path:
        return _UNRESERVED.sub(
            lambda match: unquote_to_bytes(match[0]) if match[1] else b"%25", raw_path
        )
    return raw_path


def _without(prefix: str, path: str) -> str:
    if prefix and path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
        path = path[len(prefix) :]
    return path or "/"


def _raw_without(prefix: str, raw_path: bytes) -> bytes:
    """Does the same as `_without` for a path whose prefix may be percent-encoded."""
    end = len(prefix)
    if not raw_path.startswith(prefix.encode()):
        end = 0
        for _ in prefix:
            end += 3 if raw_path[end : end + 1] == b"%" else 1
        if unquote_to_bytes(raw_path[:end]) != prefix.encode():
            return raw_path
    # The slash after the prefix may be encoded too: in `path` the server has decoded it.
    if slash := _SLASH.match(raw_path, end):
        return b"/" + raw_path[slash.end() :]
    return raw_path


class Credentials(msgspec.Struct, frozen=True):
    """The signed-in user, as Connect sends it; unknown members are ignored."""

    user: Annotated[str, msgspec.Meta(min_length=1)]
    groups: list[str] | None = None


_credentials = msgspec.json.Decoder(Credentials)


def parse_credentials(values: Sequence[bytes]) -> Credentials | None:
    """Parses all values of a request's `RStudio-Connect-Credentials` header, in UTF-8.

    Returns None without the header (an anonymous visitor). Raises `Problem`, status 400, for a
    header that is repeated, or is not the JSON object that Connect sends. Its length is limited by
    the server: the names of hundreds of groups have more than 8 KiB.
    Source: https://docs.posit.co/connect/user/fastapi/, "User meta-data".
    """
    if not values:
        return None
    if len(values) > 1:
        raise Problem(400, f"{CREDENTIALS} must be there once.")
    try:
        return _credentials.decode(values[0])
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Problem(400, f"{CREDENTIALS} must be a JSON object with a user.") from None

"""An app behind a path prefix, and the headers that the gateway sends to it."""

import json
from dataclasses import dataclass

from starlette.types import ASGIApp


@dataclass(frozen=True)
class Credentials:
    """The signed-in user for `RStudio-Connect-Credentials` (user guide, section FastAPI)."""

    user: str

    @property
    def header(self) -> bytes:
        """The header's value: JSON in UTF-8, unescaped as Go's encoder writes it (inferred)."""
        members = {"user": self.user, "groups": ()}
        return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Upstream:
    """One app process behind one path prefix."""

    prefix: str
    """Such as `/content/7b1e...`: begins with a slash, ends without one."""
    port: int
    """The app's port on 127.0.0.1."""
    strip_prefix: bool = True
    """Whether the forwarded request target begins after the prefix."""
    base_url: bool = True
    """Whether `RStudio-Connect-App-Base-URL` is sent."""
    forwarded: bool = True
    """Whether `X-Forwarded-For`, `-Proto` and `-Host` are sent."""
    credentials: Credentials | None = None
    """The signed-in user. For `None`, an anonymous visitor, the header is not sent."""
    external_host: bool = True
    """Whether the app receives the client's Host header, or its own address."""
    drop: frozenset[bytes] = frozenset()
    """Lower-case names of further request headers that are not forwarded."""
    drop_cookies: frozenset[bytes] = frozenset()
    """Names of cookies that are not forwarded."""
    cookie: bytes | None = None
    """The value of a `Set-Cookie` header for the client, if the gateway itself sets a cookie."""
    add: tuple[tuple[bytes, bytes], ...] = ()
    """Further request headers for the app."""


@dataclass(frozen=True)
class Local:
    """An ASGI application of this process behind one path prefix, such as static content."""

    prefix: str
    app: ASGIApp
    """Receives `root_path` with the prefix, and a path that includes it."""


def is_under(raw_path: bytes, prefix: str) -> bool:
    """Returns whether the bytes of the path begin with the prefix: `/%66oo` is not under `/foo`."""
    mount = prefix.encode()
    return raw_path == mount or raw_path.startswith(mount + b"/")

"""Who may ask: the host under which the rehearsal is addressed, the API key, the session cookie."""

import ipaddress
import re
import secrets
from collections.abc import Collection

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Scope

from rehearsal.storage.database import State, User
from tooling.errors import UsageError

SESSION_COOKIE = "rehearsal-session"
PROCESS_COOKIE = "rehearsal-process"
"""The number of the process to which a browser's requests go."""


_HOST = re.compile(r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def host_names(given: str) -> frozenset[str]:
    """Returns the names of hosts in a list with commas. Raises `UsageError`."""
    names = [name.strip().lower() for name in given.split(",") if name.strip()]
    for name in names:
        if len(name) > 253 or _NAME.fullmatch(name) is None:
            raise UsageError(
                f"ALLOWED_HOSTS: {name!r} is not the name of a host, such as hub.example.org"
                " (without scheme and port)."
            )
    return frozenset(names)


def check_request(scope: Scope, own_hosts: Collection[str]) -> None:
    """Raises `HTTPException` for a request that no component may answer.

    - The host must be `localhost`, an IP address or one of `own_hosts`: the owner of any other name
      can make it resolve to this machine, and a page of that name may read what it answers.
    - A body has one framing. The connection ends after a request with two (RFC 9112 section 6.1).
    """
    names = {name for name, _ in scope["headers"]}
    if {b"content-length", b"transfer-encoding"} <= names:
        raise HTTPException(400, "The request has two lengths.", {"Connection": "close"})
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if match is None:
        raise HTTPException(400, "The request must name one host.")
    if not _is_local(match[1].lower(), own_hosts):
        raise HTTPException(
            421,
            "Open the rehearsal at localhost or an IP address, or start it with"
            f" ALLOWED_HOSTS={match[1]}.",
        )


def _is_local(host: str, own_hosts: Collection[str]) -> bool:
    if host == "localhost" or host in own_hosts or host.endswith(".localhost"):
        return True
    try:
        return bool(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return False


class WrongKeyError(Exception):
    """The request carries an API key that belongs to no user."""


def api_key_of(scope: Scope) -> str | None:
    """Returns the key of the first `Authorization: Key ...` header, `None` if there is none."""
    for name, value in scope["headers"]:
        scheme, _, key = value.decode("latin-1").strip().partition(" ")
        if name == b"authorization" and scheme.lower() == "key":
            stripped: str = key.strip()
            return stripped
    return None


def user_by_key(state: State, scope: Scope) -> User | None:
    """Returns the user with the request's API key, `None` without a key. Raises `WrongKeyError`."""
    key = api_key_of(scope)
    if key is None:
        return None
    for user in state.users():
        if secrets.compare_digest(user.api_key.encode(), key.encode()):
            return user
    raise WrongKeyError


def user_by_cookie(state: State, scope: Scope) -> User | None:
    """Returns the user who was selected on the dashboard in this browser."""
    session = HTTPConnection(scope).cookies.get(SESSION_COOKIE)
    return state.user_by("session", session) if session else None

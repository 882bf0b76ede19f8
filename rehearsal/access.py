"""Authentication by API key or session cookie."""

import secrets

from starlette.requests import HTTPConnection
from starlette.types import Scope

from rehearsal.storage.database import State, User

SESSION_COOKIE = "rehearsal-session"


class WrongKeyError(Exception):
    """The request carries an API key that is nobody's."""


def api_key_of(scope: Scope) -> str | None:
    """The key in `Authorization: Key ...`, the first one; `None` where there is no such header."""
    for name, value in scope["headers"]:
        scheme, _, key = value.decode("latin-1").strip().partition(" ")
        if name == b"authorization" and scheme.lower() == "key":
            stripped: str = key.strip()
            return stripped
    return None


def user_by_key(state: State, scope: Scope) -> User | None:
    """The user whose API key the request carries, `None` without one. Raises `WrongKeyError`."""
    key = api_key_of(scope)
    if key is None:
        return None
    for user in state.users():
        if secrets.compare_digest(user.api_key.encode(), key.encode()):
            return user
    raise WrongKeyError


def user_by_cookie(state: State, scope: Scope) -> User | None:
    """The user whom the dashboard's switch chose in this browser."""
    session = HTTPConnection(scope).cookies.get(SESSION_COOKIE)
    return state.user_by("session", session) if session else None

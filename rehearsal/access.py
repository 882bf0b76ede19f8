"""Authentication by API key or session cookie."""

import secrets

from starlette.requests import HTTPConnection
from starlette.types import Scope

from rehearsal.storage.database import State, User

SESSION_COOKIE = "rehearsal-session"


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

"""Who asks, and what that user may see and change."""

import secrets

from starlette.requests import HTTPConnection
from starlette.types import Scope

from rehearsal.storage.database import Content, State, User

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


def may_publish(state: State, user: User, content: Content) -> bool:
    """Whether the user may change the content and see its drafts: its owner, and who is made one."""
    return user.guid == content.owner_guid or any(
        permission.user_guid == user.guid and permission.role == "owner"
        for permission in state.permissions(content.guid)
    )


def may_view(state: State, user: User | None, content: Content) -> bool:
    """Whether the user, or an anonymous visitor, may look at the active version."""
    if content.access_type == "all":
        return True
    if user is None:
        return False
    if content.access_type == "logged_in" or may_publish(state, user, content):
        return True
    return any(permission.user_guid == user.guid for permission in state.permissions(content.guid))

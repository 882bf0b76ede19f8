"""The greeting for the user in Connect's credentials."""

from dataclasses import dataclass

from shared.connect import Credentials

# The answer names a person: no cache may store it, RFC 9111 sections 5.2.2.5 and 5.2.2.7.
HEADERS = {"Cache-Control": "private, no-store"}


@dataclass(frozen=True, slots=True)
class Hello:
    """The answer to `GET /hello`."""

    message: str


def say_hello(user: Credentials | None) -> Hello:
    """Returns the greeting for `user`; None is an anonymous visitor."""
    return Hello(f"So nice to see you, {user.user}!" if user else "Howdy stranger!")

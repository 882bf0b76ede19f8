"""The greeting for the user in Connect's credentials."""

from dataclasses import dataclass

from shared.connect import Credentials


@dataclass(frozen=True, slots=True)
class Hello:
    """The answer to `GET /hello`."""

    message: str


def say_hello(user: Credentials | None) -> Hello:
    """Returns the greeting for `user`; None is an anonymous visitor."""
    return Hello(f"So nice to see you, {user.user}!" if user else "Howdy stranger!")

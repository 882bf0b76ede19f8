"""The protocol of the websocket `/live`: JSON messages, each answered with a greeting."""

import logging
from typing import Any

import msgspec

from shared.connect import Credentials
from shared.errors import UnavailableError
from shared.greetings import Store, is_language_tag
from shared.problems import Problem

MAX_MESSAGE = 4 * 1024
"""The size limit of a message, in bytes."""

# Close codes: RFC 6455 section 7.4.1.
UNSUPPORTED_DATA = 1003
POLICY_VIOLATION = 1008
MESSAGE_TOO_BIG = 1009

_log = logging.getLogger(__name__)


class Ask(msgspec.Struct, frozen=True):
    """A message: `{"lang": "es"}`; with `"greet": true` the answer addresses the user."""

    lang: str
    greet: bool = False


_ask = msgspec.json.Decoder(Ask)


class Close(Exception):
    """The app must close the websocket with `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


async def answer(store: Store, user: Credentials | None, data: str | bytes) -> str:
    """Returns the answer to a message, as JSON: the greeting, or a problem as over HTTP.

    Raises `Close` for binary data and for more than 4 KiB.
    """
    if isinstance(data, bytes):
        raise Close(UNSUPPORTED_DATA)
    # A character has at most four bytes. The size of a short message is therefore not computed.
    if 4 * len(data) > MAX_MESSAGE and len(data.encode()) > MAX_MESSAGE:
        raise Close(MESSAGE_TOO_BIG)
    try:
        return encode(await _greeting(store, user, data))
    except Problem as problem:
        return encode(problem.details)
    except UnavailableError:
        return encode(Problem.unavailable().details)
    except Exception:
        _log.exception("A message could not be answered.")
        return encode(Problem(500).details)


def encode(document: Any) -> str:
    return msgspec.json.encode(document).decode()


async def _greeting(store: Store, user: Credentials | None, data: str) -> dict[str, str]:
    try:
        ask = _ask.decode(data)
    except (msgspec.DecodeError, RecursionError):
        raise Problem(400, 'A message must be a JSON object such as {"lang": "en"}.') from None
    if not is_language_tag(ask.lang):
        raise Problem.invalid("lang")
    greeting = await store.get(ask.lang)
    if greeting is None:
        raise Problem.no_greeting(ask.lang)
    if not ask.greet:
        return {"lang": greeting.lang, "text": greeting.text}
    return {
        "lang": greeting.lang,
        "text": f"{greeting.text}, {user.user if user else 'stranger'}!",
    }

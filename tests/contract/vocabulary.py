"""The vocabulary of the contract: requests and answers, mounts, and what a case needs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from tests.contract.html import Page


class Capability(StrEnum):
    """What a case needs beside requests that anybody can send; most cannot be had of a deployed app."""

    FORGE = "sends headers in Connect's name"
    PREFIX = "chooses the mount prefix"
    FAULT = "breaks the store"
    LOG = "reads the log"
    SCOPE = "writes the ASGI scope"
    ANONYMOUS = "visits without signing in"
    DATABASE = "reaches into the database"
    PROCESS = "starts and stops the app"


StoreName = Literal["json", "postgresql"]
"""As `/health` names them."""

Headers = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Request:
    """`target` is the request target below the mount, byte for byte: `/greetings/%65n?x=1`."""

    method: str
    target: str
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` in the order of arrival, names in lower case, values as latin-1."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header; several values joined by commas, as RFC 9110 section 5.3 has it."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    def json(self) -> Any:
        return json.loads(self.body)

    def text(self) -> str:
        return self.body.decode("utf-8")

    def html(self) -> Page:
        return Page.parse(self.text())


class TimeoutFailure(AssertionError):
    """Nothing arrived before the timeout."""


class IncompleteAnswerFailure(AssertionError):
    """The connection was closed before the answer was complete."""


class HandshakeFailure(AssertionError):
    """The handshake of a websocket was answered with a status other than 101."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"the handshake was answered {answer.status}")
        self.answer = answer

    @property
    def status(self) -> int:
        return self.answer.status


@dataclass(frozen=True, slots=True)
class Timed:
    """An answer, and the seconds from sending the request to having all of it."""

    answer: Answer
    seconds: float


@dataclass(frozen=True, slots=True)
class Closed:
    """How a websocket was closed by the other side: RFC 6455 section 7.4.1.

    `code` is 1005 where the close frame had none, 1006 where the connection ended without one.
    """

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    """One way in which a prefix can reach an app.

    - `prefix`: as the browser sees it, `/content/<guid>`, or nothing.
    - `root_path`: whether the server knows the prefix and puts it into the scope.
    - `base_url`: whether the proxy sends `RStudio-Connect-App-Base-URL`.
    - `client_sends_prefix`: whether the client puts the prefix in front of the request target. In process the
      scope's path is the target as it was sent.
    """

    id: str
    prefix: str = ""
    root_path: bool = False
    base_url: bool = False
    client_sends_prefix: bool = False

    @property
    def external_url(self) -> str:
        """The content's address as Connect would name it."""
        return f"https://connect.example.org{self.prefix}"


@dataclass(slots=True)
class Exchange:
    """A request, how the app was reached for it, and its answer as far as it has been read.

    - `answer`: None until its status and headers have arrived.
    - `messages`: after a handshake answered 101, what each side sent.
    """

    request: Request
    mount: Mount
    trust: bool
    answer: Answer | None = None
    messages: list[tuple[Literal["sent", "received"], str | bytes | Closed]] = field(
        default_factory=list
    )


BARE = Mount("bare")

CREDENTIALS = "RStudio-Connect-Credentials"
BASE_URL = "RStudio-Connect-App-Base-URL"

SEVEN = [
    {"lang": "ar", "text": "آلو"},
    {"lang": "bn", "text": "হ্যালো"},
    {"lang": "chr", "text": "ᏏᏲ"},
    {"lang": "en", "text": "Hello"},
    {"lang": "es", "text": "Hola"},
    {"lang": "sw", "text": "هَبَارِ"},
    {"lang": "zh", "text": "你好"},
]
"""Of the guide page that started this project, Posit Connect's user guide on FastAPI."""

STRANGER = {"message": "Howdy stranger!"}
"""What `/hello` says without credentials."""

NOT_ALLOWED = ("POST", "PUT", "PATCH", "DELETE")
"""The methods that no route has, beside OPTIONS, which frameworks may answer."""

FAULTY = "qaa-fault"
"""The language for which the harness makes the store raise `FAULT`."""

FAULT = "the store's secret is 4711"

SLEEPY = "qaa-sleep"
"""The language for which the harness makes the store sleep before it answers."""

OPENED, CLOSED, ASLEEP = (
    "contract: a store was opened",
    "contract: a store was closed",
    "contract: asleep",
)
"""What the harness has the store say in the log."""

HALF_WAY = "half way"
"""The value of `CONTRACT_FAULT` with which the harness makes a start-up fail, its store already open."""

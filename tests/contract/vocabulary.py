"""The vocabulary of the contract: requests, answers, mounts, capabilities and constants."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from tests.contract.html import Page


class Capability(StrEnum):
    """What a client can do beside sending requests. A deployed app allows few of them.

    The values complete the sentence "The client can ...".
    """

    FORGE = "send headers in Connect's name"
    PREFIX = "choose the mount prefix"
    FAULT = "break the store"
    LOG = "read the log"
    SCOPE = "write the ASGI scope"
    ANONYMOUS = "send requests without signing in"
    DATABASE = "access the database"
    PROCESS = "start and stop the app"
    TRAILERS = "send trailers"
    STOP = "stay connected while the server stops"
    DIRECT = "be sure that no proxy refuses or changes what is sent"


StoreName = Literal["json", "postgresql"]
"""The names in the answer of `/health`."""

Headers = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Request:
    """`target` is the request target without the prefix, byte for byte: `/greetings/%65n?x=1`."""

    method: str
    target: str
    headers: Headers = ()
    trailers: Headers = ()
    """Sent after an empty chunked body, if there are any."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` in the order of arrival, names in lower case, values as latin-1."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header. Several values are joined by commas: RFC 9110 section 5.3."""
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
    """An answer, and the seconds from sending the request to the end of the answer."""

    answer: Answer
    seconds: float


@dataclass(frozen=True, slots=True)
class Closed:
    """How a websocket was closed by the other side: RFC 6455 section 7.4.1.

    `code` is 1005 if the close frame had no code, 1006 if there was no close frame.
    """

    code: int
    reason: str = ""


EXTERNAL_ORIGIN = "https://connect.example.org"


@dataclass(frozen=True, slots=True)
class Mount:
    """One way in which a prefix can reach an app.

    - `prefix`: the prefix in the browser's URL, such as `/content/<guid>`, or an empty string.
    - `root_path`: whether the server puts the prefix into `root_path` of the scope.
    - `base_url`: whether the proxy sends `RStudio-Connect-App-Base-URL`.
    - `client_sends_prefix`: whether the request target begins with the prefix when the client sends
      it. In process, the path of the scope is that target.
    """

    id: str
    prefix: str = ""
    root_path: bool = False
    base_url: bool = False
    client_sends_prefix: bool = False

    @property
    def external_url(self) -> str:
        """The address of the content, as Connect sends it in the header."""
        return EXTERNAL_ORIGIN + self.prefix


@dataclass(slots=True)
class Exchange:
    """A request, how it was sent, and its answer as far as it has been read.

    - `answer`: None until its status and headers have arrived.
    - `messages`: after a handshake answered 101, what each side sent.
    - `repeated`: whether the case sends the request again until something happens.
    """

    request: Request
    mount: Mount
    trust: bool
    answer: Answer | None = None
    messages: list[tuple[Literal["sent", "received"], str | bytes | Closed]] = field(
        default_factory=list
    )
    repeated: bool = False


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
"""The greetings of `shared/greetings.json`, from Posit Connect's user guide."""

STRANGER = {"message": "Howdy stranger!"}
"""The answer of `/hello` without credentials."""

NOT_ALLOWED = ("POST", "PUT", "PATCH", "DELETE")
"""The methods that every route refuses. OPTIONS is not among them: frameworks may answer it."""

FAULTY = "qaa-fault"
"""The language for which every store raises an error with the message `FAULT`."""

FAULT = "the store's secret is 4711"

AWAY = "qaa-away"
"""The language for which every store says that it does not answer now."""

SLEEPY = "qaa-sleep"
"""The language for which every store sleeps before it returns."""

OPENED, CLOSED, ASLEEP = (
    "contract: a store was opened",
    "contract: a store was closed",
    "contract: asleep",
)
"""What every store logs when it is opened, closed and asleep."""

HALF_WAY = "half way"
"""The value of `CONTRACT_FAULT` with which a start-up fails after the store has been opened."""

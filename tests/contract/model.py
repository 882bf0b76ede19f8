"""The vocabulary of the contract: cases and their levels, requests and answers, mounts."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

if TYPE_CHECKING:
    from tests.postgresql import Database

VERSION = 2
"""Of the contract, as in `shared/openapi.yaml`, `x-contract-version`."""


class Level(StrEnum):
    """RFC 2119: SHOULD cases record what a framework does of its own accord."""

    MUST = "MUST"
    SHOULD = "SHOULD"


class Power(StrEnum):
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

    def html(self) -> "Page":
        return Page.parse(self.text())


class LateError(AssertionError):
    """What had to come has not come in time."""


class CutShortError(AssertionError):
    """The connection ended before the answer was complete."""


class RefusedError(AssertionError):
    """The server has answered the handshake of a websocket with something other than 101."""

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


class InFlight(Protocol):
    """A request that has been sent; its answer is read piece by piece.

    Whatever waits raises `LateError` after `seconds`, and `CutShortError` where the answer ends too soon.
    """

    def start(self, seconds: float = 10.0) -> Answer:
        """The status and the headers, with an empty body, as soon as they are there."""

    def read(self, seconds: float = 10.0) -> bytes:
        """The next piece of the body as it arrives; empty at the end."""

    def hang_up(self) -> None:
        """Closes the connection at once, whatever is still to come; of an answer that is complete, nothing."""

    def answer(self, seconds: float = 10.0) -> Answer:
        """The answer with all of its body that has not been read; `seconds` for each piece."""
        return replace(self.start(seconds), body=b"".join(iter(lambda: self.read(seconds), b"")))


@dataclass(frozen=True, slots=True)
class Closed:
    """How a websocket was closed by the other side: RFC 6455 section 7.4.1.

    `code` is 1005 where the close frame had none, 1006 where the connection ended without one.
    """

    code: int
    reason: str = ""


class WebSocket(Protocol):
    """The client's end of an open websocket."""

    def send(self, *fragments: str | bytes) -> None:
        """A message, in as many frames as there are fragments; all text or all binary."""

    def receive(self, seconds: float = 10.0) -> str | bytes | Closed:
        """The next message, whole; `Closed` from then on when the other side has closed.

        Raises `LateError`.
        """

    def close(self, code: int = 1000) -> None:
        """Says goodbye and waits for the answer. Raises `LateError` where none comes."""

    def hang_up(self) -> None:
        """Drops the connection without a close frame."""


class FreshApp(Protocol):
    """A process of an app that one case has for itself."""

    @property
    def client(self) -> "Client":
        """Reaches the process; raises `ConnectionError` once it has ended."""

    @property
    def pid(self) -> int: ...

    def terminate(self) -> None:
        """SIGTERM, which is not waited for."""

    def wait(self, seconds: float) -> int:
        """The exit code. Raises `LateError` where the process is still there after `seconds`."""

    def log(self) -> str:
        """All that it and its server have logged so far."""


@dataclass
class Element:
    """An HTML element: its tag, its attributes, and all the text inside."""

    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page:
    """The elements of an HTML document, in order."""

    elements: list[Element] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> Self:
        page = cls()
        open_elements: list[Element] = []

        class Parser(HTMLParser):
            def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
                element = Element(tag, {name: value or "" for name, value in attrs})
                page.elements.append(element)
                open_elements.append(element)

            def handle_endtag(self, tag: str) -> None:
                while open_elements and open_elements.pop().tag != tag:
                    pass

            def handle_data(self, data: str) -> None:
                for element in open_elements:
                    element.text += data

        parser = Parser()
        parser.feed(text)
        parser.close()
        return page

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def by_id(self, name: str) -> Element:
        (element,) = (e for e in self.elements if e.attributes.get("id") == name)
        return element

    def links(self) -> list[str]:
        """Every address of the app that a browser would fetch or go to.

        Not among them is the way up, to the page that the server in front of the app has told it.
        """
        names = ("href", "src", "action", "data-document")
        own = [e.attributes for e in self.elements if e.attributes.get("rel") != "up"]
        return [attributes[name] for attributes in own for name in names if name in attributes]


@dataclass(frozen=True, slots=True)
class Mount:
    """One way in which a prefix can reach an app.

    - `prefix`: as the browser sees it, `/content/<guid>`, or nothing.
    - `root_path`: whether the server knows the prefix and puts it into the scope.
    - `base_url`: whether the proxy sends `RStudio-Connect-App-Base-URL`.
    - `path`: whether the path reaches the app with the prefix ("included") or without it ("stripped").
    """

    id: str
    prefix: str = ""
    root_path: bool = False
    base_url: bool = False
    path: Literal["included", "stripped"] = "stripped"

    @property
    def external_url(self) -> str:
        """The content's address as Connect would name it."""
        return f"https://connect.example.org{self.prefix}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer, as far as it was read, and how the app was reached for it.

    `messages`: over a websocket, whose answer is 101, what each side then said.
    """

    request: Request
    answer: Answer
    mount: Mount
    trust: bool
    messages: list[tuple[Literal["sent", "received"], "str | bytes | Closed"]] = field(
        default_factory=list
    )


class Client(Protocol):
    """Reaches one app, on one server, through one mount."""

    mount: Mount
    powers: frozenset[Power]
    waived: frozenset[str]
    """The IDs of the SHOULD cases in which the app goes its own way, as it admits."""

    @property
    def store(self) -> StoreName | None:
        """Where the app has its greetings from; None where that is not known."""

    def request(self, method: str, target: str, headers: Headers = ()) -> Answer: ...

    def together(self, requests: Sequence[Request]) -> list[Timed]:
        """The answers to requests that are sent at the same moment, each on a connection of its own.

        In the order of the requests. Raises what `request` raises, for the first that fails.
        """

    def begin(
        self, method: str, target: str, headers: Headers = ()
    ) -> AbstractContextManager[InFlight]:
        """A request that has been sent; leaving the context hangs up where the answer is not complete."""

    def websocket(self, target: str, headers: Headers = ()) -> AbstractContextManager[WebSocket]:
        """A websocket that is open; leaving the context drops it where it is not closed.

        Raises `RefusedError` where the handshake is not answered 101.
        """

    @property
    def database(self) -> "Database":
        """What the app has its greetings from."""

    def process(self, **environment: str | None) -> AbstractContextManager[FreshApp]:
        """A new process of the same app, on the same kind of server, reached the same way.

        `environment` is put over that of the other processes; None leaves a variable out. The process is
        waited for until it takes connections or has ended, whichever it is: `wait` and `log` tell. Leaving
        the context ends it.
        """

    def untrusting(self) -> "Client":
        """The same app where Connect's headers are not trusted."""

    def through(self, mount: Mount) -> "Client":
        """The same app through another mount."""

    def minimal(self) -> "Client":
        """The first example of the framework's own documentation: what it does unconfigured."""

    def observe(self, what: str) -> None:
        """Puts into the report what was seen, for comparison."""

    def log(self, awaited: str) -> str:
        """What the app and its server have logged since the last call, up to `awaited`.

        Raises `AssertionError` where that does not come: some log only after they have answered.
        """


@dataclass(frozen=True, slots=True)
class Case:
    """One statement about every app, under an ID that never changes its meaning.

    `version`: of the contract in which it appeared.
    """

    id: str
    version: int
    level: Level
    sentence: str
    needs: frozenset[Power]
    check: Callable[[Client], None]


CASES: dict[str, Case] = {}
"""By ID, in the order of the contract."""

Check = Callable[[Client], None]


def _register(
    level: Level, id: str, sentence: str, needs: frozenset[Power], version: int
) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        assert id not in CASES, f"{id} is there twice"
        CASES[id] = Case(id, version, level, sentence, needs, check)
        return check

    return register


def must(id: str, sentence: str, *needs: Power, version: int = 1) -> Callable[[Check], Check]:
    """Registers a function as a case that every app has to pass."""
    return _register(Level.MUST, id, sentence, frozenset(needs), version)


def should(id: str, sentence: str, *needs: Power, version: int = 1) -> Callable[[Check], Check]:
    """Registers a function as a case that records where frameworks differ of their own accord."""
    return _register(Level.SHOULD, id, sentence, frozenset(needs), version)

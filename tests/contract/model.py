"""The vocabulary of the contract: cases and their levels, requests and answers, mounts."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from html.parser import HTMLParser
from typing import Any, Literal, Protocol, Self

VERSION = 1
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
        """Every address that a browser would fetch or go to."""
        names = ("href", "src", "action", "data-document")
        return [e.attributes[name] for e in self.elements for name in names if name in e.attributes]


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
    """A request and its answer, and how the app was reached for it."""

    request: Request
    answer: Answer
    mount: Mount
    trust: bool


class Client(Protocol):
    """Reaches one app, on one server, through one mount."""

    mount: Mount
    powers: frozenset[Power]

    def request(self, method: str, target: str, headers: Headers = ()) -> Answer: ...

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
    """One statement about every app, under an ID that never changes its meaning."""

    id: str
    level: Level
    sentence: str
    needs: frozenset[Power]
    check: Callable[[Client], None]


CASES: dict[str, Case] = {}
"""By ID, in the order of the contract."""

Check = Callable[[Client], None]


def _register(
    level: Level, id: str, sentence: str, needs: frozenset[Power]
) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        assert id not in CASES, f"{id} is there twice"
        CASES[id] = Case(id, level, sentence, needs, check)
        return check

    return register


def must(id: str, sentence: str, *needs: Power) -> Callable[[Check], Check]:
    """Registers a function as a case that every app has to pass."""
    return _register(Level.MUST, id, sentence, frozenset(needs))


def should(id: str, sentence: str, *needs: Power) -> Callable[[Check], Check]:
    """Registers a function as a case that records where frameworks differ of their own accord."""
    return _register(Level.SHOULD, id, sentence, frozenset(needs))

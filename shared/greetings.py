"""The data layer: greetings by language, asynchronous at its surface so that a database can stand behind it."""

import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

FILE = Path(__file__).parent / "greetings.json"

LANGUAGE_TAG = r"^(?:[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*|x(?:-[A-Za-z0-9]{1,8})+)$"
"""A language tag as this contract takes it: the shape of RFC 5646 section 2.1, without its registry."""

_language_tag = re.compile(LANGUAGE_TAG)


def is_language_tag(text: str) -> bool:
    """Whether the whole of `text` is shaped like a language tag."""
    # fullmatch, since `$` alone lets a final newline through.
    return _language_tag.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Greeting:
    """A greeting and the language that it is in."""

    lang: str
    text: str


class GreetingsError(Exception):
    """The greetings cannot be had; the message names the place and what to mend there."""


class UnavailableError(Exception):
    """The store does not answer for now: the same request may succeed a second later."""


class Store(Protocol):
    """A store of greetings, open until it is closed.

    Every method but `aclose` raises `UnavailableError` where the store is a database that does not answer.
    """

    @property
    def kind(self) -> Literal["json", "postgresql"]:
        """What the greetings come from."""

    async def all(self) -> list[Greeting]:
        """Every greeting, sorted by language."""

    async def get(self, lang: str) -> Greeting | None:
        """The greeting in that language, spelled exactly so; None where there is none."""

    def each(self) -> AsyncGenerator[Greeting, None]:
        """Every greeting, sorted by language, as the store comes by them; to be closed by who leaves early."""

    async def check(self) -> None:
        """Returns when the store has answered."""

    async def aclose(self) -> None:
        """Lets go of what the store holds; it is not used after that."""


class JSONStore:
    """The greetings of a JSON file, read once."""

    kind: Literal["json"] = "json"

    def __init__(self, greetings: dict[str, str]) -> None:
        self._sorted = [Greeting(lang, text) for lang, text in sorted(greetings.items())]
        self._by_lang = {greeting.lang: greeting for greeting in self._sorted}

    async def all(self) -> list[Greeting]:
        return self._sorted

    async def get(self, lang: str) -> Greeting | None:
        return self._by_lang.get(lang)

    async def each(self) -> AsyncGenerator[Greeting, None]:
        for greeting in self._sorted:
            yield greeting

    async def check(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


def read_greetings(file: Path) -> dict[str, str]:
    """The greetings of a JSON file, an object of language tag to text.

    Raises `GreetingsError` naming the file, the line where there is one, and the key where there is one.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GreetingsError(f"{file}: cannot be read: {error}") from error

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members: dict[str, object] = {}
        for key, value in pairs:
            if key in members:
                raise GreetingsError(f"{_place(file, text, key)}: the key is there twice.")
            members[key] = value
        return members

    try:
        members = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise GreetingsError(f"{file}, line {error.lineno}: not JSON: {error.msg}.") from error
    except (ValueError, RecursionError) as error:
        raise GreetingsError(f"{file}: too large a number, or nested too deep: {error}.") from error
    if not isinstance(members, dict) or not members:
        raise GreetingsError(f"{file}: not an object of language tags and texts.")
    for key, value in members.items():
        if not is_language_tag(key):
            raise GreetingsError(f"{_place(file, text, key)}: the key is not a language tag.")
        # JSON can spell halves of characters, which nothing can be written as.
        if not isinstance(value, str) or not value or re.search("[\ud800-\udfff]", value):
            raise GreetingsError(f"{_place(file, text, key)}: the value is not a text.")
    return members


def _place(file: Path, text: str, key: str) -> str:
    """Where `key` stands last in the file, for a message; without a line where it is spelled with escapes."""
    offset = text.rfind(json.dumps(key, ensure_ascii=False))
    line = f", line {text.count(chr(10), 0, offset) + 1}" if offset >= 0 else ""
    return f"{file}{line}, key {json.dumps(key, ensure_ascii=False)}"

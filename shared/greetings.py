"""The data layer: greetings by language.

The methods of a store are coroutines, so that a store can be a database.
"""

import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from shared.errors import ConfigurationError

FILE = Path(__file__).parent / "greetings.json"

LANGUAGE_TAG = r"^(?:[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*|x(?:-[A-Za-z0-9]{1,8})+)$"
"""A language tag in the contract: the syntax of RFC 5646 section 2.1, without its registry."""

_language_tag = re.compile(LANGUAGE_TAG)


def is_language_tag(text: str) -> bool:
    """Returns whether the whole of `text` has the syntax of a language tag."""
    # fullmatch, since `$` also matches before a final newline.
    return _language_tag.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Greeting:
    """A greeting and its language."""

    lang: str
    text: str


class Store(Protocol):
    """A store of greetings, open until `aclose` is called.

    Every method but `aclose` raises `UnavailableError` if the store is a database that does not
    answer.
    """

    @property
    def kind(self) -> Literal["json", "postgresql"]:
        """The kind of the store, as `GET /health` reports it."""

    async def all(self) -> list[Greeting]:
        """Returns every greeting, sorted by language."""

    async def get(self, lang: str) -> Greeting | None:
        """Returns the greeting whose language is exactly `lang`, None if there is none."""

    def each(self) -> AsyncGenerator[Greeting, None]:
        """Yields every greeting, sorted by language.

        A caller that stops early must close the generator.
        """

    async def check(self) -> None:
        """Returns when the store has answered."""

    async def aclose(self) -> None:
        """Closes the store, which cannot be used afterwards."""


class JSONStore:
    """Greetings from a JSON file, which is read once."""

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
    """Returns the greetings of a JSON file, an object of language tag to text.

    Raises `ConfigurationError`, which names the file and, if known, the line and the key.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members: dict[str, object] = {}
        for key, value in pairs:
            if key in members:
                raise ConfigurationError(f"{_position(file, text, key)}: the key is there twice.")
            members[key] = value
        return members

    try:
        members = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        where = f"{file}, line {error.lineno}"
        raise ConfigurationError(f"{where}: not JSON: {error.msg}.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{file}: too large a number, or nested too deep: {error}."
        ) from error
    if not isinstance(members, dict) or not members:
        raise ConfigurationError(f"{file}: not an object of language tags and texts.")
    for key, value in members.items():
        if not is_language_tag(key):
            raise ConfigurationError(
                f"{_position(file, text, key)}: the key is not a language tag."
            )
        # A JSON escape can be half of a surrogate pair, which cannot be encoded as UTF-8.
        if not isinstance(value, str) or not value or re.search("[\ud800-\udfff]", value):
            raise ConfigurationError(f"{_position(file, text, key)}: the value is not a text.")
    return members


def _position(file: Path, text: str, key: str) -> str:
    """Returns the last position of `key` in the file, for a message.

    The position has no line if the key is written with escapes.
    """
    offset = text.rfind(json.dumps(key, ensure_ascii=False))
    line = f", line {text.count(chr(10), 0, offset) + 1}" if offset >= 0 else ""
    return f"{file}{line}, key {json.dumps(key, ensure_ascii=False)}"

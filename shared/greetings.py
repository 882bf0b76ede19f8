"""The data layer: greetings by language, asynchronous at its surface so that a database can stand behind it."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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


class Greetings(Protocol):
    """A store of greetings, open until it is closed."""

    async def all(self) -> list[Greeting]:
        """Every greeting, sorted by language."""

    async def get(self, lang: str) -> Greeting | None:
        """The greeting in that language, spelled exactly so; None where there is none."""

    async def close(self) -> None:
        """Lets go of what the store holds; it is not used after that."""


class JSONGreetings:
    """The greetings of a JSON file, read once."""

    def __init__(self, greetings: dict[str, str]) -> None:
        self._sorted = [Greeting(lang, text) for lang, text in sorted(greetings.items())]
        self._by_lang = {greeting.lang: greeting for greeting in self._sorted}

    async def all(self) -> list[Greeting]:
        return self._sorted

    async def get(self, lang: str) -> Greeting | None:
        return self._by_lang.get(lang)

    async def close(self) -> None:
        pass


async def open_greetings() -> Greetings:
    """The store that `GREETINGS_URL` names: unset, the JSON file beside this module.

    Raises `GreetingsError`, which is meant to stop the start-up.
    """
    if url := os.environ.get("GREETINGS_URL"):
        scheme = url.partition(":")[0]
        raise GreetingsError(
            f"GREETINGS_URL: {scheme} stores are not supported yet; unset it to use {FILE.name}."
        )
    return JSONGreetings(read_greetings(FILE))


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

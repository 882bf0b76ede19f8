"""The data layer: what it reads, and what it says of a file that it cannot use."""

import asyncio
import re
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.greetings import Greeting, JSONStore, read_greetings


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", ", line 1: not JSON"),
        ('{"en": "Hello",\n "es": }', ", line 2: not JSON"),
        ("[]", ": not an object"),
        ("{}", ": not an object"),
        ('{\n "en": "Hello",\n "e": "x"\n}', ', line 3, key "e": the key is not a language tag'),
        ('\n{"e": "x"}', ', line 2, key "e": the key is not a language tag'),
        ('{\n"é": "x"}', ', line 2, key "é": the key is not a language tag'),
        ('{"en": "Hello",\n\n"es": null}', ', line 3, key "es": the value is not a text'),
        ('{"en": ""}', ', line 1, key "en": the value is not a text'),
        ('{"en": "Hello",\n"en": "Hi"}', ', line 2, key "en": the key is there twice'),
        ('{"\\u0065": "x"}', ', key "e": the key is not a language tag'),
        ('{"en": "zh", "zh!": "x"}', ', line 1, key "zh!": the key is not a language tag'),
        (b'{"en": "\xff"}', ": cannot be read"),
        ('{"en": "\\ud800"}', ', line 1, key "en": the value is not a text'),
        ('{"en": ' + "[" * 100_000, ": too large a number, or nested too deep"),
        ('{"en": ' + "1" * 5000 + "}", ": too large a number, or nested too deep"),
    ],
)
def test_a_malformed_file_is_told_by_file_line_and_key(
    content: str | bytes, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "greetings.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError, match=f"^{re.escape(f'{file}{message}')}"):
        read_greetings(file)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.json: cannot be read"):
        read_greetings(tmp_path / "none.json")


def test_the_greetings_are_sorted_by_language() -> None:
    greetings = asyncio.run(JSONStore({"zh": "你好", "en": "Hello"}).all())
    assert greetings == [Greeting("en", "Hello"), Greeting("zh", "你好")]

"""Whose key a request carries, in whatever spelling."""

import pytest

from rehearsal.access import api_key_of


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ([], None),
        ([b"Key abc"], "abc"),
        ([b"key  abc "], "abc"),
        ([b"Key abc", b"Basic eDp5"], "abc"),
        ([b"Basic eDp5", b"Key abc"], "abc"),
        ([b"Key"], ""),
        ([b"Bearer abc"], None),
        ([b"Keyabc"], None),
    ],
)
def test_a_key_is_found_beside_whatever_else_is_sent(values: list[bytes], key: str | None) -> None:
    headers = [(b"host", b"localhost"), *((b"authorization", value) for value in values)]
    assert api_key_of({"type": "http", "headers": headers}) == key

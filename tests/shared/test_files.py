"""The conditions of requests for static files, by themselves."""

import pytest

from shared.files import evaluate, file_headers

DATE = b"Thu, 26 Nov 2026 12:00:00 GMT"
FILE = {b"etag": b'"a,b"', b"last-modified": DATE}


@pytest.mark.parametrize(
    ("name", "values", "status"),
    [
        (b"if-none-match", [b'"x"', b'W/"a,b"'], 304),
        (b"if-none-match", [b'"a"'], None),
        (b"if-none-match", [b" * "], 304),
        (b"if-match", [b'"x", "a,b"'], None),
        (b"if-match", [b'W/"a,b"'], 412),
        (b"if-match", [b"a,b"], 412),
        (b"if-modified-since", [DATE], 304),
        (b"if-modified-since", [b"Thursday, 26-Nov-26 12:00:00 GMT"], 304),
        (b"if-modified-since", [b"Thu Nov 26 12:00:00 2026"], 304),
        (b"if-modified-since", [b"Thu, 26 Nov 2026 11:59:59 GMT"], None),
        (b"if-modified-since", [b"Thu, 26 Nov 2026 12:00:00 +0000"], None),
        # A date may be there once.
        (b"if-modified-since", [DATE, DATE], None),
        (b"if-unmodified-since", [DATE], None),
        (b"if-unmodified-since", [b"Thu Jan  1 00:00:00 1970"], 412),
        (b"if-unmodified-since", [b"\xff"], None),
    ],
)
def test_a_condition_has_its_answer(name: bytes, values: list[bytes], status: int | None) -> None:
    assert evaluate({name: values}, FILE) == status


def test_without_validators_nothing_is_evaluated() -> None:
    assert evaluate({b"if-match": [b'"x"']}, {}) is None
    assert evaluate({}, FILE) is None
    assert evaluate({b"if-modified-since": [DATE]}, {b"etag": b'"x"'}) is None


def test_a_file_has_the_media_type_of_its_ending() -> None:
    assert file_headers("x/y.css")["Content-Type"] == "text/css; charset=utf-8"
    assert file_headers("x.css/LICENSE")["Content-Type"] == "application/octet-stream"

"""The origin of a websocket, by itself; the contract has the rest."""

import pytest

from shared.security import is_same_origin

HOST, ORIGIN, BASE_URL = b"host", b"origin", b"rstudio-connect-app-base-url"
INTERNAL = (HOST, b"127.0.0.1:39001")
CONTENT = (BASE_URL, b"https://connect.example.org/content/1b2c")


@pytest.mark.parametrize(
    ("origin", "others"),
    [
        (b"http://host.example", [(HOST, b"host.example")]),
        (b"http://host.example:8000", [(HOST, b"host.example:8000")]),
        (b"http://host.example", [(HOST, b"HOST.example:80")]),
        (b"http://[::1]:8000", [(HOST, b"[::1]:8000")]),
        # A proxy ends TLS and passes Host on.
        (b"https://host.example", [(HOST, b"host.example")]),
        (b"https://host.example", [(HOST, b"host.example:443")]),
        # Connect's internal address, and the base URL that it sends.
        (b"https://connect.example.org", [INTERNAL, CONTENT]),
        (
            b"https://connect.example.org",
            [INTERNAL, (BASE_URL, b"https://connect.example.org:443")],
        ),
    ],
)
def test_the_apps_own_pages_may(origin: bytes, others: list[tuple[bytes, bytes]]) -> None:
    assert is_same_origin({"type": "websocket", "headers": [(ORIGIN, origin), *others]})
    assert is_same_origin({"type": "websocket", "headers": others})


@pytest.mark.parametrize(
    ("origin", "others"),
    [
        (b"http://host.example:8001", [(HOST, b"host.example:8000")]),
        (b"http://host.example:443", [(HOST, b"host.example")]),
        (b"http://host.example@evil.example", [(HOST, b"host.example")]),
        (b"http://evil.example/host.example", [(HOST, b"host.example")]),
        (b"null", [(HOST, b"null")]),
        (b"", [(HOST, b"")]),
        (b"http://", [(HOST, b"host.example")]),
        (b"host.example", [(HOST, b"host.example")]),
        (b"file://host.example", [(HOST, b"host.example")]),
        (b"http://host.example", []),
        (b"http://a.example", [(HOST, b"a.example"), (HOST, b"a.example")]),
        (b"http://a.example", [(ORIGIN, b"http://a.example"), (HOST, b"a.example")]),
        # The base URL counts, not the internal address. Its scheme is known.
        (b"http://127.0.0.1:39001", [INTERNAL, CONTENT]),
        (b"http://connect.example.org", [INTERNAL, CONTENT]),
        (b"https://connect.example.org:8443", [INTERNAL, CONTENT]),
    ],
)
def test_other_pages_may_not(origin: bytes, others: list[tuple[bytes, bytes]]) -> None:
    assert not is_same_origin({"type": "websocket", "headers": [(ORIGIN, origin), *others]})

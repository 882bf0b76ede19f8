"""The mount layer and Connect's headers, by themselves."""

import string
from typing import Any, Literal
from urllib.parse import quote, unquote

import pytest

from shared.asgi import Scope
from shared.connect import (
    ROUTE,
    Credentials,
    Mount,
    headers_trusted,
    parse_base_url,
    parse_credentials,
    parse_prefix,
)
from shared.pages import LACKS_SLASH
from shared.problems import Problem

BASE_URL = b"rstudio-connect-app-base-url"


async def nothing(*_: Any) -> None:
    pass


def scope(path: str, root_path: str = "", *base_urls: bytes, **more: Any) -> Scope:
    return {
        "type": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": root_path,
        "headers": [(b"host", b"example"), *((BASE_URL, base_url) for base_url in base_urls)],
        **more,
    }


@pytest.fixture(autouse=True)
def _no_product(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECT_HEADERS", "POSIT_PRODUCT", "RSTUDIO_PRODUCT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "trusted"),
    [
        ({}, False),
        ({"POSIT_PRODUCT": "CONNECT"}, True),
        ({"RSTUDIO_PRODUCT": "CONNECT"}, True),
        ({"POSIT_PRODUCT": "WORKBENCH", "RSTUDIO_PRODUCT": "CONNECT"}, True),
        ({"POSIT_PRODUCT": "CONNECT_CLOUD"}, False),
        ({"CONNECT_HEADERS": "trust"}, True),
        ({"CONNECT_HEADERS": "ignore", "POSIT_PRODUCT": "CONNECT"}, False),
        ({"CONNECT_HEADERS": "", "POSIT_PRODUCT": "CONNECT"}, True),
    ],
)
def test_trust_follows_the_product_unless_connect_headers_decides(
    environment: dict[str, str], trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert headers_trusted() is trusted


@pytest.mark.parametrize("value", ["yes", "Ignore", "TRUST", "off", " trust"])
def test_an_unknown_value_of_connect_headers_is_an_error(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECT_HEADERS", value)
    monkeypatch.setenv("POSIT_PRODUCT", "CONNECT")
    with pytest.raises(ValueError, match=f"must be trust or ignore, not {value!r}"):
        Mount(nothing, path="included")


@pytest.mark.parametrize("path", ["included", "stripped"])
def test_a_scope_in_the_wanted_form_is_handed_on_as_it_is(path: Any) -> None:
    given = scope("/content/x/greetings" if path == "included" else "/greetings", "/content/x")
    assert Mount(nothing, path=path).mounted(given) == {**given, ROUTE: "/greetings"}
    bare = scope("/greetings")
    assert Mount(nothing, path=path).mounted(bare) == {**bare, ROUTE: "/greetings"}


@pytest.mark.parametrize("given", ["/content/x/greetings", "/greetings"])
def test_either_form_becomes_the_wanted_one(given: str) -> None:
    before = scope(given, "/content/x")
    included = Mount(nothing, path="included").mounted(before)
    assert included["path"] == "/content/x/greetings"
    assert included["raw_path"] == b"/content/x/greetings"
    stripped = Mount(nothing, path="stripped").mounted(before)
    assert (stripped["path"], stripped["raw_path"]) == ("/greetings", b"/greetings")
    assert included["root_path"] == stripped["root_path"] == "/content/x"
    assert before == scope(given, "/content/x")


def test_websockets_are_mounted_too() -> None:
    given = scope("/content/x/live", "/content/x", type="websocket")
    assert Mount(nothing, path="stripped").mounted(given)["path"] == "/live"


def test_where_a_path_fits_both_readings_the_specifications_wins() -> None:
    given = scope("/content/x/content/x", "/content/x")
    assert Mount(nothing, path="stripped").mounted(given)["path"] == "/content/x"


def test_a_prefix_ends_at_a_slash() -> None:
    given = scope("/content/xyz", "/content/x")
    stripped = Mount(nothing, path="stripped").mounted(given)
    assert (stripped["path"], stripped["raw_path"]) == ("/content/xyz", b"/content/xyz")
    included = Mount(nothing, path="included").mounted(given)
    assert included["path"] == "/content/x/content/xyz"
    assert included["raw_path"] == b"/content/x/content/xyz"


@pytest.mark.parametrize("path", ["/content/x", "/content/x/", ""])
def test_the_mount_itself_is_the_root(path: str) -> None:
    mounted = Mount(nothing, path="stripped").mounted(scope(path, "/content/x"))
    assert (mounted["path"], mounted["raw_path"]) == ("/", b"/")
    assert mounted.get(LACKS_SLASH, False) is not path.endswith("/")


def test_a_final_slash_of_root_path_is_dropped() -> None:
    mounted = Mount(nothing, path="included").mounted(scope("/greetings", "/content/x/"))
    assert (mounted["root_path"], mounted["path"]) == ("/content/x", "/content/x/greetings")


def test_what_fits_already_is_handed_on_as_it_came() -> None:
    """Most requests on Connect: nothing is encoded or joined again."""
    given = scope("/content/x/greetings", "/content/x")
    assert Mount(nothing, path="included").mounted(given)["raw_path"] is given["raw_path"]


@pytest.mark.parametrize("path", ["included", "stripped"])
def test_a_server_may_leave_out_an_empty_root_path(path: Literal["included", "stripped"]) -> None:
    """ASGI, HTTP connection scope: "Optional; if missing defaults to the empty string"."""
    given = scope("/greetings")
    del given["root_path"]
    assert Mount(nothing, path=path).mounted(given)["root_path"] == ""


def test_a_prefix_spelled_with_percent_encoding_is_found_and_the_rest_stays_as_it_came() -> None:
    given = scope("/content/x/a/b", "/content/x", raw_path=b"/c%6Fntent%2Fx/a%2Fb")
    mounted = Mount(nothing, path="stripped").mounted(given)
    assert (mounted["path"], mounted["raw_path"]) == ("/a/b", b"/a%2Fb")


@pytest.mark.parametrize(
    ("target", "path", "raw_path"),
    [
        ("http://host/greetings", "/greetings", b"/greetings"),
        ("HTTP://Host.example:8000/a%2Fb", "/a/b", b"/a%2Fb"),
        ("https://[::1]/%FF", "/\ufffd", b"/%FF"),
        ("http://host/content/x/greetings", "/greetings", b"/greetings"),
        ("http://host", "/", b"/"),
        ("http://host//greetings", "//greetings", b"//greetings"),
        # These are not the absolute form of a target.
        ("https://[::1/hello", "https://[::1/hello", b"https://[::1/hello"),
        ("http://host:99999/hello", "http://host:99999/hello", b"http://host:99999/hello"),
        ("ftp://host/hello", "ftp://host/hello", b"ftp://host/hello"),
        ("http://a@b/hello", "http://a@b/hello", b"http://a@b/hello"),
        ("http://a%2Fb/hello", "http://a%2Fb/hello", b"http://a%2Fb/hello"),
        ("%2Fhello", "%2Fhello", b"%2Fhello"),
        ("*", "*", b"*"),
    ],
)
def test_the_absolute_form_of_a_target_is_its_path(target: str, path: str, raw_path: bytes) -> None:
    given = scope(unquote(target), "/content/x", raw_path=target.encode())
    mounted = Mount(nothing, path="stripped").mounted(given)
    assert (mounted["path"], mounted["raw_path"]) == (path, raw_path)


def test_a_server_without_raw_path_gets_one_made() -> None:
    given = scope("/content/x/你好", "/content/x", raw_path=None)
    mounted = Mount(nothing, path="stripped").mounted(given)
    assert mounted["raw_path"] == b"/%E4%BD%A0%E5%A5%BD"


def test_a_server_without_raw_path_gets_one_made_where_nothing_else_changes() -> None:
    mounted = Mount(nothing, path="stripped").mounted(scope("/greetings", raw_path=None))
    assert mounted["raw_path"] == b"/greetings"


def test_an_encoded_slash_behind_the_prefix_ends_it_in_both_paths() -> None:
    given = scope("/content/x/greetings", "/content/x", raw_path=b"/content/x%2Fgreetings")
    mounted = Mount(nothing, path="stripped").mounted(given)
    assert (mounted["path"], mounted["raw_path"]) == ("/greetings", b"/greetings")


@pytest.mark.parametrize("root_path", ["/a b", "/a b/", "/a b/X"])
def test_a_root_path_that_is_not_believed_is_taken_off_the_path(root_path: str) -> None:
    path = f"{root_path.rstrip('/')}/greetings"
    given = scope(path, root_path, raw_path=quote(path).encode())
    mounted = Mount(nothing, path="included").mounted(given)
    assert (mounted["root_path"], mounted["path"]) == ("", "/greetings")
    assert mounted["raw_path"] == b"/greetings"


def test_root_path_comes_before_the_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSIT_PRODUCT", "CONNECT")
    given = scope("/greetings", "/content/x", b"https://h.example/vanity")
    mounted = Mount(nothing, path="included").mounted(given)
    assert mounted["root_path"] == "/content/x"
    assert (BASE_URL, b"https://h.example/vanity") in mounted["headers"]


def test_trailers_that_a_server_appends_to_the_headers_do_not_reach_the_application() -> None:
    given = scope("/greetings")
    mounted = Mount(nothing, path="stripped").mounted(given)
    given["headers"].append((b"rstudio-connect-credentials", b'{"user":"ada"}'))
    assert mounted["headers"] == [(b"host", b"example")]


def test_untrusted_headers_are_dropped() -> None:
    given = scope("/greetings", "", b"https://h.example/vanity")
    given["headers"].append((b"rstudio-connect-credentials", b'{"user":"eve"}'))
    mounted = Mount(nothing, path="included").mounted(given)
    assert (mounted["root_path"], mounted["path"]) == ("", "/greetings")
    assert mounted["headers"] == [(b"host", b"example")]


def test_an_untrusted_header_is_dropped_where_it_is_the_only_one() -> None:
    given = scope("/greetings", headers=[(b"rstudio-connect-credentials", b'{"user":"eve"}')])
    assert Mount(nothing, path="included").mounted(given)["headers"] == []


def test_a_base_url_below_the_layer_has_no_final_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSIT_PRODUCT", "CONNECT")
    mounted = Mount(nothing, path="included").mounted(scope("/", "", b"https://h.example/x/"))
    assert mounted["headers"] == [(b"host", b"example"), (BASE_URL, b"https://h.example/x")]


@pytest.mark.parametrize(
    ("value", "prefix"),
    [
        (b"https://connect.example.org/content/1b2c", "/content/1b2c"),
        (b"http://127.0.0.1:3939/a/b.c/~d/_e-f", "/a/b.c/~d/_e-f"),
        (b"https://connect.example.org", ""),
        (b"https://connect.example.org/", ""),
        (b"https://[2001:db8::1]:443/x", "/x"),
    ],
)
def test_a_base_url_is_an_absolute_url_with_a_plain_path(value: bytes, prefix: str) -> None:
    base_url = parse_base_url(value)
    assert base_url is not None
    assert base_url.prefix == prefix
    assert base_url.url == value.decode().rstrip("/")


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"https://h.example:99999/x",
            b"https://...",
            b"https://[:::::]/x",
            b"https://h.example/x//",
        ),
        *(
            b"https://h.example/" + b"x" * 2048,
            b"https://h.example/x\n",
            b"https://user@h.example/x",
        ),
    ],
)
def test_anything_else_is_no_base_url(value: bytes) -> None:
    assert parse_base_url(value) is None


@pytest.mark.parametrize(
    "root_path", ["/", "", "x", "/a//b", "/a/..", "/../a", "/./a", "/a b", "/é", "/%41", "/a\n"]
)
def test_a_prefix_is_made_of_plain_segments(root_path: str) -> None:
    assert parse_prefix(root_path) == ""


@pytest.mark.parametrize("last", [*string.ascii_letters, *string.digits, *"-._~"])
def test_a_prefix_may_end_in_any_unreserved_character(last: str) -> None:
    assert parse_prefix(f"/content/x{last}") == f"/content/x{last}"


def test_a_prefix_has_at_most_2048_characters() -> None:
    longest = "/" + 2047 * "x"
    assert parse_prefix(longest) == longest
    assert parse_prefix(f"{longest}x") == ""


def test_a_base_url_has_at_most_2048_characters() -> None:
    longest = b"https://h.example/".ljust(2048, b"x")
    assert parse_base_url(longest) is not None
    assert parse_base_url(longest + b"x") is None


def test_dots_inside_a_segment_are_plain() -> None:
    assert parse_prefix("/a..b/.c/d.") == "/a..b/.c/d."


def test_credentials_are_absent_or_whole() -> None:
    assert parse_credentials([]) is None
    found = parse_credentials([b'{"user":"ada","groups":["x"],"more":1}'])
    assert found == Credentials("ada", ["x"])
    with pytest.raises(Problem) as refused:
        parse_credentials([b'{"user":""}'])
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("raw_path", "normalized"),
    [
        (b"/he%61lth", b"/health"),
        (b"/%2E%2e/%7Ex%5f%2D%30%5A%7a", b"/../~x_-0Zz"),
        (b"/%2F%25%20%40%5B%60%7B%3A%C3%A9", b"/%2F%25%20%40%5B%60%7B%3A%C3%A9"),
        # Decoded once, this is %68.
        (b"/%6%38%zz%", b"/%2568%25zz%25"),
    ],
)
def test_characters_that_need_no_encoding_are_decoded(raw_path: bytes, normalized: bytes) -> None:
    given = {**scope("/"), "raw_path": raw_path}
    assert Mount(nothing, path="included").mounted(given)["raw_path"] == normalized

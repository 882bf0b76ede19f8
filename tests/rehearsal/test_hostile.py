"""Requests of hostile clients and pages: each is refused or answered, and none is answered 500."""

import random
import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from rehearsal.access import host_names
from rehearsal.logs import show_log
from tests.endurance import COUNTS
from tests.figures import HOSTILE, attempt
from tests.rehearsal.bundles import FILES, bundle_of
from tests.rehearsal.running import MIRROR, Running, answered, mirror, running
from tests.rehearsal.wire import TIMEOUT_SECONDS, dial, exchange, read_until
from tooling.errors import UsageError

DIGITS = "9" * 40
MANY_DIGITS = "9" * 5000


@pytest.fixture(scope="module")
def guid(rehearsed: Running) -> str:
    return rehearsed.deployed("target", mirror())


def ask(rehearsed: Running, target: str, *lines: bytes, host: bytes | None = None) -> bytes:
    """The answer to these bytes; the connection is closed after it."""
    own = urlsplit(rehearsed.url).netloc.encode()
    head = [f"GET {target} HTTP/1.1".encode(), b"Host: " + (own if host is None else host), *lines]
    if HANDSHAKE[0] not in lines:
        head.append(b"Connection: close")
    return exchange(rehearsed.url, b"\r\n".join([*head, b"", b""]))


HANDSHAKE = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:80]
    return int(answer[9:12])


@pytest.mark.parametrize(
    "host",
    [b"evil.example", b"evil.example:3939", b"localhost.evil.example", b"127.0.0.1.evil", b""],
)
@pytest.mark.parametrize("path", ["/dashboard/", "/__api__/v1/user", "/content/{guid}/told"])
def test_a_name_that_anybody_may_own_is_refused(
    rehearsed: Running, guid: str, path: str, host: bytes
) -> None:
    """DNS rebinding: the name of a page leads to this machine."""
    target = path.format(guid=guid)
    assert status(ask(rehearsed, target, host=host)) == (421 if host else 400)
    upgrade = exchange(
        rehearsed.url,
        b"\r\n".join(
            [
                f"GET {target} HTTP/1.1".encode(),
                b"Host: " + host,
                *HANDSHAKE,
                *(b"", b""),
            ]
        ),
    )
    assert status(upgrade) in (400, 403, 421)


@pytest.mark.parametrize(
    "host", [b"localhost", b"LOCALHOST:1", b"x.localhost", b"192.0.2.7", b"[::1]:80"]
)
def test_localhost_and_addresses_are_no_such_names(rehearsed: Running, host: bytes) -> None:
    assert status(ask(rehearsed, "/dashboard/", host=host)) == 200


def test_a_name_that_the_developer_has_given_is_answered(tmp_path: Path) -> None:
    """JupyterHub and Workbench pass the host on under which they are opened."""
    allowed = host_names("hub.example.org, Workbench.example.org")
    with running(tmp_path, allowed_hosts=allowed) as rehearsed:
        for host, expected in (
            (b"hub.example.org", 200),
            (b"HUB.example.org:443", 200),
            (b"workbench.example.org", 200),
            (b"x.hub.example.org", 421),
            (b"hub.example.org.evil.example", 421),
        ):
            assert status(ask(rehearsed, "/dashboard/", host=host)) == expected


@pytest.mark.parametrize(
    "given", ["*", "https://hub.example.org", "hub.example.org:443", "a b", "."]
)
def test_what_is_no_name_of_a_host_is_refused_with_a_sentence(given: str) -> None:
    with pytest.raises(UsageError, match=r"^ALLOWED_HOSTS: .* is not the name of a host"):
        host_names(given)


@pytest.mark.parametrize(
    "host", ["é".encode("latin-1"), "é".encode(), b"x" * 20_000, b"a b", b"a\x01"]
)
@pytest.mark.parametrize("upgrade", [False, True])
def test_a_host_that_is_none_is_refused(
    rehearsed: Running, guid: str, host: bytes, upgrade: bool
) -> None:
    for target in ("/dashboard/", f"/content/{guid}/told"):
        lines = HANDSHAKE if upgrade else ()
        assert 400 <= status(ask(rehearsed, target, *lines, host=host)) < 500


def test_numbers_of_any_length_are_no_bundles(rehearsed: Running, guid: str) -> None:
    publisher = rehearsed.user("publisher")
    for digits in (DIGITS, MANY_DIGITS, "²", "-1"):
        for path in (
            f"/dashboard/{guid}/logs?bundle={digits}",
            f"/dashboard/{guid}/draft/{digits}",
            f"/content/{guid}/_bundle{digits}/told",
        ):
            response = httpx.get(
                rehearsed.url + path,
                cookies={"rehearsal-session": publisher.session},
                timeout=TIMEOUT_SECONDS,
            )
            assert response.status_code in (200, 307, 404), path
        for path in (f"/v1/content/{guid}/bundles/{digits}/download", f"/applications/{digits}"):
            assert rehearsed.api().get(path).status_code == 404


@pytest.mark.parametrize(
    "cookie",
    [
        "a=b;",
        "a=b; ",
        ";",
        ";;a=b;;",
        "a=b;rehearsal-session={session};",
        "rehearsal-session={session}",
        "\trehearsal-session={session}; a=b",
        "\xa0rehearsal-session={session}; a=b",
        "a=b; rehearsal-session ={session}",
        'a="x;rehearsal-session={session};y"',
    ],
)
def test_no_spelling_of_the_session_cookie_reaches_an_app(
    rehearsed: Running, guid: str, cookie: str
) -> None:
    session = rehearsed.user("publisher").session
    line = f"Cookie: {cookie.format(session=session)}".encode("latin-1")
    answer = ask(rehearsed, f"/content/{guid}/told", line)
    assert status(answer) == 200
    assert session.encode() not in answer
    if "a=b" in cookie:
        assert b"a=b" in answer
    with dial(rehearsed.url) as connection:
        own = urlsplit(rehearsed.url).netloc.encode()
        head = [f"GET /content/{guid}/ HTTP/1.1".encode(), b"Host: " + own, *HANDSHAKE, line]
        connection.sendall(b"\r\n".join([*head, b"", b""]))
        # The mirror's environment has no library for websockets: it answers as to any request.
        assert status(read_until(connection, b"\r\n\r\n")) in (101, 307)


def test_what_an_app_prints_does_not_control_a_terminal(
    rehearsed: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    text = r"'\x1b]0;title\x07\x9b2J'"
    noise = f"print({text}, flush=True)\n"
    guid = rehearsed.deployed("noisy", bundle_of(FILES | {"main.py": noise.encode() + MIRROR}))
    show_log(rehearsed.rehearsal.settings.directory, guid)
    assert r"\x1b]0;title\x07\x9b2J" in capsys.readouterr().out
    failing = bundle_of(FILES | {"main.py": f"raise RuntimeError({text})".encode()})
    task = rehearsed.deploy(guid, rehearsed.upload(guid, failing))
    assert r"\x1b]0;title\x07\x9b2J" in "\n".join(task["output"])
    assert "\x1b" not in str(task)


def test_two_framings_of_one_body_are_refused(rehearsed: Running, guid: str) -> None:
    """RFC 9112 section 6.1: the connection is closed."""
    for target in ("/dashboard/", "/dashboard/user", f"/content/{guid}/told"):
        request = (
            f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        answer = exchange(rehearsed.url, request.encode())
        assert status(answer) == 400
        assert answer.count(b"HTTP/1.1 ") == 1


def test_generated_requests_are_never_answered_500(rehearsed: Running) -> None:
    api_key, session = rehearsed.user("publisher").api_key, rehearsed.user("publisher").session
    random_ = random.Random(COUNTS.seed)
    guid = rehearsed.deployed("generated", mirror())
    for number in range(COUNTS.hostile_requests):
        if rehearsed.rehearsal.state.content(guid) is None:  # One of the requests deleted it.
            guid = rehearsed.deployed(f"generated-{number}", mirror())
        bundle = str(rehearsed.rehearsal.state.bundles(guid)[0].id)
        request = generated(random_, guid, bundle, api_key, session)
        with attempt(HOSTILE):
            try:
                answer = exchange(rehearsed.url, request)
            except ConnectionError:
                continue  # The server has refused the rest of the request.
            assert not re.match(rb"HTTP/1.1 5", answer), (number, request[:2000], answer[:300])
    answered(rehearsed.api().get("/v1/user"))


METHODS = (
    "GET",
    "GET",
    "GET",
    "HEAD",
    "POST",
    "PATCH",
    "PUT",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "get",
    "X",
)
PATHS = (
    *(
        "/",
        "/dashboard/",
        "/dashboard/profile",
        "/dashboard/user",
        "/dashboard/rehearsal.css",
        "/favicon.ico",
        "/dashboard/source/quart",
        "/dashboard/source/readme",
    ),
    *("/dashboard/{guid}", "/dashboard/{guid}/logs", "/dashboard/{guid}/draft/{bundle}"),
    *("/dashboard/{guid}/delete", "/__api__/v1/content/{guid}/repository"),
    "/__api__/v1/content/{guid}/repository/bundle",
    *(
        "/content/{guid}/",
        "/content/{guid}",
        "/content/{guid}/_bundle{bundle}/",
        "/content/{guid}/told",
    ),
    *("/__api__/v1/user", "/__api__/v1/content", "/__api__/v1/content/{guid}"),
    *("/__api__/v1/content/{guid}/bundles", "/__api__/v1/content/{guid}/environment"),
    *(
        "/__api__/v1/content/{guid}/deploy",
        "/__api__/v1/content/{guid}/build",
        "/__api__/v1/tasks/x",
    ),
    *("/__api__/v1/content/{guid}/bundles/{bundle}/download", "/__api__/applications/1"),
    *("/__api__/server_settings", "/__api__/v1/server_settings/python"),
)
PIECES = (
    *("/", "//", "/..", "/.", "%2f", "%00", "%ff", "%", "%zz", "?", "?bundle=", "#", ";", ":"),
    *("é", "\u4f60", "\\", "'", '"', "<", "0", "9" * 20, "_bundle", "null", "a" * 300),
)
HEADERS = (
    *(
        "Cookie: a=b;",
        "Cookie: rehearsal-session=x",
        "Cookie: \xff",
        "Origin: null",
        "Origin: http://x",
    ),
    *("Accept: text/html", "Accept: \xe9", "Authorization: Key", "Authorization: Key \xe9"),
    *("Content-Type: multipart/form-data", "Content-Type: multipart/form-data; boundary=x"),
    *(
        "Content-Type: application/json",
        "Referer: http://[",
        "Referer: \x80",
        "Expect: 100-continue",
    ),
    *(
        "Range: bytes=0-",
        "If-None-Match: \xe9",
        "Sec-Fetch-Site: same-origin",
        "Connection: keep-alive",
    ),
    *("Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "TE: trailers"),
    *(
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol: \xe9,",
        "X: " + "y" * 9000,
    ),
    *("Sec-WebSocket-Extensions: permessage-deflate", "Forwarded: \xff", "X-Forwarded-For: x"),
)
BODIES = (
    *(b"", b"", b"{", b"null", b"[]", b"{}", b"[" * 3000, b'{"name": 1}', b'{"name": "\\ud800"}'),
    *(
        b'{"bundle_id": "@BUNDLE@"}',
        b'{"bundle_id": 1}',
        b'{"bundle_id": "' + b"9" * 40 + b'"}',
        b"\xff\xfe",
    ),
    *(
        b'{"title": null}',
        b'{"name": "a/b"}',
        b'[{"name": "A", "value": "b"}]',
        b"guid=x",
        b"guid=%ff",
    ),
    *(
        b'[{"name": "A\\u0000", "value": "b"}]',
        b'[{"name": "A=B", "value": ""}]',
        b"--x\r\n\r\n--x--",
    ),
    *(
        b'--x\r\nContent-Disposition: form-data; name="archive"; filename="a"\r\n\r\nx\r\n'
        b"--x--\r\n",
        b"\x1f\x8b",
    ),
)


def generated(random_: random.Random, guid: str, bundle: str, api_key: str, session: str) -> bytes:
    """A request to one of the addresses, with pieces that are out of place."""
    content = random_.choice([guid, guid, guid, "x", guid[:-1]])
    target = random_.choice(PATHS).format(guid=content, bundle=bundle)
    for _ in range(random_.choice([0, 0, 1, 2])):
        at = random_.randint(1, len(target))
        target = target[:at] + random_.choice(PIECES) + target[at:]
    headers = [f"Host: {random_.choice(['localhost'] * 9 + ['', 'x y'])}", "Connection: close"]
    if random_.random() < 0.7:
        headers.append(f"Authorization: Key {api_key}")
    if random_.random() < 0.5:
        headers += [f"Cookie: rehearsal-session={session}", "Sec-Fetch-Site: same-origin"]
    headers += random_.sample(HEADERS, random_.choice([0, 1, 2, 5]))
    body = random_.choice(BODIES).replace(b"@BUNDLE@", bundle.encode())
    if body:
        length = random_.choice([len(body)] * 9 + [len(body) - 1])
        headers.append(random_.choice([f"Content-Length: {length}"] * 5 + ["Content-Length: x"]))
    head = "\r\n".join([f"{random_.choice(METHODS)} {target} HTTP/1.1", *headers, "", ""])
    return head.encode("utf-8" if random_.random() < 0.3 else "latin-1", "replace") + body

"""What the gateway sends on, byte for byte, and what it removes."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rehearsal.proxy.gateway import Gateway
from rehearsal.proxy.upstream import Credentials, Upstream
from tests.gateway import RoutingTable, not_found
from tests.rehearsal.wire import OK, Recorder, exchange, recording
from tests.serving import serving

PREFIX = "/content/7b1e"


class Mounted:
    """A recording upstream, and a gateway in front of it."""

    def __init__(self, recorder: Recorder, table: RoutingTable, url: str) -> None:
        self.recorder = recorder
        self.table = table
        self.url = url

    def set(self, **changes: object) -> None:
        self.table.put(replace(self.table.upstreams[PREFIX], **changes))  # type: ignore[arg-type]

    def get(
        self, target: bytes, *headers: bytes, host: bytes = b"here.test:1", method: bytes = b"GET"
    ) -> bytes:
        lines = [
            b"%s %s HTTP/1.1" % (method, target),
            b"Host: %s" % host,
            b"Connection: close",
            *headers,
        ]
        return exchange(self.url, b"\r\n".join(lines) + b"\r\n\r\n")


@pytest.fixture(scope="module")
def running() -> Iterator[Mounted]:
    with recording() as recorder:
        table = RoutingTable()
        with serving(Gateway(table.resolve, not_found)) as url:
            yield Mounted(recorder, table, url)


@pytest.fixture
def mounted(running: Mounted) -> Mounted:
    """As it was at first."""
    running.recorder.heads.clear()
    running.recorder.answer = OK
    running.table.upstreams.clear()
    running.table.put(Upstream(PREFIX, running.recorder.port))
    return running


TARGETS = [
    b"/a/../b",
    b"/../../etc/passwd",
    b"//double//slash/",
    b"/%2F%2f%5c%5C%2e%2E",
    b"/%00%0d%0a%ff",
    b"/;p=1/b;q?x=%20&y=+&z=//../",
    b"/\"<>[]{}|^`'\\~",
    b"/x??y=?&&",
    b"/" + b"long" * 4000,
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:24].decode())
def test_the_app_sees_the_target_as_the_client_sent_it(mounted: Mounted, target: bytes) -> None:
    assert mounted.get(PREFIX.encode() + target).endswith(b"ok")
    mounted.set(strip_prefix=False)
    assert mounted.get(PREFIX.encode() + target).endswith(b"ok")
    assert mounted.recorder.targets == [target, PREFIX.encode() + target]


@pytest.mark.parametrize("query", [b"", b"?q=1"])
def test_the_bare_prefix_gets_its_slash(mounted: Mounted, query: bytes) -> None:
    """A relative reference: it holds behind a further proxy that takes a prefix off."""
    answer = mounted.get(b"/content/7b1e" + query)
    assert answer.startswith(b"HTTP/1.1 307 ")
    assert b"\r\nlocation: 7b1e/%s\r\n" % query in answer.replace(b"Location", b"location")
    assert mounted.recorder.heads == []


def test_the_bare_prefix_goes_on_where_a_redirect_would_lose_the_body(mounted: Mounted) -> None:
    for strip_prefix in (True, False):
        mounted.set(strip_prefix=strip_prefix)
        mounted.get(b"/content/7b1e?q=1", method=b"POST")
    assert mounted.recorder.targets == [b"/?q=1", b"/content/7b1e?q=1"]


@pytest.mark.parametrize(
    "target", [b"/", b"/content/7b1", b"/content/7b1ee/", b"/content/%37b1e/", b"/x/content/7b1e/"]
)
def test_other_paths_are_404_problems_that_tell_nothing(mounted: Mounted, target: bytes) -> None:
    answer = mounted.get(target)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"content-type: application/problem+json" in answer.lower()
    assert PREFIX.encode() not in answer
    assert mounted.recorder.heads == []


@pytest.mark.parametrize("way", [b"/..", b"/%2e%2e"])
def test_the_longest_prefix_wins_and_dots_do_not_leave_it(mounted: Mounted, way: bytes) -> None:
    with recording() as draft:
        mounted.table.put(Upstream(PREFIX + "/_bundle7", draft.port))
        mounted.get(b"/content/7b1e/_bundle7%s/x" % way)
        mounted.get(b"/content/7b1e/_bundle70/x")
        assert draft.targets == [way + b"/x"]
        assert mounted.recorder.targets == [b"/_bundle70/x"]


def test_a_route_can_come_and_go_while_it_runs(mounted: Mounted) -> None:
    route = mounted.table.upstreams[PREFIX]
    mounted.table.remove(PREFIX)
    assert b" 404 " in mounted.get(b"/content/7b1e/")
    mounted.table.put(route)
    assert b" 200 " in mounted.get(b"/content/7b1e/")


def test_the_app_is_told_where_it_is_mounted(mounted: Mounted) -> None:
    mounted.get(b"/content/7b1e/a%2Fb?c=d")
    recorder = mounted.recorder
    assert recorder.headers(b"host") == [b"here.test:1"]
    assert recorder.headers(b"rstudio-connect-app-base-url") == [b"http://here.test:1/content/7b1e"]
    assert recorder.headers(b"x-rsc-request") == [b"http://here.test:1/content/7b1e/a%2Fb?c=d"]
    assert recorder.headers(b"x-forwarded-for") == [b"127.0.0.1"]
    assert recorder.headers(b"x-forwarded-proto") == [b"http"]
    assert recorder.headers(b"x-forwarded-host") == [b"here.test:1"]


def test_what_a_route_does_not_send_is_absent(mounted: Mounted) -> None:
    mounted.set(base_url=False, forwarded=False, drop=frozenset({b"authorization"}))
    mounted.get(b"/content/7b1e/", b"Authorization: Key secret")
    head = mounted.recorder.heads[0].lower()
    assert b"base-url" not in head
    assert b"x-forwarded" not in head
    assert b"secret" not in head


@pytest.mark.parametrize("host", [b'evil"><script>', b"a b", b"javascript:alert(1)", b"x/y", b""])
def test_an_unfit_host_is_not_repeated_in_urls(mounted: Mounted, host: bytes) -> None:
    mounted.get(b"/content/7b1e/", host=host)
    (base_url,) = mounted.recorder.headers(b"rstudio-connect-app-base-url")
    assert base_url == mounted.url.encode() + b"/content/7b1e"


FORGED = [
    b"RStudio-Connect-Credentials",
    b"rstudio-connect-credentials",
    b"RSTUDIO-CONNECT-CREDENTIALS",
    b"RStudio_Connect_Credentials",
    b"RStudio-Connect_Credentials",
    b"RStudio.Connect.Credentials",
    b"RStudio-Connect-App-Base-URL",
    b"rstudio_connect_app_base_url",
    b"X-RSC-Request",
    b"X_RSC_Request",
    b"X-Forwarded-For",
    b"X-Forwarded-Host",
    b"X-Forwarded-Prefix",
    b"x_forwarded_proto",
    b"Forwarded",
    b"Posit-Connect-User-Session-Token",
]


@pytest.mark.parametrize("name", FORGED, ids=bytes.decode)
def test_a_forged_header_is_removed_in_any_spelling(mounted: Mounted, name: bytes) -> None:
    mounted.get(b"/content/7b1e/", name + b": forged", b"X-Kept: kept")
    assert b"forged" not in mounted.recorder.heads[0]
    assert mounted.recorder.headers(b"x-kept") == [b"kept"]


def test_naming_our_header_in_connection_does_not_remove_it(mounted: Mounted) -> None:
    mounted.set(credentials=Credentials("ada"))
    nominate = b"Connection: RStudio-Connect-Credentials, X-RSC-Request, X-Dropped"
    mounted.get(b"/content/7b1e/", nominate, b"X-Dropped: 1", b"TE: trailers", b"Keep-Alive: 9")
    recorder = mounted.recorder
    assert recorder.headers(b"rstudio-connect-credentials") == [b'{"user":"ada","groups":[]}']
    assert len(recorder.headers(b"x-rsc-request")) == 1
    for hop_by_hop in (b"x-dropped", b"te", b"keep-alive"):
        assert recorder.headers(hop_by_hop) == []
    assert recorder.headers(b"connection") == [b"close"]


def test_credentials_arrive_as_one_header_of_utf_8_json(mounted: Mounted) -> None:
    user = 'José "Ünï"\r\n你好'
    mounted.set(credentials=Credentials(user))
    mounted.get(b"/content/7b1e/", b"RStudio-Connect-Credentials: {}")
    (value,) = mounted.recorder.headers(b"rstudio-connect-credentials")
    assert json.loads(value) == {"user": user, "groups": []}
    assert "José".encode() in value


def test_header_values_of_16_kib_and_of_any_bytes_pass(mounted: Mounted) -> None:
    long, odd = b"x" * 16 * 1024, bytes(range(0x80, 0x100))
    mounted.get(b"/content/7b1e/", b"X-Long: " + long, b"X-Odd: " + odd, b"X-Two: 1", b"X-Two: 2")
    assert mounted.recorder.headers(b"x-long") == [long]
    assert mounted.recorder.headers(b"x-odd") == [odd]
    assert mounted.recorder.headers(b"x-two") == [b"1", b"2"]


def test_the_answers_headers_pass_and_only_cookie_paths_change(mounted: Mounted) -> None:
    mounted.recorder.answer = (
        b"HTTP/1.1 302 Found\r\n"
        b"Set-Cookie: a=1; Path=/; HttpOnly\r\n"
        b"Set-Cookie: b=/; path=/deep\r\n"
        b"Set-Cookie: c=3\r\n"
        b"Set-Cookie: d=4; Path=/content/7b1e/x; Secure\r\n"
        b"Location: http://127.0.0.1/elsewhere\r\n"
        b"X-Big: " + b"y" * 16 * 1024 + b"\r\n"
        b"Connection: close, X-Hop\r\nX-Hop: 1\r\nContent-Length: 0\r\n\r\n"
    )
    head = mounted.get(b"/content/7b1e/").split(b"\r\n")
    assert [line.split(b": ", 1)[1] for line in head if line.lower().startswith(b"set-cookie")] == [
        b"a=1; Path=/content/7b1e/; HttpOnly",
        b"b=/; path=/content/7b1e/deep",
        b"c=3",
        b"d=4; Path=/content/7b1e/x; Secure",
    ]
    text = b"\r\n".join(head).lower()
    assert b"location: http://127.0.0.1/elsewhere" in text
    assert b"y" * 16 * 1024 in text
    assert b"x-hop" not in text

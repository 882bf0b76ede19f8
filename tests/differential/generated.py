"""Strategies that generate requests and conversations over the websocket."""

from dataclasses import dataclass, replace
from urllib.parse import quote

from hypothesis import strategies as st

from tests.contract.cases.mount import HOSTILE_BASE_URLS
from tests.contract.subjects import mounts
from tests.contract.vocabulary import BASE_URL, CREDENTIALS, Mount, Request

OWN_ETAG = "OWN-ETAG"
"""In the value of a header: the app's own entity tag of the file at the address."""

OWN_DATE = "OWN-DATE"
"""In the value of a header: the app's Last-Modified of the file at the address."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A generated request, and how it reaches the app.

    - `trust`: whether the app trusts Connect's headers.
    - `encoded`: the position of a character of the prefix that the client percent-encodes; None if
      it encodes none.
    """

    request: Request
    mount: Mount
    trust: bool = True
    encoded: int | None = None

    @property
    def path(self) -> str:
        """The path of the target, percent-encoded and without the prefix."""
        return self.request.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.request.target.partition("?")[2]

    def values(self, name: str) -> list[str]:
        """The values of a header."""
        return [str(v) for n, v in self.request.headers if n.lower() == name.lower()]


@dataclass(frozen=True, slots=True)
class Talk:
    """A generated handshake, and the messages that follow if it is accepted."""

    asked: Asked
    messages: tuple[str | bytes, ...] = ()


ADDRESSES = (
    "/",
    "/about",
    "/greetings",
    "/greetings/en",
    "/greetings/zh",
    "/greetings/fr",
    "/greetings/e",
    "/greetings/stream",
    "/hello",
    "/health",
    "/live",
    "/docs",
    "/openapi.json",
    "/nope",
)

FILES = (
    "/static/styles.css",
    "/static/icon.svg",
    "/static/docs.js",
    "/static/swagger-ui/LICENSE",
)

FOLDERS = ("/static", "/static/", "/static/nope.css", "/static/swagger-ui")

PIECES = (
    *("/", "//", "/./", "/../", ".", "..", "%2e%2e", "%2F", "%2f..%2f", "%5C", "\\"),
    *(
        "%00",
        "%0A",
        "%0D%0A",
        "%09",
        "%1B",
        "%20",
        "%7F",
        "%80",
        "%FF",
        "%C3",
        "%C0%AF",
        "%ED%A0%80",
    ),
    *("%C3%A9", "%E2%80%A8", "%F0%9F%98%80", "%25", "%252e", "%3F", "%23", "%", "%2", "%zz"),
    *(";", ";a=b", ":", "@", "~", "+", "*", "&", "=", "$", "'", '"', "<", "|", "x", "EN", "-US"),
)

METHODS = (
    *("GET",) * 12,
    *("HEAD",) * 4,
    *("PUT", "OPTIONS", "TRACE", "POST", "DELETE", "PATCH", "PROPFIND", "BREW", "get"),
)

NAMES = (
    "name",
    "%6eame",
    "n%61me",
    "%6E%61%6D%65",
    "Name",
    "name%00",
    "name[]",
    "other",
    "",
    "na+me",
)

VALUES = (
    *("", "Ada", "Grace+Hopper", "%41da", "a%20b", "%3Cb%3E", "%26amp;", "a=b", "a;b", "=", "%00"),
    *("%0A", "%FF", "%C3", "%ED%A0%80", "%C3%A9", "%F0%9F%98%80", "%", "%zz", "%2", "+", "/", "?"),
    *("x" * 100, "x" * 101, "%F0%9F%98%80" * 100, "%F0%9F%98%80" * 101, "%41" * 101, "%FF" * 101),
)

TAGS = (
    *(OWN_ETAG, f"W/{OWN_ETAG}", '"other"', 'W/"other"', "*", '""', "other", f'"a", {OWN_ETAG}'),
    *(f'W/"a" , {OWN_ETAG}', f'"a,b", {OWN_ETAG}', f"{OWN_ETAG},", f'"x" "y", {OWN_ETAG}', ","),
    *("", '"', '"unended', f"*, {OWN_ETAG}", f"w/{OWN_ETAG}", '"a", "b"'),
)

DATES = (
    *(OWN_DATE, "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 2100 23:59:59 GMT", "yesterday", ""),
    *("Thursday, 01-Jan-70 00:00:00 GMT", "Thu Jan  1 00:00:00 1970", "0", "2026-01-01T00:00:00Z"),
    *("Thu, 01 Jan 1970 00:00:00 +0100", "Thu, 99 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 1970"),
)

RANGES = (
    *(
        "bytes=0-",
        "bytes=0-0",
        "bytes=0-9",
        "bytes=9-",
        "bytes=-5",
        "bytes=5-2",
        "bytes=0-99999999",
    ),
    *(
        "bytes=99999999-",
        "bytes=-0",
        "bytes=-99999999",
        "bytes=0-1,4-5",
        "bytes=0-0,-1",
        "bytes=x-",
    ),
    *(
        "bytes=",
        "bytes",
        "lines=1-2",
        "",
        "Bytes=0-9",
        "bytes = 0-9",
        "bytes=-",
        "bytes=0-9,",
        "none",
    ),
    *("bytes=1-1-1", "bytes=+1-2", "bytes=0-9;q=1", "items=0-", "bytes=00-09"),
)

CREDENTIAL_VALUES = (
    *('{"user":"ada"}', '{"user":"ada","groups":["x"]}', '{"user":"José 你好"}', '{"user":""}', ""),
    *("{", "null", "[]", '{"user":1}', b'{"user":"\xff"}', '{"user":"a","groups":"x"}', "ada"),
    *('{"user":"\\ud800"}', '{"user":"\\u0000"}', " "),
)

COOKIES = (
    "a=b",
    "a=b; c=d",
    "a",
    "=",
    'a="',
    "a=\xff".encode("latin-1"),
    ";",
    "session=x; session=y",
)

ACCEPTS = (
    "*/*",
    "text/html",
    "application/json",
    "application/xml",
    "image/*;q=0",
    "",
    "nonsense",
    "text/x;q=9",
)


def header(
    name: str, values: tuple[str | bytes, ...]
) -> st.SearchStrategy[tuple[str, str | bytes]]:
    return st.tuples(st.just(name), st.sampled_from(values))


PLAIN_HEADERS = st.one_of(
    header(CREDENTIALS, CREDENTIAL_VALUES),
    header("Cookie", COOKIES),
    header("Accept", ACCEPTS),
    header(
        "Content-Type", ("application/json", "text/plain", "multipart/form-data", "nonsense", "")
    ),
    header("Content-Length", ("0",)),
    header("X-Forwarded-Prefix", ("/x",)),
    header("X-Forwarded-Host", ("evil.example",)),
    header("X-HTTP-Method-Override", ("DELETE",)),
    header("Origin", ("http://evil.example", "null", "http://host.example")),
    header("Upgrade", ("websocket", "h2c")),
    header("Expect", ("100-continue",)),
    header("Accept-Encoding", ("gzip", "identity;q=0")),
    header("Accept-Language", ("es", "")),
    header("X-Any", ("", "x" * 3000, b"\xff")),
)

FILE_HEADERS = st.one_of(
    header("If-None-Match", TAGS),
    header("If-Match", TAGS),
    header("If-Modified-Since", DATES),
    header("If-Unmodified-Since", DATES),
    header("Range", RANGES),
    header("Range", RANGES),
    header("If-Range", (*TAGS[:4], *DATES[:4])),
)


@st.composite
def paths(draw: st.DrawFn) -> str:
    """An address of the app, most often changed in one or two places."""
    path = draw(st.sampled_from((*ADDRESSES, *FILES, *FOLDERS)))
    for _ in range(draw(st.sampled_from((0, 1, 1, 2)))):
        position = draw(st.integers(1, len(path)))
        before, after = path[:position], path[position:]
        match draw(st.sampled_from(("encode", "insert", "append", "delete", "case"))):
            case "encode" if after and after[0] not in "%/":
                path = f"{before}%{ord(after[0]):02x}{after[1:]}"
            case "insert":
                path = before + draw(st.sampled_from(PIECES)) + after
            case "append":
                path += draw(st.sampled_from(PIECES))
            case "delete" if position > 0:
                path = before + after[1:]
            case "case":
                path = before + after[:1].swapcase() + after[1:]
    return path


@st.composite
def queries(draw: st.DrawFn) -> str:
    """A query string, as it follows the path: empty, or with its question mark."""
    parameters = draw(
        st.lists(
            st.tuples(
                st.sampled_from(NAMES),
                st.sampled_from(("=", "=", "=", "")),
                st.sampled_from(VALUES),
            ),
            max_size=3,
        )
    )
    separator = draw(st.sampled_from(("&", "&", "&", ";", "&&")))
    joined = separator.join("".join(parameter) for parameter in parameters)
    return f"?{joined}" if joined or draw(st.booleans()) else ""


@st.composite
def targets(draw: st.DrawFn) -> str:
    """The target of a request. Most queries go to the page that reads them."""
    if draw(st.integers(0, 4)) == 0:
        return "/about" + draw(queries())
    path = draw(paths())
    return path + (draw(queries()) if draw(st.integers(0, 3)) == 0 else "")


MOUNTS = tuple(mounts("in process"))


@st.composite
def placed(draw: st.DrawFn, request: Request) -> Asked:
    """The request at one of the mounts."""
    mount = draw(st.sampled_from(MOUNTS))
    asked = Asked(request, mount)
    match draw(st.integers(0, 9)):
        case 0 if mount.client_sends_prefix:
            return replace(asked, encoded=draw(st.integers(0, len(mount.prefix) - 1)))
        case 1 if mount.base_url:
            return with_base_urls(asked, [mount.external_url + "/"])
        case 2:
            # A base URL that is not the mount's. A server's own prefix is not affected.
            base_urls = st.lists(st.sampled_from(HOSTILE_BASE_URLS), min_size=1, max_size=2)
            return with_base_urls(asked, draw(base_urls))
        case 3:
            return replace(asked, trust=False)
    return asked


def with_base_urls(asked: Asked, base_urls: list[str]) -> Asked:
    """The same request with these values of Connect's header instead of the mount's."""
    headers = [*asked.request.headers, *((BASE_URL, base_url) for base_url in base_urls)]
    return replace(
        asked,
        request=replace(asked.request, headers=headers),
        mount=replace(asked.mount, base_url=False),
    )


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    """A request to any address."""
    target = draw(targets())
    headers = [*draw(st.lists(PLAIN_HEADERS, max_size=2))]
    return draw(placed(Request(draw(st.sampled_from(METHODS)), target, headers)))


@st.composite
def file_requests(draw: st.DrawFn) -> Asked:
    """A request for a file, with conditions and ranges."""
    target = draw(st.sampled_from(FILES))
    headers = draw(st.lists(FILE_HEADERS, max_size=3))
    return draw(placed(Request(draw(st.sampled_from(METHODS)), target, headers)))


MESSAGES = st.one_of(
    st.sampled_from(
        (
            *('{"lang":"en"}', '{"lang":"es","greet":true}', '{"lang":"fr"}', '{"lang":"e"}', "{}"),
            *(
                '{"lang":"en\\u0000"}',
                '{"lang":"\\ud800"}',
                '{"lang":"en"',
                "null",
                "[]",
                "",
                "\x00",
            ),
            *(
                '{"lang":"en","lang":"es"}',
                '{"lang":"en","greet":1}',
                "[" * 4000,
                "x" * 4096,
                "x" * 4097,
            ),
            *("é" * 2048, "é" * 2049, " " * 4083 + '{"lang":"en"}', " " * 4084 + '{"lang":"en"}'),
            *(b'{"lang":"en"}', b"", b"\xff", b"x" * 5000, '\ufeff{"lang":"en"}', '{"lang":"é"}'),
        )
    ),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.sampled_from(("en", "zh", "fr", "e", "en\n", "x-1", "😀", "")).map(
        lambda lang: f'{{"lang":"{lang}","greet":true}}'
    ),
)

HANDSHAKE_HEADERS = st.one_of(
    header(CREDENTIALS, CREDENTIAL_VALUES),
    header("Cookie", COOKIES),
    header(
        "Origin",
        ("http://evil.example", "null", "http://host.example", "https://connect.example.org", ""),
    ),
    header("Sec-WebSocket-Protocol", ("chat", "")),
)


@st.composite
def talks(draw: st.DrawFn) -> Talk:
    """A handshake, most often for the websocket, and messages."""
    target = draw(st.one_of(st.just("/live"), st.just("/live"), st.just("/live?x=y"), targets()))
    headers = draw(st.lists(HANDSHAKE_HEADERS, max_size=2))
    asked = draw(placed(Request("GET", target, headers)))
    return Talk(asked, tuple(draw(st.lists(MESSAGES, max_size=5))))


def spelled_prefix(asked: Asked) -> str:
    """The prefix as the client writes it."""
    prefix = quote(asked.mount.prefix)
    if asked.encoded is None:
        return prefix
    i = asked.encoded
    return f"{prefix[:i]}%{ord(prefix[i]):02X}{prefix[i + 1 :]}"

"""Strategies that generate requests and conversations over the websocket."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from hypothesis import strategies as st

from tests.contract.cases.mount import HOSTILE_BASE_URLS
from tests.contract.subjects import mounts
from tests.contract.vocabulary import BASE_URL, CREDENTIALS, Mount, Request
from tests.differential import values


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


def header(
    name: str, choices: tuple[str | bytes, ...]
) -> st.SearchStrategy[tuple[str, str | bytes]]:
    return st.tuples(st.just(name), st.sampled_from(choices))


PLAIN_HEADERS = st.one_of(
    header(CREDENTIALS, values.CREDENTIAL_VALUES),
    header("Cookie", values.COOKIES),
    header("Accept", values.ACCEPTS),
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
    header("If-None-Match", values.TAGS),
    header("If-Match", values.TAGS),
    header("If-Modified-Since", values.DATES),
    header("If-Unmodified-Since", values.DATES),
    header("Range", values.RANGES),
    header("Range", values.RANGES),
    header("If-Range", (*values.TAGS[:4], *values.DATES[:4])),
)


@st.composite
def paths(draw: st.DrawFn) -> str:
    """An address of the app, most often changed in one or two places."""
    path = draw(st.sampled_from((*values.ADDRESSES, *values.FILES, *values.FOLDERS)))
    for _ in range(draw(st.sampled_from((0, 1, 1, 2)))):
        position = draw(st.integers(1, len(path)))
        before, after = path[:position], path[position:]
        match draw(st.sampled_from(("encode", "insert", "append", "delete", "case"))):
            case "encode" if after and after[0] not in "%/":
                path = f"{before}%{ord(after[0]):02x}{after[1:]}"
            case "insert":
                path = before + draw(st.sampled_from(values.PIECES)) + after
            case "append":
                path += draw(st.sampled_from(values.PIECES))
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
                st.sampled_from(values.NAMES),
                st.sampled_from(("=", "=", "=", "")),
                st.sampled_from(values.VALUES),
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
def placed(draw: st.DrawFn, request: Request, mounts: Sequence[Mount] = MOUNTS) -> Asked:
    """The request at one of the mounts."""
    mount = draw(st.sampled_from(mounts))
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
    return draw(placed(Request(draw(st.sampled_from(values.METHODS)), target, headers)))


@st.composite
def file_requests(draw: st.DrawFn) -> Asked:
    """A request for a file, with conditions and ranges."""
    target = draw(st.sampled_from(values.FILES))
    headers = draw(st.lists(FILE_HEADERS, max_size=3))
    return draw(placed(Request(draw(st.sampled_from(values.METHODS)), target, headers)))


MESSAGES: st.SearchStrategy[str | bytes] = st.one_of(
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
    header(CREDENTIALS, values.CREDENTIAL_VALUES),
    header("Cookie", values.COOKIES),
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

"""Values from which requests are generated: ordinary, unusual and malformed ones."""

OWN_ETAG = "OWN-ETAG"
"""In the value of a header: the app's own entity tag of the file at the address."""

OWN_DATE = "OWN-DATE"
"""In the value of a header: the app's Last-Modified of the file at the address."""

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

ORIGINS = (
    *("http://localhost", "http://host.example:8000", "https://[::1]", "HTTP://HOST"),
    *("https://[::1", "http://x:99999", "http://x:port", "http://user:password@host", "http://"),
    *("http:/", "http:", "ftp://host", "javascript:", "//host", "host:443", "http://h%2Fx", "x"),
)
"""What the absolute form of a target has in front of the path, and what has none of it."""

NO_PATHS = (
    "*",
    "host:443",
    "hello",
    "%2Fhello",
    "?x=y",
    "#",
    "/hello#x",
    "/about?name=a#b",
    "http://host",
)

VERSIONS = (*("1.1",) * 8, *("1.0",) * 3, "0.9", "2.0", "1.2", "3.0", "1", "x")

HOSTS = (
    *((b"Host: localhost",),) * 8,
    (b"Host: host.example",),
    (b"Host:",),
    (b"Host: a b",),
    (),
    (b"Host: a", b"Host: b"),
)

LINES = (
    *(b"X-A:b", b"X-A:   b  ", b"X-A:\tb", b"X-A: b\r\n c", b"X-A : b", b": b", b"X-A"),
    *(b"X-A: \x00", b"X-A: \x7f", b"X\xff: b", b"X-A: \xff", b"X_A: b", b"X-A: " + b"b" * 9000),
    *(b"Connection: close", b"Connection: keep-alive", b"CONNECTION: CLOSE"),
    *(b"Connection: close, x", b"Connection: upgrade", b"Keep-Alive: timeout=5", b"TE: trailers"),
    *(b"Cookie: a=b\r\nCookie: c=d", b"Accept: */*\r\nAccept: text/html", b"Expect: x"),
    b'RStudio-Connect-Credentials: {"user":"ada"}',
    b'RStudio-Connect-Credentials:{"user":"ada"}  ',
    b'RStudio_Connect_Credentials: {"user":"ada"}',
    b"RStudio-Connect-App-Base-URL: https://host.example/x/",
    b"RSTUDIO-CONNECT-APP-BASE-URL:https://host.example/hello",
    *(b"Content-Length: 0", b"Content-Type: application/json", b"Content-Type: text/plain"),
    b"Content-Type: multipart/form-data; boundary=x",
)

_LENGTH, _CHUNKED = b"Content-Length: %d", b"Transfer-Encoding: chunked"
_JSON, _FORM = b'{"name":"Ada"}', b"name=Ada"
_PARTS = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nAda\r\n--x--\r\n'

BODIES = (
    *(((_LENGTH % len(body),), body) for body in (b"", b"hello", _JSON, b"\xff", b"x" * 20_000)),
    ((_LENGTH % len(_JSON), b"Content-Type: application/json"), _JSON),
    ((_LENGTH % 1, b"Content-Type: application/json"), b"{"),
    ((_LENGTH % len(_FORM), b"Content-Type: application/x-www-form-urlencoded"), _FORM),
    ((_LENGTH % len(_PARTS), b"Content-Type: multipart/form-data; boundary=x"), _PARTS),
    ((_LENGTH % 5, b"Content-Encoding: gzip"), b"hello"),
    ((_CHUNKED,), b"5\r\nhello\r\n0\r\n\r\n"),
    ((_CHUNKED,), b"0\r\n\r\n"),
    ((_CHUNKED,), b"1\r\nh\r\nA;a=b\r\nello hello\r\n0\r\n\r\n"),
    ((_CHUNKED,), b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n"),
    ((_CHUNKED,), b'5\r\nhello\r\n0\r\nRStudio-Connect-Credentials: {"user":"ada"}\r\n\r\n'),
    ((b"TRANSFER-ENCODING: Chunked",), b"4e20\r\n" + b"x" * 20_000 + b"\r\n0\r\n\r\n"),
    ((_CHUNKED, b"Content-Type: application/json"), b"e\r\n" + _JSON + b"\r\n0\r\n\r\n"),
)
"""Header lines that frame a body, and the body as it is written."""

BROKEN_BODIES = (
    ((_LENGTH % 3, _CHUNKED), b"5\r\nhello\r\n0\r\n\r\n"),
    ((_LENGTH % 5, _LENGTH % 5), b"hello"),
    ((_LENGTH % 5, _LENGTH % 6), b"hello"),
    ((b"Content-Length: x",), b"hello"),
    ((b"Content-Length: -5",), b"hello"),
    ((b"Content-Length: +5",), b"hello"),
    ((b"Content-Length: 05",), b"hello"),
    ((b"Content-Length: 5, 5",), b"hello"),
    ((b"Content-Length:",), b"hello"),
    ((b"Content-Length: " + b"9" * 30,), b"hello"),
    ((b"Transfer-Encoding: gzip",), b"hello"),
    ((b"Transfer-Encoding: gzip, chunked",), b"5\r\nhello\r\n0\r\n\r\n"),
    ((_CHUNKED, _CHUNKED), b"5\r\nhello\r\n0\r\n\r\n"),
    ((b"Transfer-Encoding: x",), b"hello"),
    ((_CHUNKED,), b"x\r\nhello\r\n0\r\n\r\n"),
    ((_CHUNKED,), b"5\r\nhelloo\r\n0\r\n\r\n"),
    ((_CHUNKED,), b"0\r\nX-A\x00: b\r\n\r\n"),
)
"""The same, with framing that a server may refuse. It does not wait for more."""

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

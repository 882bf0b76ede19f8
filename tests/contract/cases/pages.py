"""PAGES: HTML pages, their links and static files."""

import re
from urllib.parse import quote, urlsplit

from tests.contract.cases import expect, routes
from tests.contract.client import Client
from tests.contract.registry import must, part, should
from tests.contract.vocabulary import Answer, Capability
from tooling.frameworks import ROOT, find_frameworks

PAGES = ("/", "/about", "/docs")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'"
)

NAMES = (
    "Ada",
    "<script>alert(1)</script>",
    "\"double\" & 'single'",
    "{{7*7}}",
    "${7*7}",
    "{% raw %}",
    "مرحبا بالعالم",
    "你好",
    "😀" * 100,
    "x" * 100,
    "a+b",
    "a&b=c;d",
    "100%",
    "a,b",
    "  spaced  ",
    "<img src=x onerror=alert(1)>",
    "</p><h1>no</h1>",
    "&amp;",
    "\u202egnp.exe",
    "line\nbreak",
)

LONG_AGO = "Thu, 01 Jan 1970 00:00:00 GMT"
STYLESHEET = "/static/styles.css"

TRAVERSALS = (
    "../greetings.json",
    "../../README.md",
    "..%2fgreetings.json",
    "%2e%2e/greetings.json",
    "%2e%2e%2fgreetings.json",
    "..%5cgreetings.json",
    "%5c..%5cgreetings.json",
    "..%5C..%5CREADME.md",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "//etc/passwd",
    "..%c0%afgreetings.json",
    "....//greetings.json",
    "../static/../greetings.json",
    "C:%5cwindows",
    "file:///etc/passwd",
    "~root",
    "%252e%252e/x",
    "%00",
    "styles.css%00",
    "%00/styles.css",
)

MISSING = (
    "styles.css%0A",
    "swagger-ui",
    "nothing.css",
    "a" * 300,
    "a/" * 300,
    "a" * 5000,
)


@must("PAGES-1", "The index links to about, greetings and docs; the about page welcomes Posit.")
def the_index_links_to_every_page(client: Client) -> None:
    answer = client.request("GET", "/")
    assert answer.status == 200
    assert answer.header("content-type") == "text/html; charset=utf-8"
    index = answer.html()
    assert len(index.all("h1")) == 1
    linked = {expect.address(client, "/", a.attributes["href"]) for a in index.all("a")}
    pages = {expect.address(client, "/", page) for page in routes.LINKED}
    assert pages <= linked


@part("PAGES-1", "the about page")
def the_about_page_welcomes_posit(client: Client) -> None:
    answer = client.request("GET", "/about")
    assert answer.status == 200
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert b"Welcome to the about page Posit" in answer.body
    assert len(answer.html().all("h1")) == 1


@part("PAGES-1", "the framework")
def the_index_names_the_framework(client: Client) -> None:
    index = client.request("GET", "/").html()
    (title,) = index.all("title")
    assert title.text in {f"Greetings in {framework.title}" for framework in find_frameworks()}
    assert [headline.text for headline in index.all("h1")] == [title.text]


@must("PAGES-2", "The about page welcomes any name of up to 100 characters, escaped.")
def the_about_page_escapes_the_name(client: Client) -> None:
    for name in NAMES:
        answer = client.request("GET", f"/about?name={quote(name, safe='')}")
        assert answer.status == 200
        page = answer.html()
        assert page.by_id("welcome").text == f"Welcome to the about page {name}."
        assert len(page.all("h1")) == 1
        assert not page.all("script")
        assert not page.all("img")
    plus = client.request("GET", "/about?name=Ada+Lovelace").html()
    assert plus.by_id("welcome").text == "Welcome to the about page Ada Lovelace."


@part("PAGES-2", "more than 100 characters")
def a_name_that_is_too_long_is_invalid(client: Client) -> None:
    for name in ("x" * 101, "😀" * 101):
        answer = client.request("GET", f"/about?name={quote(name)}")
        expect.problem(answer, 422, "name must have at most 100 characters.")


@part("PAGES-2", "without a name")
def posit_is_welcomed_without_a_name(client: Client) -> None:
    for query in ("", "?", "?name", "?name=", "?other=1"):
        answer = client.request("GET", f"/about{query}")
        assert answer.html().by_id("welcome").text == "Welcome to the about page Posit."


@must(
    "PAGES-3",
    "Every address on every page leads to this app, under the prefix it was reached through.",
)
def every_link_stays_under_the_prefix(client: Client) -> None:
    prefix = client.mount.prefix
    # A request for the mount without its final slash is possible only with the prefix.
    without_slash = ("",) if prefix and client.mount.client_sends_prefix else ()
    for page in (*PAGES, *without_slash):
        answer = client.request("GET", page)
        if not page and answer.status in (301, 302, 307, 308):
            # A server in front of the app may add the slash.
            location = answer.header("location") or ""
            assert urlsplit(expect.address(client, page, location)).path == f"{prefix}/"
            continue
        assert answer.status == 200
        for link in dict.fromkeys(answer.html().links()):
            url = urlsplit(expect.address(client, page, link))
            assert f"{url.scheme}://{url.netloc}" == expect.ORIGIN
            assert url.path.startswith(f"{prefix}/")
            assert client.request("GET", url.path.removeprefix(prefix)).status == 200

    home = client.request("GET", "/about").html().by_id("home").attributes["href"]
    assert expect.address(client, "/about", home) == f"{expect.ORIGIN}{prefix}/"


@part("PAGES-3", "the address that Connect names", Capability.FORGE)
def the_about_page_shows_the_address_that_connect_names(client: Client) -> None:
    named = f"{client.mount.external_url}/" if client.mount.base_url else None
    assert expect.address_on_about_page(client) == named


@must("PAGES-4", "Static files are served with revalidation, and nothing but them.")
def static_files_are_served_with_revalidation(client: Client) -> None:
    answer = client.request("GET", STYLESHEET)
    assert answer.status == 200
    assert (answer.header("content-type") or "").split(";")[0] == "text/css"
    assert answer.body == (ROOT / "shared" / "static" / "styles.css").read_bytes()
    # RFC 9110 section 8.8.3: an entity tag is a quoted text.
    assert re.fullmatch(r'(?:W/)?"[^"]*"', answer.header("etag") or "")
    assert answer.header("last-modified") is not None
    head = client.request("HEAD", STYLESHEET)
    assert (head.status, head.body) == (200, b"")
    assert head.header("etag") == answer.header("etag")


def stylesheet(client: Client) -> tuple[Answer, str, str]:
    """Returns the answer with the stylesheet, and its validators."""
    answer = client.request("GET", STYLESHEET)
    etag, last_modified = answer.header("etag"), answer.header("last-modified")
    assert etag is not None
    assert last_modified is not None
    return answer, etag, last_modified


@part("PAGES-4", "conditional requests")
def a_file_that_has_not_changed_is_not_sent_again(client: Client) -> None:
    answer, etag, last_modified = stylesheet(client)
    for headers, status in (
        ([("If-None-Match", etag)], 304),
        ([("If-None-Match", f'"other", {etag}')], 304),
        ([("If-None-Match", f"W/{etag.removeprefix('W/')}")], 304),
        ([("If-None-Match", "*")], 304),
        ([("If-None-Match", '"other"')], 200),
        ([("If-Modified-Since", last_modified)], 304),
        ([("If-Modified-Since", LONG_AGO)], 200),
        # RFC 9110 section 13.1.3: with If-None-Match, If-Modified-Since is ignored.
        ([("If-None-Match", '"other"'), ("If-Modified-Since", last_modified)], 200),
        ([("If-None-Match", etag), ("If-Modified-Since", LONG_AGO)], 304),
    ):
        again = client.request("GET", STYLESHEET, headers)
        assert (again.status, again.body) == (status, answer.body if status == 200 else b"")
        head = client.request("HEAD", STYLESHEET, headers)
        assert (head.status, head.body) == (status, b"")
        # RFC 9110 section 15.4.5: a 304 has these headers of the 200.
        for name in ("etag", "cache-control"):
            assert again.header(name) == answer.header(name)


@part("PAGES-4", "ranges and If-Match")
def a_refused_range_is_a_problem(client: Client) -> None:
    for value in ("bytes=9999999-", "bytes=x-", "bytes=0-1,4-5", "lines=1-2", "nonsense"):
        answer = client.request("GET", STYLESHEET, [("Range", value)])
        if answer.status not in (200, 206):
            assert answer.header("content-type") == "application/problem+json"
            expect.problem(answer, answer.status, answer.json()["detail"])
    unmatched = client.request("GET", STYLESHEET, [("If-Match", '"other"')])
    if unmatched.status != 200:
        expect.problem(unmatched, 412, "Precondition Failed.")


@part("PAGES-4", "no other files", Capability.DIRECT)
def no_file_outside_static_is_served(client: Client) -> None:
    for path in TRAVERSALS:
        answer = client.request("GET", f"/static/{path}")
        expect.problem(answer, 404, expect.NOWHERE)


@part("PAGES-4", "missing files")
def a_missing_file_is_not_found(client: Client) -> None:
    for path in MISSING:
        answer = client.request("GET", f"/static/{path}")
        expect.problem(answer, 404, expect.NOWHERE)
    for target in ("/static", "/static/", "/static%2fstyles.css%2f..%2f..%2fgreetings.json"):
        expect.problem(client.request("GET", target), 404, expect.NOWHERE)


@must(
    "PAGES-5", "HTML takes nothing from elsewhere and nothing inline, and may be shown in a frame."
)
def pages_send_a_content_security_policy(client: Client) -> None:
    for path in PAGES:
        answer = client.request("GET", path)
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("referrer-policy") == "same-origin"
        assert answer.header("x-frame-options") is None
        policy = answer.header("content-security-policy")
        assert policy == POLICY
        for element in answer.html().elements:
            assert element.tag != "style"
            assert element.tag != "script" or (element.attributes["src"] and not element.text)
            assert not [name for name in element.attributes if name == "style" or name[:2] == "on"]


@should(
    "PAGES-6", "Static files are revalidated at every use, so that a new deployment shows at once."
)
def static_files_are_not_cached_unchecked(client: Client) -> None:
    answer = client.request("GET", STYLESHEET)
    client.observe(f"Cache-Control: {answer.header('cache-control')}")
    assert answer.header("cache-control") == "no-cache"
    assert answer.header("expires") is None


@should(
    "PAGES-7",
    "An address inside static/ is taken as it is: `.`, `..` and a final slash name no file.",
)
def a_static_path_is_not_normalized(client: Client) -> None:
    paths = ("./styles.css", "swagger-ui/../styles.css", "styles.css/")
    answers = [client.request("GET", f"/static/{path}") for path in paths]
    client.observe(", ".join(f"{path}: {a.status}" for path, a in zip(paths, answers, strict=True)))
    for answer in answers:
        expect.problem(answer, 404, expect.NOWHERE)


@should("PAGES-8", "Of several names the last is welcomed.")
def the_last_of_several_names_counts(client: Client) -> None:
    welcomed = client.request("GET", "/about?name=Ada&name=Grace").html().by_id("welcome").text
    client.observe(welcomed)
    assert welcomed == "Welcome to the about page Grace."


@should("PAGES-9", "Bytes of a name that are not UTF-8 are shown as replacement characters.")
def invalid_utf8_in_a_name_is_replaced(client: Client) -> None:
    welcomed = client.request("GET", "/about?name=%FFAda").html().by_id("welcome").text
    client.observe(welcomed)
    assert welcomed == "Welcome to the about page \ufffdAda."


@should("PAGES-10", "An If-Modified-Since that is no date is ignored, RFC 9110 section 13.1.3.")
def an_invalid_date_is_ignored(client: Client) -> None:
    answer = client.request("GET", STYLESHEET, [("If-Modified-Since", "yesterday")])
    client.observe(f"{answer.status}")
    assert answer.status == 200


@must(
    "PAGES-11",
    "A file whose validators do not fulfil If-Match or If-Unmodified-Since is not sent: 412. A"
    " condition that is malformed is ignored, RFC 9110 section 13.2.2.",
    version=3,
)
def a_condition_is_evaluated(client: Client) -> None:
    answer, etag, last_modified = stylesheet(client)
    for headers, status in (
        ([("If-Match", '"other"')], 412),
        ([("If-Match", '"other", "another"')], 412),
        ([("If-Match", f"W/{etag.removeprefix('W/')}")], 412),
        ([("If-Match", "*")], 200),
        ([("If-Unmodified-Since", LONG_AGO)], 412),
        ([("If-Unmodified-Since", last_modified)], 200),
        ([("If-Unmodified-Since", "yesterday")], 200),
        ([("If-Modified-Since", "")], 200),
        ([("If-Match", "*"), ("If-Unmodified-Since", LONG_AGO)], 200),
        ([("If-Match", '"other"'), ("If-None-Match", etag)], 412),
    ):
        for method in ("GET", "HEAD"):
            again = client.request(method, STYLESHEET, headers)
            assert again.status == status, headers
            if method == "GET" and status == 200:
                assert again.body == answer.body
            elif method == "GET":
                expect.problem(again, status, "Precondition Failed.")


@must(
    "PAGES-12",
    "A range is ignored, and none is announced: the whole file is sent, RFC 9110 section 14.2.",
    version=3,
)
def a_range_is_ignored(client: Client) -> None:
    whole = client.request("GET", STYLESHEET)
    assert whole.header("accept-ranges") in (None, "none")
    for value in (
        "bytes=0-",
        "bytes=0-4",
        "bytes=9-",
        "bytes=-5",
        "bytes=9999999-",
        "nonsense",
        "",
    ):
        answer = client.request("GET", STYLESHEET, [("Range", value)])
        assert (answer.status, answer.body) == (200, whole.body), value
        assert answer.header("content-range") is None
        assert client.request("HEAD", STYLESHEET, [("Range", value)]).status == 200


@must(
    "PAGES-13",
    "The media type of a file depends on the ending of its name, not on the system.",
    version=3,
)
def a_file_has_a_fixed_media_type(client: Client) -> None:
    for name, media_type in (
        ("styles.css", "text/css; charset=utf-8"),
        ("docs.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
        ("swagger-ui/LICENSE", "application/octet-stream"),
    ):
        answer = client.request("GET", f"/static/{name}")
        assert (answer.status, answer.header("content-type")) == (200, media_type)

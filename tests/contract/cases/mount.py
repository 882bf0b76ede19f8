"""MOUNT: the app works under every prefix, and ignores what is not a prefix."""

from dataclasses import replace

from tests.contract.cases import expect, routes
from tests.contract.client import Client
from tests.contract.registry import must, part
from tests.contract.vocabulary import BARE, BASE_URL, Capability, Mount

HOSTILE_PREFIXES = (
    "/x'});alert(document.domain)//",
    '/x"><script>alert(1)</script>',
    "/<b>",
    "/a b",
    "/a/../b",
    "/..",
    "/.",
    "/a//b",
    "//evil.example",
    "/%2e%2e",
    "/a%00",
    "/a;b",
    "/a?b",
    "/a#b",
    "/a\\b",
    "/é",
    "/" + "a" * 10_000,
)

# RFC 9110 section 5.5 forbids these in a header: servers refuse them.
UNSENDABLE_PREFIXES = ("/a\nb", "/a\r\nx: y", "/a\x00b", "/\x1b[31m", "/a\x7f")

HOSTILE_BASE_URLS = (
    "javascript:alert(1)",
    "javascript://host.example/%0aalert(1)",
    "data:text/html,x",
    "//evil.example/x",
    "/content/1b2c",
    "content/1b2c",
    "",
    "https://",
    "https:///x",
    "https://host.example:port/x",
    "ftp://host.example/x",
    "https://user:password@host.example/x",
    "https://host.example/x?y",
    "null",
    "https://host.example/x#y",
    "https://host.example\\x",
    "https://ho st.example/x",
    "https://<b>/x",
    *(f"https://host.example{prefix}" for prefix in HOSTILE_PREFIXES if prefix != "//evil.example"),
)


def pages(client: Client, *base_urls: str) -> list[tuple[int, str | None, bytes]]:
    """Status, content type and body of each page, requested with a header for each base URL."""
    headers = [(BASE_URL, base_url) for base_url in base_urls]
    answers = [client.request("GET", page, headers) for page in routes.ALIKE]
    return [(answer.status, answer.header("content-type"), answer.body) for answer in answers]


@must(
    "MOUNT-1",
    "Pages, documents and routes know the mount, in whatever form it was told.",
    Capability.PREFIX,
)
def the_app_knows_its_mount(client: Client) -> None:
    prefix = client.mount.prefix
    index = client.request("GET", "/").html()
    for link in index.links():
        assert expect.address(client, "/", link).startswith(f"{expect.ORIGIN}{prefix}/")
    document = expect.json_of(client.request("GET", "/openapi.json"))
    assert isinstance(document, dict)
    assert document.get("servers", [{"url": "/"}]) == [{"url": prefix or "/"}]
    for target in routes.READ_ONLY:
        assert client.request("GET", target).status == 200
    # This path begins with the path of a route, but is none.
    assert client.request("GET", "/hello-and-more").status == 404


@part("MOUNT-1", "the address that Connect names", Capability.PREFIX)
def the_about_page_shows_the_address_of_the_content(client: Client) -> None:
    if client.mount.base_url:
        assert expect.address_on_about_page(client) == f"{client.mount.external_url}/"
    else:
        for home in ("https://connect.example.org/vanity", "http://localhost:3939/content/7"):
            reached = (
                client
                if client.mount.root_path
                else client.through(replace(BARE, prefix=path_of(home)))
            )
            assert expect.address_on_about_page(reached, home) == f"{home}/"
            assert expect.address_on_about_page(reached, f"{home}/") == f"{home}/"
        assert expect.address_on_about_page(client, "https://[::1]:3939") == "https://[::1]:3939/"


@must(
    "MOUNT-2",
    "A hostile prefix is ignored: the app answers as the bare one, byte for byte.",
    Capability.PREFIX,
)
def a_hostile_prefix_is_ignored(client: Client) -> None:
    bare = client.through(BARE)
    expected = pages(bare)
    for base_url in HOSTILE_BASE_URLS:
        assert pages(bare, base_url) == expected
    assert pages(bare, "https://host.example/x", "https://host.example/x") == expected
    assert pages(bare, "https://host.example/x", "https://evil.example/y") == expected
    assert pages(bare.untrusting(), "https://host.example/x") == expected
    if client.mount.root_path and not client.mount.base_url:
        for base_url in HOSTILE_BASE_URLS:
            assert expect.address_on_about_page(client, base_url) is None


@part("MOUNT-2", "in the scope", Capability.PREFIX, Capability.SCOPE)
def a_hostile_prefix_in_the_scope_is_ignored(client: Client) -> None:
    bare = client.through(BARE)
    expected = pages(bare)
    for prefix in UNSENDABLE_PREFIXES:
        assert pages(bare, f"https://host.example{prefix}") == expected
    for prefix in (*HOSTILE_PREFIXES, *UNSENDABLE_PREFIXES, "javascript:alert(1)", "x/y"):
        hostile = Mount("hostile", prefix, root_path=True)
        assert pages(client.through(hostile)) == expected
    for prefix in ("/a b", "/a;b", "/<b>", "/a\\b", "/a\nb", "/é"):
        included = Mount("hostile", prefix, root_path=True, client_sends_prefix=True)
        assert pages(client.through(included)) == expected


def path_of(url: str) -> str:
    return url[url.index("/", len("https://")) :]

"""MOUNT: whatever form a prefix comes in, the app answers as if nothing had happened."""

from dataclasses import replace

from tests.contract.cases import expect
from tests.contract.client import Client
from tests.contract.registry import must
from tests.contract.vocabulary import BARE, BASE_URL, Answer, Capability, Mount

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

# No server hands these on: RFC 9110 section 5.5 forbids them in a header, and a client cannot send them.
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

PAGES = ("/", "/about", "/docs", "/openapi.json", "/greetings/en", "/nope")


def seen(answer: Answer) -> tuple[int, str | None, bytes]:
    return answer.status, answer.header("content-type"), answer.body


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
    assert document["servers"] == [{"url": prefix or "/"}]
    assert client.request("GET", "/greetings/es").json() == {"lang": "es", "text": "Hola"}
    assert client.request("GET", "/static/styles.css").status == 200
    # A path that only begins like the prefix lies outside the mount, or is a route of its own.
    assert client.request("GET", "/greetings-and-more").status == 404

    if not client.mount.base_url:
        for home in ("https://connect.example.org/vanity", "http://localhost:3939/content/7"):
            reached = (
                client
                if client.mount.root_path
                else client.through(replace(BARE, prefix=path_of(home)))
            )
            assert expect.told_address(reached, home) == f"{home}/"
            assert expect.told_address(reached, f"{home}/") == f"{home}/"
        assert expect.told_address(client, "https://[::1]:3939") == "https://[::1]:3939/"


@must(
    "MOUNT-2",
    "A hostile prefix is ignored: the app answers as the bare one, byte for byte.",
    Capability.PREFIX,
)
def a_hostile_prefix_is_ignored(client: Client) -> None:
    bare = client.through(BARE)
    expected = {page: seen(bare.request("GET", page)) for page in PAGES}

    def answers(base_urls: tuple[str, ...], through: Client = bare) -> None:
        headers = [(BASE_URL, base_url) for base_url in base_urls]
        for page in PAGES:
            assert seen(through.request("GET", page, headers)) == expected[page]

    for base_url in HOSTILE_BASE_URLS:
        answers((base_url,))
    answers(("https://host.example/x", "https://host.example/x"))
    answers(("https://host.example/x", "https://evil.example/y"))
    answers(("https://host.example/x",), bare.untrusting())
    if client.mount.root_path and not client.mount.base_url:
        for base_url in HOSTILE_BASE_URLS:
            assert expect.told_address(client, base_url) is None
    if Capability.SCOPE in client.capabilities:
        for prefix in UNSENDABLE_PREFIXES:
            answers((f"https://host.example{prefix}",))
        for prefix in (*HOSTILE_PREFIXES, *UNSENDABLE_PREFIXES, "javascript:alert(1)", "x/y"):
            answers((), client.through(Mount("hostile", prefix, root_path=True)))
        for prefix in ("/a b", "/a;b", "/<b>", "/a\\b", "/a\nb", "/é"):
            spelled = Mount("hostile", prefix, root_path=True, client_sends_prefix=True)
            answers((), client.through(spelled))


def path_of(url: str) -> str:
    return url[url.index("/", len("https://")) :]

"""CACHE: what a shared cache may do with an answer."""

from tests.contract.cases import expect, routes
from tests.contract.cases.hello import signed_in
from tests.contract.client import Client
from tests.contract.registry import must, part
from tests.contract.vocabulary import BASE_URL, Answer, Capability

OF_THE_MOUNT = ("/", "/about", "/about?name=ada", "/docs", "/openapi.json", "/nope")
"""Answers that depend on the base URL: pages with their links, the document, and problems."""


def members(answer: Answer, header: str) -> set[str]:
    return {member.strip().lower() for member in (answer.header(header) or "").split(",")}


@must(
    "CACHE-1",
    "No cache stores an answer that depends on the user: Cache-Control is private, no-store"
    " (RFC 9111 section 5.2.2).",
    version=3,
)
def the_greeting_of_a_user_is_not_stored(client: Client) -> None:
    for method in ("GET", "HEAD"):
        answer = client.request(method, "/hello")
        assert answer.status == 200
        assert members(answer, "cache-control") == {"private", "no-store"}


@part("CACHE-1", "with credentials", Capability.FORGE)
def the_greeting_of_a_named_user_is_not_stored(client: Client) -> None:
    answer = client.request("GET", "/hello", signed_in('{"user":"ada"}'))
    assert expect.json_of(answer) == expect.welcome("ada")
    assert members(answer, "cache-control") == {"private", "no-store"}


@must(
    "CACHE-2",
    "A cache asks again before it uses an answer that depends on the mount, and knows the header"
    " on which it depends: Cache-Control is no-cache, and Vary has RStudio-Connect-App-Base-URL.",
    version=3,
)
def an_answer_of_the_mount_is_revalidated(client: Client) -> None:
    for target in OF_THE_MOUNT:
        answer = client.request("GET", target)
        assert members(answer, "cache-control") == {"no-cache"}, target
        assert BASE_URL.lower() in members(answer, "vary"), target


@must(
    "CACHE-3",
    "A cache asks again before it uses a greeting, which may change at any time.",
    version=3,
)
def a_greeting_is_revalidated(client: Client) -> None:
    for target in routes.REVALIDATED:
        answer = client.request("GET", target)
        assert members(answer, "cache-control") == {"no-cache"}, target

"""The greetings that the app has to know."""

from shared.greetings import is_language_tag
from tests.contract.cases import expect
from tests.contract.client import Client
from tests.contract.vocabulary import SEVEN, Capability

Greeting = dict[str, str]

UNKNOWN = ("fr", "x-klingon", "zh-Hant-TW", "abcdefgh", "en-12345678", "x-1")


def known_greetings(client: Client) -> list[Greeting]:
    """The greetings that the app has to return, sorted by language.

    They are the seven greetings of `shared/greetings.json`. The owner of a deployed app may have
    edited the table of its database: then they are the answer of `/greetings`, with which the
    other cases have to agree.
    """
    if client.store == "json" or Capability.DATABASE in client.capabilities:
        return SEVEN
    health = expect.json_of(client.request("GET", "/health"))
    if health == {"status": "ok", "store": "json"}:
        return SEVEN
    listed = expect.json_of(client.request("GET", "/greetings"))
    assert isinstance(listed, list)
    assert listed, "the table of greetings is empty"
    for greeting in listed:
        assert greeting.keys() == {"lang", "text"}
        assert is_language_tag(greeting["lang"])
        assert isinstance(greeting["text"], str)
    languages = [greeting["lang"] for greeting in listed]
    assert languages == sorted(set(languages))
    return listed


def without_greeting(client: Client) -> list[str]:
    """Well-formed languages for which the app has no greeting."""
    known = {greeting["lang"] for greeting in known_greetings(client)}
    return [lang for lang in UNKNOWN if lang not in known]

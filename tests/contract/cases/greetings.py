"""GREETINGS: the JSON API."""

import json

from shared.greetings import is_language_tag
from tests.contract.cases import expect
from tests.contract.client import Client
from tests.contract.registry import must, should
from tests.contract.vocabulary import Power

SEVEN = [
    {"lang": "ar", "text": "آلو"},
    {"lang": "bn", "text": "হ্যালো"},
    {"lang": "chr", "text": "ᏏᏲ"},
    {"lang": "en", "text": "Hello"},
    {"lang": "es", "text": "Hola"},
    {"lang": "sw", "text": "هَبَارِ"},
    {"lang": "zh", "text": "你好"},
]
"""Of the guide page that started this project, Posit Connect's user guide on FastAPI."""

Greeting = dict[str, str]


def vocabulary(client: Client) -> list[Greeting]:
    """The greetings that the app has to know, sorted by language.

    Those are the seven, except where a deployed app reads a database: its owner may edit the table, so the
    list is what the app itself says, and the other cases must agree with it.
    """
    if client.store == "json" or Power.DATABASE in client.powers:
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
    """Well-formed languages of which the app has no greeting."""
    known = {greeting["lang"] for greeting in vocabulary(client)}
    return [lang for lang in UNKNOWN if lang not in known]


UNKNOWN = ("fr", "x-klingon", "zh-Hant-TW", "abcdefgh", "en-12345678", "x-1")

NOT_TAGS = (
    *("e", "en_US", "..", ".", "a" * 300, "123", "en-", "-en", "en--US", "en-toolonger", "x", "x-"),
    *("X-klingon", "en.US", "en%20", "%20en", "en%0A", "%0Aen", "%00", "en%00", "%7F", "%1B%5B31m"),
    *("%F0%9F%98%80", "en-%F0%9F%98%80", "%C3%A9n", "%2e%2e", "%5c", "%22", "%3Cscript%3E"),
)


@must("GREETINGS-1", "GET /greetings lists every greeting, sorted by language, its text unescaped.")
def _(client: Client) -> None:
    greetings = vocabulary(client)
    answer = client.request("GET", "/greetings")
    assert expect.json_of(answer) == greetings
    for greeting in greetings:
        assert json.dumps(greeting["text"], ensure_ascii=False).encode() in answer.body


@must("GREETINGS-2", "GET /greetings/{lang} gives the greeting in that language.")
def _(client: Client) -> None:
    greetings = vocabulary(client)
    for greeting in greetings:
        answer = client.request("GET", f"/greetings/{greeting['lang']}")
        assert expect.json_of(answer) == greeting
    first, rest = greetings[0]["lang"][0], greetings[0]["lang"][1:]
    encoded = client.request("GET", f"/greetings/%{ord(first):x}{rest}")
    assert expect.json_of(encoded) == greetings[0]


@must("GREETINGS-3", "A well-formed language without a greeting is answered 404.")
def _(client: Client) -> None:
    for lang in without_greeting(client):
        answer = client.request("GET", f"/greetings/{lang}")
        expect.problem(answer, 404, f"There is no greeting in {lang}.")


@must("GREETINGS-4", "What is not a language tag is answered 422.")
def _(client: Client) -> None:
    for lang in NOT_TAGS:
        answer = client.request("GET", f"/greetings/{lang}")
        expect.problem(answer, 422, "lang must be a language tag, such as en or zh-Hant.")


@should(
    "GREETINGS-5", "A slash that is percent-encoded belongs to the language, which is answered 422."
)
def _(client: Client) -> None:
    answer = client.request("GET", "/greetings/en%2FUS")
    client.observe(f"{answer.status}")
    expect.problem(answer, 422, "lang must be a language tag, such as en or zh-Hant.")


@should("GREETINGS-6", "A language whose bytes are not UTF-8 is answered 422.")
def _(client: Client) -> None:
    answer = client.request("GET", "/greetings/%FF%FE")
    client.observe(f"{answer.status}")
    expect.problem(answer, 422, "lang must be a language tag, such as en or zh-Hant.")

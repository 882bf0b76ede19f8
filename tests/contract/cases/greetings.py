"""GREETINGS: the JSON API."""

import json

from tests.contract.cases import expect, known, routes
from tests.contract.client import Client
from tests.contract.registry import must, part, should
from tests.contract.vocabulary import FAULT, FAULTY, Capability

routes.READ_ONLY += ["/greetings", "/greetings/en"]
routes.REFUSED += ["/greetings/fr", "/greetings/e"]
routes.UNKNOWN += [
    "/greetings/",
    "/greetings/en/",
    "/greetings/en/x",
    "/greetings-and-more",
    "/GREETINGS",
    "/shared/greetings.json",
]
routes.ENCODED += [("/%67reetings/%65n", "/greetings/en")]
routes.ALIKE += ["/greetings/en"]
routes.REVALIDATED += ["/greetings", "/greetings/en", "/greetings/fr", "/greetings/e"]
routes.LINKED += ["greetings"]

NOT_TAGS = (
    "e",
    "en_US",
    "a" * 300,
    "123",
    "en-",
    "-en",
    "en--US",
    "en-toolonger",
    "x",
    "x-",
    "X-klingon",
    "en.US",
    "en%20",
    "%20en",
    "en%0A",
    "%0Aen",
    "%7F",
    "%1B%5B31m",
    "%F0%9F%98%80",
    "en-%F0%9F%98%80",
    "%C3%A9n",
    "%5c",
    "%22",
    "%3Cscript%3E",
)

SEGMENTS = ("..", ".", "%2e%2e", "%00", "en%00")
"""Proxies resolve the first three, and refuse a NUL."""


@must("GREETINGS-1", "GET /greetings lists every greeting, sorted by language, its text unescaped.")
def every_greeting_is_listed_by_language(client: Client) -> None:
    greetings = known.known_greetings(client)
    answer = client.request("GET", "/greetings")
    assert expect.json_of(answer) == greetings
    for greeting in greetings:
        assert json.dumps(greeting["text"], ensure_ascii=False).encode() in answer.body


@must("GREETINGS-2", "GET /greetings/{lang} gives the greeting in that language.")
def a_language_has_its_greeting(client: Client) -> None:
    greetings = known.known_greetings(client)
    for greeting in greetings:
        answer = client.request("GET", f"/greetings/{greeting['lang']}")
        assert expect.json_of(answer) == greeting
    first, rest = greetings[0]["lang"][0], greetings[0]["lang"][1:]
    encoded = client.request("GET", f"/greetings/%{ord(first):x}{rest}")
    assert expect.json_of(encoded) == greetings[0]


@must("GREETINGS-3", "A well-formed language without a greeting is answered 404.")
def an_unknown_language_is_not_found(client: Client) -> None:
    for lang in known.without_greeting(client):
        answer = client.request("GET", f"/greetings/{lang}")
        expect.problem(answer, 404, f"There is no greeting in {lang}.")


@must("GREETINGS-4", "What is not a language tag is answered 422.")
def a_malformed_language_is_invalid(client: Client) -> None:
    for lang in NOT_TAGS:
        answer = client.request("GET", f"/greetings/{lang}")
        expect.problem(answer, 422, "lang must be a language tag, such as en or zh-Hant.")


@part("GREETINGS-4", "dot segments and NUL", Capability.DIRECT)
def a_dot_segment_is_no_language(client: Client) -> None:
    for lang in SEGMENTS:
        answer = client.request("GET", f"/greetings/{lang}")
        expect.problem(answer, 422, "lang must be a language tag, such as en or zh-Hant.")


@should(
    "GREETINGS-5", "A slash that is percent-encoded belongs to the language, which is answered 422."
)
def an_encoded_slash_belongs_to_the_language(client: Client) -> None:
    answer = client.request("GET", "/greetings/en%2FUS")
    client.observe(f"{answer.status}")
    expect.problem(answer, 422, "lang must be a language tag, such as en or zh-Hant.")


@should("GREETINGS-6", "A language whose bytes are not UTF-8 is answered 422.")
def a_language_that_is_not_utf8_is_invalid(client: Client) -> None:
    answer = client.request("GET", "/greetings/%FF%FE")
    client.observe(f"{answer.status}")
    expect.problem(answer, 422, "lang must be a language tag, such as en or zh-Hant.")


@must(
    "HTTP-3",
    "An unexpected error is answered 500 without details; the log has them.",
    Capability.FAULT,
    Capability.LOG,
)
def an_unexpected_error_is_logged_and_not_disclosed(client: Client) -> None:
    answer = client.request("GET", f"/greetings/{FAULTY}")
    expect.problem(answer, 500, expect.UNEXPECTED)
    assert FAULT not in str(answer.headers)
    log = client.log(FAULT)
    assert "Traceback (most recent call last)" in log
    assert client.request("GET", "/greetings/en").status == 200


@should(
    "HTTP-11",
    "A line break at the end of a path belongs to it: such an address is unknown, or names no"
    " language.",
    version=3,
)
def a_final_line_break_belongs_to_the_path(client: Client) -> None:
    paths = ("/about", "/greetings", "/hello", "/health", "/docs", "/openapi.json", "/")
    answers = [client.request("GET", f"{path}%0A") for path in paths]
    client.observe(", ".join(f"{answer.status}" for answer in answers))
    for answer in answers:
        expect.problem(answer, 404, expect.NOWHERE)
    detail = "lang must be a language tag, such as en or zh-Hant."
    expect.problem(client.request("GET", "/greetings/stream%0A"), 422, detail)

"""HELLO: the user that Connect names in a header."""

import json

from tests.contract.cases import expect
from tests.contract.client import Client
from tests.contract.registry import must, part
from tests.contract.vocabulary import CREDENTIALS, STRANGER, Capability, Headers


def signed_in(value: str | bytes) -> Headers:
    return [(CREDENTIALS, value)]


@must("HELLO-1", "Without credentials GET /hello greets a stranger.", Capability.ANONYMOUS)
def a_visitor_without_credentials_is_a_stranger(client: Client) -> None:
    assert expect.json_of(client.request("GET", "/hello")) == STRANGER


@must("HELLO-2", "With Connect's credentials GET /hello greets the user.", Capability.FORGE)
def credentials_name_the_user(client: Client) -> None:
    for value in (
        '{"user":"ada","groups":["x"]}',
        '{"user":"ada","groups":[]}',
        '{"user":"ada"}',
        ' { "groups" : [ "x", "y" ] , "user" : "ada" } ',
        '{"user":"ada","guid":"7","nested":{"a":[1,null]}}',
    ):
        answer = client.request("GET", "/hello", signed_in(value))
        assert expect.json_of(answer) == expect.welcome("ada"), value


@must(
    "HELLO-3",
    "The credentials are UTF-8, raw or escaped, and come back exactly so.",
    Capability.FORGE,
)
def a_user_name_may_hold_any_character(client: Client) -> None:
    for user in ("José Ünï 你好", "هَبَارِ", "😀", "a\u00a0b", '"quoted" \\ <b>'):
        for ensure_ascii in (False, True):
            value = json.dumps({"user": user}, ensure_ascii=ensure_ascii).encode()
            answer = client.request("GET", "/hello", signed_in(value))
            assert expect.json_of(answer) == expect.welcome(user)
            assert user.encode() in answer.body or '"' in user


@must("HELLO-4", "Malformed credentials are answered 400.", Capability.FORGE)
def malformed_credentials_are_refused(client: Client) -> None:
    for value in (
        "",
        "ada",
        "{",
        '{"user":"ada"',
        '{"user":"ada"}}',
        "null",
        "[]",
        '["ada"]',
        '"ada"',
        "1",
        "{}",
        '{"groups":["x"]}',
        '{"user":""}',
        '{"user":null}',
        '{"user":1}',
        '{"user":["ada"]}',
        '{"user":"ada","groups":"x"}',
        '{"user":"ada","groups":[1]}',
        '{"user":"ada","groups":{"x":1}}',
        "{'user':'ada'}",
        '{"user":NaN}',
        "[" * 5000,
        '{"user":"\\ud800"}',
        b'{"user":"\xff\xfe"}',
        b'{"user":"Jos\xe9"}',
    ):
        answer = client.request("GET", "/hello", signed_in(value))
        detail = f"{CREDENTIALS} must be a JSON object with a user."
        expect.problem(answer, 400, detail)


@part("HELLO-4", "sent twice", Capability.FORGE)
def credentials_sent_twice_are_refused(client: Client) -> None:
    for first, second in (
        ('{"user":"ada"}', '{"user":"ada"}'),
        ('{"user":"ada"}', '{"user":"eve"}'),
        ('{"user":"ada"', '"groups":[]}'),
    ):
        answer = client.request("GET", "/hello", [*signed_in(first), *signed_in(second)])
        expect.problem(answer, 400, f"{CREDENTIALS} must be there once.")


@must(
    "HELLO-5",
    "Where Connect's headers are not trusted, GET /hello greets a stranger.",
    Capability.FORGE,
)
def untrusted_credentials_are_ignored(client: Client) -> None:
    for value in ('{"user":"ada"}', "{", "x" * 9000):
        answer = client.untrusting().request("GET", "/hello", signed_in(value))
        assert expect.json_of(answer) == STRANGER


@must(
    "HELLO-6",
    "A trailer is no header: credentials in a trailer name nobody. Where the server cannot tell"
    " them apart, credentials in a chunked request are answered 411.",
    Capability.FORGE,
    Capability.TRAILERS,
    version=3,
)
def credentials_in_a_trailer_name_nobody(client: Client) -> None:
    answer = client.request("GET", "/hello", trailers=signed_in('{"user":"ada"}'))
    if answer.status == 200:
        assert expect.json_of(answer) == STRANGER
    else:
        expect.problem(answer, 411, "The request must have a Content-Length.")


@must(
    "HELLO-7",
    "A user may be in two hundred groups, 12 KiB of names; null groups are none.",
    Capability.FORGE,
    version=3,
)
def a_user_may_be_in_many_groups(client: Client) -> None:
    groups = [f"CN=group {number:03},OU=groups,OU=data,DC=corp,DC=example" for number in range(200)]
    for value in ({"user": "ada", "groups": groups}, {"user": "ada", "groups": None}):
        answer = client.request("GET", "/hello", signed_in(json.dumps(value)))
        assert expect.json_of(answer) == expect.welcome("ada")

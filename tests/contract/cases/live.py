"""LIVE: greetings over a websocket."""

import json
import time
from contextlib import ExitStack

from tests.contract.cases import expect, known, routes
from tests.contract.client import Client
from tests.contract.interfaces import WebSocket
from tests.contract.registry import must, part, should
from tests.contract.vocabulary import (
    AWAY,
    CREDENTIALS,
    FAULTY,
    SEVEN,
    STRANGER,
    Capability,
    Closed,
    HandshakeFailure,
)

UNSUPPORTED_DATA, POLICY_VIOLATION, MESSAGE_TOO_BIG = 1003, 1008, 1009
SHUTDOWN = (1001, 1012)
"""RFC 6455 section 7.4.1, and the codes that IANA has registered later."""

LIMIT = 4 * 1024

NO_OBJECT = 'A message must be a JSON object such as {"lang": "en"}.'

MALFORMED = (
    "",
    "es",
    "null",
    "[]",
    "{}",
    '"es"',
    '{"lang":null}',
    '{"lang":["es"]}',
    '{"Lang":"es"}',
    '{"lang":"es"',
    '{"lang":"es"}{}',
    "{'lang':'es'}",
    '{"lang":"es","greet":"yes"}',
    "\x00",
    "[" * (LIMIT - 1),
    '{"lang":' * 500,
    "é" * (LIMIT // 2),
)


def ask(websocket: WebSocket, **members: object) -> object:
    websocket.send(json.dumps(members, ensure_ascii=False))
    return answer(websocket)


def answer(websocket: WebSocket) -> object:
    message = websocket.receive()
    assert isinstance(message, str)
    parsed: object = json.loads(message)
    return parsed


def refused(websocket: WebSocket, status: int, detail: str) -> None:
    """The next message is that problem and no more."""
    assert answer(websocket) == expect.problem_details(status, detail)


@must(
    "LIVE-1",
    "Over the websocket /live every message that names a language is answered with its greeting,"
    " every other one with a problem, and the connection stays; a binary message, or one above"
    " 4 KiB, closes it with the code that says why.",
    version=2,
)
def every_message_is_answered(client: Client) -> None:
    greetings = known.known_greetings(client)
    last, unknown = greetings[-1], known.without_greeting(client)
    with client.websocket("/live") as websocket:
        for greeting in greetings:
            assert ask(websocket, lang=greeting["lang"]) == greeting
            assert ask(websocket, lang=greeting["lang"], greet=False, more=[1, 2]) == greeting
        for lang in unknown:
            websocket.send(json.dumps({"lang": lang}))
            refused(websocket, 404, f"There is no greeting in {lang}.")
        for lang in ("", "e", "en_US", "en\n", "..", "é", "😀", "a" * 300):
            websocket.send(json.dumps({"lang": lang}, ensure_ascii=False))
            refused(websocket, 422, "lang must be a language tag, such as en or zh-Hant.")
        for message in MALFORMED:
            websocket.send(message)
            refused(websocket, 400, NO_OBJECT)
        # Messages that are sent together are answered in order. Fragments are one message.
        for greeting in greetings:
            websocket.send(json.dumps({"lang": greeting["lang"]}))
        assert [answer(websocket) for _ in greetings] == greetings
        websocket.send('{"lang"', ":", f'"{last["lang"]}"}}')
        assert answer(websocket) == last
        websocket.close()


@part("LIVE-1", "no message")
def what_is_no_message_closes_the_websocket(client: Client) -> None:
    last = known.known_greetings(client)[-1]
    for data, code in (
        (json.dumps({"lang": last["lang"]}).encode(), UNSUPPORTED_DATA),
        ("x" * (LIMIT + 1), MESSAGE_TOO_BIG),
        ("é" * (LIMIT // 2) + "x", MESSAGE_TOO_BIG),
    ):
        with client.websocket("/live") as websocket:
            assert ask(websocket, lang=last["lang"]) == last
            websocket.send(data)
            assert closing(websocket) == code


@part("LIVE-1", "a megabyte", Capability.DIRECT)
def a_message_of_a_megabyte_closes_the_websocket(client: Client) -> None:
    # The server does not read it to its end: nginx then resets the connection, without a code.
    with client.websocket("/live") as websocket:
        websocket.send(json.dumps({"lang": "es"}) + " " * 1_000_000)
        assert closing(websocket) == MESSAGE_TOO_BIG


@part("LIVE-1", "a greeting that cannot be had", Capability.FAULT)
def a_store_that_fails_leaves_the_connection_open(client: Client) -> None:
    with client.websocket("/live") as websocket:
        websocket.send(json.dumps({"lang": AWAY}))
        refused(websocket, 503, expect.UNAVAILABLE)
        websocket.send(json.dumps({"lang": FAULTY}))
        refused(websocket, 500, expect.UNEXPECTED)
        assert ask(websocket, lang="es") == {"lang": "es", "text": "Hola"}


@part("LIVE-1", "no handshake")
def a_request_that_is_no_handshake_is_a_problem(client: Client) -> None:
    for method in ("GET", "POST"):
        plain = client.request(method, "/live")
        assert plain.status in (400, 404, 405, 426)
        assert plain.header("content-type") == "application/problem+json"


@part("LIVE-1", "at shutdown", Capability.PROCESS, Capability.STOP)
def a_shutdown_closes_the_websocket(client: Client) -> None:
    with client.process() as (own, process), own.websocket("/live") as websocket:
        assert ask(websocket, lang="es") == {"lang": "es", "text": "Hola"}
        process.terminate()
        assert closing(websocket) in SHUTDOWN
        process.wait(10)


def closing(websocket: WebSocket) -> int:
    closed = websocket.receive()
    assert isinstance(closed, Closed), closed
    return closed.code


@must(
    "LIVE-2",
    "The websocket is there under every mount, knows who is asking, and 200 of them are served at"
    " once.",
    version=2,
)
def the_websocket_greets_the_user(client: Client) -> None:
    greeting, name = known.known_greetings(client)[0], known_as(client)
    with client.websocket("/live") as websocket:
        assert ask(websocket, lang=greeting["lang"], greet=True) == {
            "lang": greeting["lang"],
            "text": f"{greeting['text']}, {name}!",
        }


@part("LIVE-2", "with credentials", Capability.FORGE)
def the_websocket_reads_the_credentials(client: Client) -> None:
    for user in ("ada", "José Ünï 你好"):
        credentials = json.dumps({"user": user, "groups": ["x"]}, ensure_ascii=False)
        with client.websocket("/live", [(CREDENTIALS, credentials)]) as websocket:
            for greeting in SEVEN:
                assert ask(websocket, lang=greeting["lang"], greet=True) == {
                    "lang": greeting["lang"],
                    "text": f"{greeting['text']}, {user}!",
                }
    with client.untrusting().websocket("/live", [(CREDENTIALS, '{"user":"ada"}')]) as websocket:
        answered = ask(websocket, lang="en", greet=True)
        assert answered == {"lang": "en", "text": "Hello, stranger!"}
    with client.websocket("/live", [(CREDENTIALS, "ada")]) as websocket:
        refused(websocket, 400, f"{CREDENTIALS} must be a JSON object with a user.")
        assert closing(websocket) == POLICY_VIOLATION


@part("LIVE-2", "200 at once", Capability.PROCESS)
def two_hundred_websockets_are_served_at_once(client: Client) -> None:
    with ExitStack() as stack:
        websockets = [stack.enter_context(client.websocket("/live")) for _ in range(200)]
        broadcast(websockets)
        broadcast(websockets)
        for websocket in websockets[::2]:
            websocket.hang_up()
        broadcast(websockets[1::2])


def known_as(client: Client) -> str:
    """The name by which the app has to greet the client over the websocket.

    It is the name in the answer of `/hello`. A client that has not signed in is a stranger. For a
    client with an API key, only the server knows the name of the user.
    """
    hello = expect.json_of(client.request("GET", "/hello"))
    if Capability.ANONYMOUS in client.capabilities or hello == STRANGER:
        assert hello == STRANGER
        return "stranger"
    assert isinstance(hello, dict)
    before, after = expect.welcome("\n")["message"].split("\n")
    name: str = hello["message"].removeprefix(before).removesuffix(after)
    assert name
    assert hello == expect.welcome(name)
    return name


def broadcast(websockets: list[WebSocket]) -> None:
    """Sends a message over each websocket, then reads the answers, all within two seconds."""
    asked = time.monotonic()
    for number, websocket in enumerate(websockets):
        websocket.send(json.dumps({"lang": SEVEN[number % len(SEVEN)]["lang"]}))
    for number, websocket in enumerate(websockets):
        assert answer(websocket) == SEVEN[number % len(SEVEN)]
    assert time.monotonic() - asked < 2


@should(
    "LIVE-3",
    "A handshake for an address that is no websocket is refused with a status of 400 to 499.",
    version=2,
)
def a_handshake_elsewhere_is_refused(client: Client) -> None:
    statuses = []
    for target in (*routes.READ_ONLY, "/nope"):
        try:
            with client.websocket(target):
                statuses.append(101)
        except HandshakeFailure as refusal:
            statuses.append(refusal.status)
    client.observe(", ".join(map(str, statuses)))
    assert all(status in range(400, 500) for status in statuses)


@should("LIVE-4", "A binary message of no bytes is refused like any other, 1003.", version=2)
def an_empty_binary_message_is_refused(client: Client) -> None:
    with client.websocket("/live") as websocket:
        websocket.send(b"")
        code = closing(websocket)
    client.observe(f"{code}")
    assert code == UNSUPPORTED_DATA


@must(
    "LIVE-5",
    "A page of another origin opens no websocket: its handshake is answered 403, RFC 6455 section"
    " 10.2. A client without an origin, which is no browser, may.",
    version=3,
)
def a_page_of_another_origin_opens_no_websocket(client: Client) -> None:
    scheme, _, host = client.origin.partition("://")
    for origin in (
        "null",
        "http://evil.example",
        f"{scheme}://evil.{host}",
        f"{client.origin}.evil.example",
        f"{client.origin}1",
        f"ftp://{host}",
    ):
        assert handshake(client, origin) == 403, origin
    for headers in ([("Origin", client.origin)], []):
        with client.websocket("/live", headers) as websocket:
            websocket.send("{}")
            refused(websocket, 400, NO_OBJECT)


def handshake(client: Client, origin: str) -> int:
    """Returns the status with which the handshake from that origin is answered."""
    try:
        with client.websocket("/live", [("Origin", origin)]):
            return 101
    except HandshakeFailure as refusal:
        return refusal.status


@must(
    "LIVE-6",
    "A request for the address of the websocket that is no handshake is answered 404, whatever its"
    " method.",
    version=3,
)
def without_a_handshake_there_is_nothing(client: Client) -> None:
    for method in ("GET", "POST", "PUT", "OPTIONS"):
        expect.problem(client.request(method, "/live"), 404, expect.NOWHERE)
    assert client.request("HEAD", "/live").status == 404

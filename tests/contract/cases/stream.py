"""STREAM: greetings as server-sent events."""

import json
import time

from tests.contract.cases import expect
from tests.contract.cases.slow import slowed
from tests.contract.client import Client
from tests.contract.interfaces import InFlight
from tests.contract.registry import must
from tests.contract.vocabulary import NOT_ALLOWED, SEVEN, Capability
from tests.contract.waiting import eventually

EVENT_STREAM = "text/event-stream"


def events_of(body: bytes) -> list[tuple[str, object]]:
    """Names and parsed data; the HTML standard, section 9.2.6, as far as it is used here."""
    found = []
    for block in body.decode("utf-8").replace("\r\n", "\n").split("\n\n"):
        fields = [line.partition(":") for line in block.split("\n") if line.partition(":")[0]]
        name, data = "message", ""
        for field, _, value in fields:
            if field == "event":
                name = value.removeprefix(" ")
            elif field == "data":
                data += value.removeprefix(" ")
        if data:
            found.append((name, json.loads(data)))
    return found


@must(
    "STREAM-1",
    "GET /greetings/stream sends every greeting as an event, in order and as soon as it is there, then the"
    " event end; when the client leaves, the work for it stops within a second.",
    version=2,
)
def every_greeting_is_an_event(client: Client) -> None:
    answer = client.request("GET", "/greetings/stream")
    assert answer.status == 200
    assert (answer.header("content-type") or "").split(";")[0] == EVENT_STREAM
    assert answer.header("cache-control") == "no-cache"
    events: list[tuple[str, object]] = [
        ("message", each) for each in expect.known_greetings(client)
    ]
    assert events_of(answer.body)[:-1] == events
    assert events_of(answer.body)[-1][0] == "end"
    head = client.request("HEAD", "/greetings/stream")
    assert (head.status, head.body) == (200, b"")
    assert (head.header("content-type") or "").split(";")[0] == EVENT_STREAM
    for method in NOT_ALLOWED:
        expect.problem(
            client.request(method, "/greetings/stream"),
            405,
            "This address does not take that method.",
        )

    if Capability.DATABASE in client.capabilities:
        delay = 0.3
        with slowed(client.database, delay) as slow:
            with client.begin("GET", "/greetings/stream") as request:
                first_event(request)
                first = time.monotonic()
                while request.read():
                    pass
                # At least one more query lies between the first greeting and the last.
                assert time.monotonic() - first > delay / 2

            with client.begin("GET", "/greetings/stream") as request:
                first_event(request)
                slow.sleep(30)
                # The query after the one under way is the one that sleeps long.
                time.sleep(2 * delay)
                assert client.database.active() == 1
                request.hang_up()
                assert eventually(lambda: client.database.active() == 0, 1.0)

        with slowed(client.database, delay), client.begin("GET", "/greetings/stream") as request:
            body = first_event(request)
            client.database.cluster.stop()
            try:
                while piece := request.read():
                    body += piece
            finally:
                client.database.cluster.start()
            assert events_of(body)[-1] == (
                "problem",
                expect.problem_details(503, expect.UNAVAILABLE),
            )
        eventually(lambda: client.request("GET", "/health").status == 200, 2.0)


def first_event(request: InFlight) -> bytes:
    """What has been read when the first event is whole."""
    assert request.start().status == 200
    body = b""
    while b"\n\n" not in body:
        piece = request.read()
        assert piece
        body += piece
    assert events_of(body)[0] == ("message", SEVEN[0])
    return body

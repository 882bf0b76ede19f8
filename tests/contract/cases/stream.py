"""STREAM: greetings as server-sent events."""

import json
import time

import pytest

from shared.errors import UnavailableError
from tests.contract import faults
from tests.contract.cases import expect, known
from tests.contract.cases.slow import slowed
from tests.contract.client import Client
from tests.contract.interfaces import InFlight
from tests.contract.registry import must, part
from tests.contract.vocabulary import (
    FAULT,
    FAULTY,
    NOT_ALLOWED,
    SEVEN,
    Capability,
    TimeoutFailure,
)
from tests.contract.waiting import eventually

EVENT_STREAM = "text/event-stream"

UNEXPECTED = "The server met an unexpected error; its log says more."

DELAY = 0.3
"""The seconds that each query sleeps while the database is slowed."""


def events_of(body: bytes) -> list[tuple[str, object]]:
    """Names and parsed data of the events: a subset of the HTML standard, section 9.2.6."""
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
    "GET /greetings/stream sends every greeting as an event, in order and as soon as it is there,"
    " then the event end; when the client leaves, the work for it stops within a second.",
    version=2,
)
def every_greeting_is_an_event(client: Client) -> None:
    answer = client.request("GET", "/greetings/stream")
    assert answer.status == 200
    assert (answer.header("content-type") or "").split(";")[0] == EVENT_STREAM
    assert answer.header("cache-control") == "no-cache"
    events: list[tuple[str, object]] = [("message", each) for each in known.known_greetings(client)]
    assert events_of(answer.body)[:-1] == events
    assert events_of(answer.body)[-1][0] == "end"
    head = client.request("HEAD", "/greetings/stream")
    assert (head.status, head.body) == (200, b"")
    assert (head.header("content-type") or "").split(";")[0] == EVENT_STREAM
    for method in NOT_ALLOWED:
        expect.method_not_allowed(client, method, "/greetings/stream")


@part("STREAM-1", "without a buffer", Capability.SCOPE)
def a_proxy_is_asked_not_to_wait(client: Client) -> None:
    # nginx obeys this header, and does not pass it on: only in process it is always there.
    assert client.request("GET", "/greetings/stream").header("x-accel-buffering") == "no"


@part("STREAM-1", "as soon as it is there", Capability.DATABASE)
def an_event_is_sent_before_the_next_query(client: Client) -> None:
    with slowed(client.database, DELAY), client.begin("GET", "/greetings/stream") as request:
        first_event(request)
        first = time.monotonic()
        while request.read():
            pass
        # At least one query runs between the first greeting and the last.
        assert time.monotonic() - first > DELAY / 2


@part("STREAM-1", "when the client leaves", Capability.DATABASE)
def the_query_is_cancelled_when_the_client_leaves(client: Client) -> None:
    with (
        slowed(client.database, 30, after=1),
        client.begin("GET", "/greetings/stream") as request,
    ):
        first_event(request)
        assert eventually(lambda: client.database.active() == 1, 5.0)
        request.hang_up()
        assert eventually(lambda: client.database.active() == 0, 1.0)


@part("STREAM-1", "when the database stops", Capability.DATABASE)
def the_stream_ends_with_a_problem_when_the_database_stops(client: Client) -> None:
    with slowed(client.database, DELAY), client.begin("GET", "/greetings/stream") as request:
        body = first_event(request)
        client.database.cluster.stop()
        try:
            while piece := request.read():
                body += piece
        finally:
            client.database.cluster.start()
        assert events_of(body)[-1] == ("problem", expect.problem_details(503, expect.UNAVAILABLE))
    # The next case finds the database available again.
    eventually(lambda: client.repeatedly().request("GET", "/health").status == 200, 2.0)


@part("STREAM-1", "an unexpected error", Capability.DATABASE, Capability.FAULT)
def the_stream_ends_with_a_problem_after_an_unexpected_error(client: Client) -> None:
    client.database.execute(f"INSERT INTO greetings VALUES ('{FAULTY}', 'x')")
    try:
        answer = client.request("GET", "/greetings/stream")
    finally:
        client.database.execute(f"DELETE FROM greetings WHERE lang = '{FAULTY}'")
    assert events_of(answer.body)[-1] == ("problem", expect.problem_details(500, UNEXPECTED))
    assert "Traceback (most recent call last)" in client.log(FAULT)


@part("STREAM-1", "while the store waits", Capability.SCOPE, Capability.FAULT)
def nothing_is_left_when_the_client_leaves(client: Client) -> None:
    with (
        faults.interrupted() as interruption,
        client.begin("GET", "/greetings/stream") as request,
    ):
        first_event(request)
        with pytest.raises(TimeoutFailure):
            request.read(0.1)
        begun = time.monotonic()
        request.hang_up()
        assert time.monotonic() - begun < 1
        assert interruption.closed == 1


@part("STREAM-1", "the store fails", Capability.SCOPE, Capability.FAULT)
def a_store_that_fails_ends_the_stream(client: Client) -> None:
    for error, status, detail in (
        (RuntimeError(FAULT), 500, UNEXPECTED),
        (UnavailableError(FAULT), 503, expect.UNAVAILABLE),
    ):
        with faults.interrupted(error) as interruption:
            answer = client.request("GET", "/greetings/stream")
            assert interruption.closed == 1
        problem = ("problem", expect.problem_details(status, detail))
        assert events_of(answer.body) == [("message", SEVEN[0]), problem]


def first_event(request: InFlight) -> bytes:
    """Reads until the first event is complete. Returns what has been read."""
    assert request.start().status == 200
    body = b""
    while b"\n\n" not in body:
        piece = request.read()
        assert piece
        body += piece
    assert events_of(body)[0] == ("message", SEVEN[0])
    return body

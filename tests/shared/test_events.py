"""The events of a stream: their text, and their end where the store fails on the way."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from shared.errors import UnavailableError
from shared.events import Event, open_events
from shared.greetings import Greeting, JSONStore
from shared.problems import Problem

ONE, TWO = Greeting("en", "Hello"), Greeting("es", "Hola")


class Store(JSONStore):
    """Yields what it is given, and raises what is an error; it counts what it has closed."""

    def __init__(self, *found: Greeting | Exception) -> None:
        super().__init__({})
        self.found = found
        self.closed = 0

    async def each(self) -> AsyncGenerator[Greeting, None]:
        try:
            for greeting in self.found:
                if isinstance(greeting, Exception):
                    raise greeting
                yield greeting
        finally:
            self.closed += 1


def events_of(store: Store) -> list[Event]:
    async def read() -> list[Event]:
        return [event async for event in await open_events(store)]

    return asyncio.run(read())


def test_every_greeting_is_a_message_and_the_end_has_a_name() -> None:
    store = Store(ONE, TWO)
    assert events_of(store) == [Event(None, ONE), Event(None, TWO), Event("end", {})]
    assert store.closed == 1


def test_a_store_without_greetings_has_an_end() -> None:
    assert events_of(Store()) == [Event("end", {})]


def test_a_store_that_does_not_answer_is_still_an_error_before_the_first_event() -> None:
    with pytest.raises(UnavailableError):
        events_of(Store(UnavailableError()))


def test_a_store_that_stops_answering_ends_the_stream_with_a_problem() -> None:
    problem = Event("problem", Problem.unavailable().details)
    assert events_of(Store(ONE, UnavailableError())) == [Event(None, ONE), problem]


def test_an_unexpected_error_ends_the_stream_with_a_problem_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    problem = Event("problem", Problem(500).details)
    assert events_of(Store(ONE, RuntimeError("secret"))) == [Event(None, ONE), problem]
    assert "RuntimeError: secret" in caplog.text


def test_a_reader_that_leaves_closes_the_store() -> None:
    store = Store(ONE, TWO)

    async def leave() -> None:
        events = await open_events(store)
        await anext(events)
        await events.aclose()
        assert store.closed == 1

    asyncio.run(leave())


def test_an_event_is_text_of_the_stream() -> None:
    assert Event(None, ONE).encode() == 'data: {"lang":"en","text":"Hello"}\n\n'
    assert Event("end", {}).encode() == "event: end\ndata: {}\n\n"

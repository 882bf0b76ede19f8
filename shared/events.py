"""Greetings as server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from shared.errors import UnavailableError
from shared.greetings import Greeting, Store
from shared.problems import Problem, ProblemDetails

_log = logging.getLogger(__name__)

MEDIA_TYPE = "text/event-stream"

# A proxy that buffers the response would delay every event. X-Accel-Buffering is for nginx.
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `name` is None for a plain message."""

    name: str | None
    data: Greeting | ProblemDetails | dict[str, str]

    def json(self) -> str:
        """Returns the data as one line of JSON."""
        return msgspec.json.encode(self.data).decode()

    def encode(self) -> str:
        """Returns the event as text of the stream, for frameworks that do not encode events."""
        name = f"event: {self.name}\n" if self.name else ""
        return f"{name}data: {self.json()}\n\n"


async def open_events(store: Store) -> AsyncGenerator[Event, None]:
    """Returns a generator of one message for every greeting, in order, and the event `end`.

    The first greeting is read before this returns. An unavailable store therefore raises
    `UnavailableError` while a 503 is still possible. If the store becomes unavailable later, or
    raises an unexpected error, which is logged, the stream ends with the event `problem`.
    """
    greetings = store.each()
    first = await anext(greetings, None)

    async def events() -> AsyncGenerator[Event, None]:
        async with aclosing(greetings):
            if first is not None:
                yield Event(None, first)
            try:
                async for greeting in greetings:
                    yield Event(None, greeting)
            except UnavailableError:
                yield Event("problem", Problem.unavailable().details)
            except Exception:
                # Raised, it could end the stream like a complete one.
                _log.exception("A stream of greetings could not be completed.")
                yield Event("problem", Problem(500).details)
            else:
                yield Event("end", {})

    return events()

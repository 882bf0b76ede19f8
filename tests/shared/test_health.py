"""The health check, by itself: a store that takes its time, and one that never answers."""

import asyncio

import pytest

from shared import health
from shared.errors import UnavailableError
from shared.greetings import JSONStore
from shared.health import Health, check_health


class Store(JSONStore):
    """A store that answers a check after some seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__({})
        self.seconds = seconds

    async def check(self) -> None:
        await asyncio.sleep(self.seconds)


def test_a_store_that_answers_in_time_is_healthy() -> None:
    assert asyncio.run(check_health(Store(0.01))) == Health("ok", "json")


def test_a_store_that_does_not_answer_in_time_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "SECONDS", 0.01)
    with pytest.raises(UnavailableError):
        asyncio.run(check_health(Store(5)))


def test_the_check_leaves_time_for_the_answer_within_a_second() -> None:
    assert health.SECONDS < 1

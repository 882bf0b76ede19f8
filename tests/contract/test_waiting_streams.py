"""A stream whose store waits for longer than any framework waits before it sends a ping."""

import pytest

from tests.contract import faults
from tests.contract.apps import RunningApps
from tests.contract.cases.stream import events_of, first_event
from tests.contract.in_process import InProcessClient
from tests.contract.vocabulary import BARE, TimeoutFailure
from tooling.frameworks import find_frameworks

SECONDS = 0.7


@pytest.fixture(params=find_frameworks(), ids=lambda framework: framework.name)
def client(request: pytest.FixtureRequest, apps: RunningApps) -> InProcessClient:
    return apps.in_process(request.param, BARE)


def test_a_stream_that_waits_sends_one_comment_at_most_and_ends_without_an_error(
    client: InProcessClient,
) -> None:
    client.app.log()
    sent = []
    with faults.interrupted() as interruption, client.begin("GET", "/greetings/stream") as request:
        first_event(request)
        try:
            sent.append(request.read(SECONDS))
            sent.append(request.read(SECONDS / 10))
        except TimeoutFailure:
            pass
        request.hang_up()
        assert interruption.closed == 1
    assert len(sent) <= 1
    assert events_of(b"".join(sent)) == []
    assert client.app.log() == ""

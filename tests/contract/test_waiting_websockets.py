"""A websocket whose client sends and does not read: the app waits, and keeps few messages."""

import asyncio

import pytest

from shared.asgi import ASGIApp, Message, Receive, Scope, Send
from tests.contract.apps import RunningApps
from tests.contract.cases.live import closing
from tests.contract.in_process import InProcessClient
from tests.contract.vocabulary import BARE
from tooling.frameworks import find_frameworks

KEPT = 32
"""The messages that an app may take from the server while its answer to the first one waits."""

TURNS = 1000
"""Of the event loop: enough for an app without a limit to take so many messages."""


@pytest.fixture(params=find_frameworks(), ids=lambda framework: framework.name)
def client(request: pytest.FixtureRequest, apps: RunningApps) -> InProcessClient:
    return apps.in_process(request.param, BARE)


def flooded(app: ASGIApp, taken: list[Message]) -> ASGIApp:
    """A layer whose client always has one more message, and never reads an answer."""

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        accepted, answering, released = asyncio.Event(), asyncio.Event(), asyncio.Event()
        connect = [await receive()]

        async def receive_next() -> Message:
            if connect:
                return connect.pop()
            await accepted.wait()
            await asyncio.sleep(0)
            if released.is_set():
                return {"type": "websocket.disconnect", "code": 1001}
            taken.append({"type": "websocket.receive", "text": '{"lang": "es"}'})
            return taken[-1]

        async def send_late(message: Message) -> None:
            if message["type"] == "websocket.send":
                answering.set()
                await released.wait()
            else:
                await send(message)
                accepted.set()

        conversation = asyncio.ensure_future(app(scope, receive_next, send_late))
        await answering.wait()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        released.set()
        await conversation
        await send({"type": "websocket.close", "code": 1000})

    return layer


def test_an_app_that_waits_for_its_client_takes_no_further_messages(
    client: InProcessClient,
) -> None:
    taken: list[Message] = []
    with client.inside(lambda app: flooded(app, taken)).websocket("/live") as websocket:
        assert closing(websocket) == 1000
    assert 1 <= len(taken) <= KEPT

"""The end of a websocket: the client leaves, or the server cancels the app, as hypercorn does."""

import asyncio

import pytest

from shared.asgi import ASGIApp, Message, Receive, Scope, Send
from tests.contract.apps import RunningApps
from tests.contract.cases.live import ask, closing
from tests.contract.in_process import InProcessClient
from tests.contract.vocabulary import BARE
from tooling.frameworks import find_frameworks

SERVICE_RESTART = 1012


@pytest.fixture(params=find_frameworks(), ids=lambda framework: framework.name)
def client(request: pytest.FixtureRequest, apps: RunningApps) -> InProcessClient:
    return apps.in_process(request.param, BARE)


def is_of_the_app(task: asyncio.Task[object]) -> bool:
    """Whether the task is not the client's, which waits for a message in the same loop."""
    return not repr(task.get_coro()).startswith("<coroutine object Conversation.")


def cancelled_after_an_answer(app: ASGIApp) -> ASGIApp:
    """A layer that cancels the app as soon as it has sent a message over the websocket."""

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_cancel(message: Message) -> None:
            # As hypercorn does: Sanic answers a cancelled websocket like an HTTP request.
            if not message["type"].startswith("websocket."):
                raise RuntimeError(message)
            await send(message)
            if message["type"] == "websocket.send":
                task.cancel()

        before = asyncio.all_tasks()
        task = asyncio.ensure_future(app(scope, receive, send_and_cancel))
        await asyncio.gather(task, return_exceptions=True)
        # As a server that stops: Quart's own tasks are left.
        for left in filter(is_of_the_app, asyncio.all_tasks() - before):
            left.cancel()
            await asyncio.gather(left, return_exceptions=True)

    return layer


def test_the_client_of_a_cancelled_websocket_is_told_to_connect_again(
    client: InProcessClient,
) -> None:
    with client.inside(cancelled_after_an_answer).websocket("/live") as websocket:
        assert ask(websocket, lang="es") == {"lang": "es", "text": "Hola"}
        assert closing(websocket) == SERVICE_RESTART


@pytest.mark.parametrize("code", [1000, 1001, 1006])
def test_a_client_that_leaves_is_no_error(client: InProcessClient, code: int) -> None:
    client.app.log()
    with client.websocket("/live") as websocket:
        assert ask(websocket, lang="es") == {"lang": "es", "text": "Hola"}
        websocket.close(code)
    assert client.app.log() == ""

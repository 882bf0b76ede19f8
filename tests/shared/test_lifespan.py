"""Start-up and shutdown: under servers that speak of them, under those that do not, and when they
fail.
"""

import asyncio
import gc
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.asgi import Message, Receive, Scope, Send
from shared.lifespan import Lifespan
from tests.contract.sockets import Connection
from tests.contract.vocabulary import Request
from tests.servers import server_process
from tooling.frameworks import Framework, find_frameworks
from tooling.processes import AppDidNotStartError

each_framework = pytest.mark.parametrize(
    "framework", find_frameworks(), ids=lambda framework: framework.name
)


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **more}


@each_framework
def test_an_app_answers_under_a_server_without_lifespan(
    framework: Framework, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "uvicorn", "--lifespan", "off"]
    with server_process(
        framework.entrypoint, program=command, variables=environment(), log=tmp_path / "log"
    ) as process:
        process.wait_until_ready()
        connection = Connection(process.url)
        for _ in range(2):
            assert connection.send(Request("GET", "/greetings/es")).json()["text"] == "Hola"
        connection.close()


@each_framework
def test_a_store_that_cannot_be_opened_stops_the_start_and_says_why(
    framework: Framework, tmp_path: Path
) -> None:
    process = server_process(
        framework.entrypoint,
        variables=environment(GREETINGS_URL="mysql://user:secret@host/db"),
        log=tmp_path / "log",
    )
    with pytest.raises(AppDidNotStartError):
        process.wait_until_ready()
    log = process.log.read_text()
    assert "GREETINGS_URL must begin with postgresql://" in log
    assert "secret" not in log
    assert process.stop() != 0


@each_framework
def test_a_malformed_data_file_stops_the_start_and_says_where(
    framework: Framework, tmp_path: Path
) -> None:
    (tmp_path / "bad.json").write_text('{\n"en": "Hello",\n"e": "x"}')
    (tmp_path / "sitecustomize.py").write_text(
        "from pathlib import Path\n"
        "from shared import greetings\n"
        "greetings.FILE = Path(__file__).with_name('bad.json')\n"
    )
    process = server_process(
        framework.entrypoint,
        variables=environment(PYTHONPATH=f"{tmp_path}{os.pathsep}{framework.folder.parent}"),
        log=tmp_path / "log",
    )
    with pytest.raises(AppDidNotStartError):
        process.wait_until_ready()
    assert 'bad.json, line 3, key "e": the key is not a language tag.' in process.log.read_text()


class App:
    """An application whose start-up goes as the test says; it counts its starts and answers with
    nothing.
    """

    def __init__(self, *outcomes: Message | Exception) -> None:
        self.outcomes = list(outcomes)
        self.starts = 0
        self.scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            return
        self.scope = scope
        assert (await receive())["type"] == "lifespan.startup"
        self.starts += 1
        await asyncio.sleep(0)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        await send(outcome)
        await receive()


COMPLETE = {"type": "lifespan.startup.complete"}


def ask(app: Lifespan, times: int = 1) -> list[BaseException | None]:
    async def request() -> None:
        await app({"type": "http"}, never, never)

    async def together() -> list[BaseException | None]:
        requests = asyncio.gather(*(request() for _ in range(times)), return_exceptions=True)
        return await asyncio.wait_for(requests, 5)

    return asyncio.run(together())


async def never(*_: object) -> Any:
    raise NotImplementedError


def test_requests_that_come_together_start_the_app_once() -> None:
    app = App(COMPLETE)
    assert ask(Lifespan(app), times=5) == [None] * 5
    assert app.starts == 1


def test_a_late_start_that_failed_is_tried_again_by_the_next_request() -> None:
    app = App({"type": "lifespan.startup.failed", "message": "no store"}, COMPLETE)
    layer = Lifespan(app)
    (refused,) = ask(layer)
    assert str(refused) == "The application did not start: no store"
    assert ask(layer) == [None]
    assert app.starts == 2


def test_a_failure_need_not_say_why() -> None:
    (refused,) = ask(Lifespan(App({"type": "lifespan.startup.failed"})))
    assert "did not start" in str(refused)


def test_an_app_that_takes_no_part_in_the_protocol_goes_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert ask(Lifespan(App(NotImplementedError()))) == [None]
    gc.collect()  # asyncio logs an exception that nobody has asked for.
    assert caplog.text == ""


SCOPE = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}


def test_an_app_is_started_with_all_that_a_server_sends() -> None:
    app = App(COMPLETE)
    ask(Lifespan(app))
    assert app.scope == {**SCOPE, "state": {}}


def test_a_server_that_speaks_of_the_lifespan_is_left_to_it() -> None:
    app = App(COMPLETE)
    layer = Lifespan(app)

    async def serve() -> None:
        events: asyncio.Queue[Message] = asyncio.Queue()
        events.put_nowait({"type": "lifespan.startup"})
        events.put_nowait({"type": "lifespan.shutdown"})
        answers: asyncio.Queue[Message] = asyncio.Queue()
        # No `asgi` member, as with some test clients: Falcon would refuse to start.
        await layer({"type": "lifespan"}, events.get, answers.put)
        assert answers.get_nowait() == COMPLETE
        await layer({"type": "http"}, never, never)

    asyncio.run(serve())
    assert app.starts == 1
    assert app.scope == SCOPE


def test_a_cancelled_websocket_that_is_closed_already_is_only_cancelled() -> None:
    async def cancel() -> None:
        begun = asyncio.Event()

        async def app(scope: Scope, *_: object) -> None:
            if scope["type"] == "lifespan":
                raise NotImplementedError
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.ensure_future(Lifespan(app)({"type": "websocket"}, never, never))
        await asyncio.wait_for(begun.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())

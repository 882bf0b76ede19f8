"""Websockets through the gateway."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from rehearsal.proxy.upstream import Credentials, Upstream
from tests.gateway import gateway
from tests.rehearsal.wire import TIMEOUT_SECONDS, read_until, recording
from tests.serving import serving
from tooling.serving import MAX_MESSAGE_BYTES

closed_with: list[tuple[int, str]] = []
closed = threading.Event()


async def echo(websocket: WebSocket) -> None:
    await websocket.accept(next(reversed(websocket.scope["subprotocols"]), None))
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message["code"], message.get("reason"))
            await websocket.send({**message, "type": "websocket.send"})
    except WebSocketDisconnect as disconnect:
        closed_with.append((disconnect.code, disconnect.reason))
        closed.set()


async def tell(websocket: WebSocket) -> None:
    await websocket.accept(headers=[(b"set-cookie", b"a=1; Path=/")])
    headers = {name.decode(): value.decode() for name, value in websocket.scope["headers"]}
    await websocket.send_json(
        {"raw_path": websocket.scope["raw_path"].decode(), "headers": headers}
    )
    await websocket.close(4001, "told")


async def reject(websocket: WebSocket) -> None:
    await websocket.send_denial_response(PlainTextResponse("not today", 418))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    app = Starlette(
        routes=[
            WebSocketRoute("/echo", echo),
            WebSocketRoute("/tell/{rest:path}", tell),
            WebSocketRoute("/reject", reject),
        ]
    )
    with serving(app) as upstream, mounted(int(upstream.rpartition(":")[2])) as url:
        yield url


@contextmanager
def mounted(port: int, response_seconds: float = 60.0) -> Iterator[str]:
    upstream = Upstream("/app", port, credentials=Credentials("José 你好"))
    with serving(gateway(upstream, response_seconds=response_seconds)) as url:
        yield url.replace("http://", "ws://") + "/app"


@contextmanager
def dropping() -> Iterator[int]:
    """An upstream that accepts one websocket and then ends without a close frame."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                protocol = ServerProtocol()
                protocol.receive_data(read_until(connection, b"\r\n\r\n"))
                (request,) = protocol.events_received()
                assert isinstance(request, Request)
                protocol.send_response(protocol.accept(request))
                connection.sendall(b"".join(protocol.data_to_send()))

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


@pytest.fixture
def echoing(url: str) -> Iterator[ClientConnection]:
    closed_with.clear()
    closed.clear()
    with connect(f"{url}/echo", max_size=None, compression=None) as websocket:
        yield websocket


def test_text_and_bytes_pass_both_ways(echoing: ClientConnection) -> None:
    for message in ("", "你好\x00", b"", bytes(range(256))):
        echoing.send(message)
        assert echoing.recv(TIMEOUT_SECONDS) == message


def test_large_and_fragmented_messages_pass_whole(echoing: ClientConnection) -> None:
    large = b"x" * MAX_MESSAGE_BYTES
    echoing.send(large)
    assert echoing.recv(TIMEOUT_SECONDS) == large
    echoing.send(iter(["frag", "ment", "ed"]))
    assert echoing.recv(TIMEOUT_SECONDS) == "fragmented"


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (3456, "enough")])
def test_the_app_learns_the_clients_close_code(
    echoing: ClientConnection, code: int, reason: str
) -> None:
    echoing.send("first")
    echoing.recv(TIMEOUT_SECONDS)
    echoing.close(code, reason)
    assert closed.wait(TIMEOUT_SECONDS)
    assert closed_with == [(code, reason)]


def test_a_client_that_vanishes_frees_the_app(echoing: ClientConnection) -> None:
    echoing.send("first")
    echoing.recv(TIMEOUT_SECONDS)
    echoing.socket.shutdown(2)
    assert closed.wait(TIMEOUT_SECONDS)


def test_the_client_learns_the_apps_close_code_and_headers(url: str) -> None:
    forged = {"RStudio-Connect-Credentials": '{"user":"eve"}', "X-Kept": "kept" * 5000}
    with connect(f"{url}/tell/..//%2F?q", additional_headers=forged) as websocket:
        told = json.loads(websocket.recv(TIMEOUT_SECONDS))
        with pytest.raises(ConnectionClosed) as caught:
            websocket.recv(TIMEOUT_SECONDS)
        assert websocket.response is not None
        assert websocket.response.headers["Set-Cookie"] == "a=1; Path=/app/"
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4001, "told")
    assert told["raw_path"] == "/tell/..//%2F"
    headers = told["headers"]
    assert headers["rstudio-connect-credentials"] == '{"user":"José 你好","groups":[]}'
    assert headers["rstudio-connect-app-base-url"] == url.replace("ws://", "http://")
    assert headers["x-rsc-request"].endswith("/app/tell/..//%2F?q")
    assert headers["x-kept"] == "kept" * 5000


def test_the_subprotocol_is_agreed_with_the_app(url: str) -> None:
    offered = [Subprotocol("one"), Subprotocol("two")]
    with connect(f"{url}/echo", subprotocols=offered) as websocket:
        assert websocket.subprotocol == "two"


def test_a_refused_handshake_keeps_its_status_and_body_and_logs_no_error(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidStatus) as caught:
        connect(f"{url}/reject")
    assert caught.value.response.status_code == 418
    assert caught.value.response.body == b"not today"
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_no_app_at_the_path_is_404_and_none_at_the_port_is_502(url: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        connect(f"{url}x/echo")
    assert caught.value.response.status_code == 404
    with (
        recording(b"") as recorder,
        mounted(recorder.port) as dead,
        pytest.raises(InvalidStatus) as caught,
    ):
        connect(f"{dead}/echo")
    assert caught.value.response.status_code == 502


def test_an_app_that_drops_the_connection_closes_the_client_with_bad_gateway() -> None:
    with (
        dropping() as port,
        mounted(port) as url,
        connect(url) as websocket,
        pytest.raises(ConnectionClosed) as caught,
    ):
        websocket.recv(TIMEOUT_SECONDS)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1014


def test_an_app_that_does_not_answer_the_handshake_is_504() -> None:
    async def silent(websocket: WebSocket) -> None:
        await anyio.sleep_forever()

    app = Starlette(routes=[WebSocketRoute("/", silent)])
    with (
        serving(app) as upstream,
        mounted(int(upstream.rpartition(":")[2]), 0.3) as url,
        pytest.raises(InvalidStatus) as caught,
    ):
        connect(url)
    assert caught.value.response.status_code == 504

"""Proxies one websocket: the handshake, then messages in both directions until a side closes."""

import asyncio
from collections.abc import Sequence

from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from rehearsal.proxy.connection import UpstreamRefusedError, UpstreamSlowError
from rehearsal.proxy.headers import Forward, Headers

# Each connection has its own values, also for the extensions: compression is per connection.
HANDSHAKE_HEADERS = frozenset(
    b"sec-websocket-key sec-websocket-version sec-websocket-accept sec-websocket-protocol"
    b" sec-websocket-extensions content-length".split()
)
_CLOSE_SECONDS = 1.0


class _Handshake(ClientProtocol):
    """A request with exactly the given bytes as target and Host."""

    def __init__(self, forward: Forward, subprotocols: Sequence[Subprotocol]) -> None:
        target = forward.target.decode("ascii")
        uri = WebSocketURI(False, "127.0.0.1", forward.port, target, query="")
        super().__init__(uri, subprotocols=subprotocols or None, max_size=None)
        self._host = forward.host.decode("latin-1")

    def connect(self) -> Request:
        request = super().connect()
        del request.headers["Host"]
        request.headers["Host"] = self._host
        return request


async def proxy_websocket(forward: Forward, scope: Scope, receive: Receive, send: Send) -> None:
    """Proxies one websocket.

    Raises `UpstreamRefusedError` and `UpstreamSlowError` only before anything was sent to the
    client.
    """
    handshake = _Handshake(forward, scope["subprotocols"])
    app: ClientConnection | None = None
    try:
        try:
            async with asyncio.timeout(forward.response_seconds):
                _, app = await asyncio.get_running_loop().create_connection(
                    lambda: ClientConnection(
                        handshake, ping_interval=None, close_timeout=_CLOSE_SECONDS, max_queue=1
                    ),
                    *("127.0.0.1", forward.port),
                )
                await app.handshake(
                    [(n.decode("latin-1"), v.decode("latin-1")) for n, v in forward.headers], None
                )
        except InvalidStatus as error:
            await receive()
            await _reject(error.response, _headers_of(error.response, forward), scope, send)
            return
        except TimeoutError as error:
            raise UpstreamSlowError from error
        except (OSError, WebSocketException) as error:
            raise UpstreamRefusedError from error
        await receive()
        assert app.response is not None
        headers = _headers_of(app.response, forward)
        await send({"type": "websocket.accept", "subprotocol": app.subprotocol, "headers": headers})
        await _pass_messages(app, receive, send)
    finally:
        if app is not None:
            app.transport.abort()


def _headers_of(response: Response, forward: Forward) -> Headers:
    received = [(n.encode(), v.encode("latin-1")) for n, v in response.headers.raw_items()]
    return [
        (name, value)
        for name, value in forward.rewrite(received)
        if name.lower() not in HANDSHAKE_HEADERS
    ]


async def _reject(response: Response, headers: Headers, scope: Scope, send: Send) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": CloseCode.POLICY_VIOLATION})
        return
    start = {"status": response.status_code, "headers": headers}
    await send({"type": "websocket.http.response.start", **start})
    await send({"type": "websocket.http.response.body", "body": bytes(response.body or b"")})


async def _pass_messages(app: ClientConnection, receive: Receive, send: Send) -> None:
    tasks = [
        asyncio.create_task(_client_to_app(app, receive)),
        asyncio.create_task(_app_to_client(app, send)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _client_to_app(app: ClientConnection, receive: Receive) -> None:
    try:
        while (message := await receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            await app.send(message["bytes"] if text is None else text)
    except ConnectionClosed:
        # `_app_to_client` closes the connection to the client.
        await asyncio.Event().wait()
    code = message.get("code") or CloseCode.NO_STATUS_RCVD
    if code == CloseCode.NO_STATUS_RCVD:
        await app.close()
    elif code != CloseCode.ABNORMAL_CLOSURE:
        await app.close(code, message.get("reason") or "")


async def _app_to_client(app: ClientConnection, send: Send) -> None:
    try:
        while True:
            data = await app.recv()
            kind = "text" if isinstance(data, str) else "bytes"
            await send({"type": "websocket.send", kind: data})
    except ConnectionClosed as closed:
        code, reason = int(CloseCode.BAD_GATEWAY), "The app dropped the connection."
        if closed.rcvd is not None:
            code, reason = closed.rcvd.code, closed.rcvd.reason
        if code == CloseCode.NO_STATUS_RCVD:
            code = int(CloseCode.NORMAL_CLOSURE)
        await send({"type": "websocket.close", "code": code, "reason": reason})

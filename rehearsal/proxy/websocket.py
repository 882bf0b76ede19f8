"""One websocket through the gateway: the handshake first, then messages both ways until either side closes."""

import asyncio

from starlette.types import Message, Receive, Scope, Send
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from rehearsal.proxy.connection import Connection, UpstreamRefusedError, UpstreamSlowError
from rehearsal.proxy.headers import Headers, Rewrite

# Set by each hop for itself. Extensions too: compression is agreed between neighbours.
HANDSHAKE_HEADERS = frozenset(
    (
        *(b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-accept"),
        *(b"sec-websocket-protocol", b"sec-websocket-extensions", b"content-length"),
    )
)
# IANA registry of close codes: "Bad Gateway".
_BAD_GATEWAY = 1014


class Tunnel:
    """The app's end of the websocket."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._protocol = WSConnection(ConnectionType.CLIENT)

    async def send(self, event: Event) -> None:
        await self._connection.write(self._protocol.send(event))

    async def next_event(self) -> Event | None:
        """The next event from the app; `None` when it dropped the connection."""
        while True:
            for event in self._protocol.events():
                if isinstance(event, Ping):
                    await self.send(event.response())
                else:
                    return event
            data = await self._connection.read()
            if not data:
                return None
            self._protocol.receive_data(data)

    async def handshake(
        self, request: Request, response_seconds: float
    ) -> AcceptConnection | RejectConnection:
        """Raises `UpstreamRefusedError`, `UpstreamSlowError`."""
        try:
            async with asyncio.timeout(response_seconds):
                await self.send(request)
                event = await self.next_event()
        except TimeoutError as error:
            raise UpstreamSlowError from error
        except (OSError, RemoteProtocolError) as error:
            raise UpstreamRefusedError from error
        if not isinstance(event, AcceptConnection | RejectConnection):
            raise UpstreamRefusedError
        return event

    async def rejection_body(self) -> bytes:
        body = b""
        while isinstance(event := await self.next_event(), RejectData):
            body += event.data
            if event.body_finished:
                break
        return body


async def proxy_websocket(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    port: int,
    target: bytes,
    host: bytes,
    headers: Headers,
    rewrite: Rewrite,
    response_seconds: float,
) -> None:
    """Proxy one websocket to the app on `port`.

    Raises `UpstreamRefusedError` and `UpstreamSlowError` before anything was sent to the client.
    """
    request = Request(
        host=host.decode("ascii", "replace"),
        target=target.decode("ascii"),
        extra_headers=headers,
        subprotocols=scope["subprotocols"],
    )
    connection = await Connection.open(port)
    try:
        tunnel = Tunnel(connection)
        answer = await tunnel.handshake(request, response_seconds)
        await receive()
        received = [
            (name, value)
            for name, value in rewrite([(bytes(n), bytes(v)) for n, v in _headers_of(answer)])
            if name.lower() not in HANDSHAKE_HEADERS
        ]
        if isinstance(answer, RejectConnection):
            await _reject(answer, received, tunnel, scope, send)
            return
        accept = {"subprotocol": answer.subprotocol, "headers": received}
        await send({"type": "websocket.accept", **accept})
        await _exchange(tunnel, receive, send)
    finally:
        connection.close()


def _headers_of(answer: AcceptConnection | RejectConnection) -> Headers:
    if isinstance(answer, AcceptConnection):
        return answer.extra_headers
    return answer.headers


async def _reject(
    answer: RejectConnection, headers: Headers, tunnel: Tunnel, scope: Scope, send: Send
) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    body = await tunnel.rejection_body() if answer.has_body else b""
    start = {"status": answer.status_code, "headers": headers}
    await send({"type": "websocket.http.response.start", **start})
    await send({"type": "websocket.http.response.body", "body": body})


async def _exchange(tunnel: Tunnel, receive: Receive, send: Send) -> None:
    tasks = [
        asyncio.create_task(_client_to_app(tunnel, receive)),
        asyncio.create_task(_app_to_client(tunnel, send)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _client_to_app(tunnel: Tunnel, receive: Receive) -> None:
    try:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                code = message.get("code") or CloseReason.NO_STATUS_RCVD
                if code != CloseReason.ABNORMAL_CLOSURE:
                    await tunnel.send(CloseConnection(code=code, reason=message.get("reason")))
                return
            await tunnel.send(_event_of(message))
    except (OSError, LocalProtocolError):
        # The app closed meanwhile: `_app_to_client` sees it, and tells the client.
        await asyncio.Event().wait()


def _event_of(message: Message) -> Event:
    if (text := message.get("text")) is not None:
        return TextMessage(data=text)
    return BytesMessage(data=message["bytes"])


async def _app_to_client(tunnel: Tunnel, send: Send) -> None:
    text: list[str] = []
    binary: list[bytes] = []
    while True:
        try:
            event = await tunnel.next_event()
        except (OSError, RemoteProtocolError):
            event = None
        match event:
            case TextMessage():
                text.append(event.data)
                if event.message_finished:
                    await send({"type": "websocket.send", "text": "".join(text)})
                    text.clear()
            case BytesMessage():
                binary.append(bytes(event.data))
                if event.message_finished:
                    await send({"type": "websocket.send", "bytes": b"".join(binary)})
                    binary.clear()
            case CloseConnection(code=code, reason=reason):
                if code == CloseReason.NO_STATUS_RCVD:
                    code = CloseReason.NORMAL_CLOSURE
                await send({"type": "websocket.close", "code": int(code), "reason": reason})
                return
            case _:
                lost = {"code": _BAD_GATEWAY, "reason": "The app dropped the connection."}
                await send({"type": "websocket.close", **lost})
                return

"""uvicorn's protocols with bounds, for the server that stands next to a browser.

uvicorn waits for ever for the rest of a request, queues the answers to pings that a client does not
read, and does not answer some broken handshakes.
"""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto.events import Ping

HEAD_SECONDS = 20.0
"""The time from the first byte of a connection or request to the end of its head."""
BODY_SECONDS = 60.0
"""The longest pause within a body."""
_MAX_UNREAD_BYTES = 64 * 1024
# wsproto decodes these headers of a handshake. It does not catch what that raises, so that the
# client gets no answer.
_DECODED = {
    b"host": "idna",
    b"connection": "ascii",
    b"sec-websocket-extensions": "ascii",
    b"sec-websocket-protocol": "ascii",
}


class HTTPProtocol(H11Protocol):
    """Ends the connection if a request does not arrive in time.

    A handshake whose headers wsproto cannot decode is refused with 400.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        try:
            for name, value in event.headers:
                value.decode(_DECODED.get(name, "latin-1"))
        except UnicodeError:
            self.send_400_response("Invalid HTTP request received.")
        else:
            super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is h11.IDLE:
            if self._timer is None:
                self._start_timer(HEAD_SECONDS)
            return
        self._stop_timer()
        if self.conn.their_state is h11.SEND_BODY:
            self._start_timer(BODY_SECONDS)

    def _start_timer(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._end)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        if self.transport.is_reading():
            self.transport.abort()
        else:  # The application is slow, and not the client.
            self._start_timer(BODY_SECONDS)


class WebSocketProtocol(WSProtocol):
    """Ends the connection of a client that sends pings and does not read the answers."""

    def handle_ping(self, event: Ping) -> None:
        if self.transport.get_write_buffer_size() > _MAX_UNREAD_BYTES:
            self.transport.abort()
        else:
            super().handle_ping(event)

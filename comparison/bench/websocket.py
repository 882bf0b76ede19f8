"""A websocket as a plain socket, for a client that has to be fast or to hold many of them."""

import socket

# The mask of a client's frame is zero, which RFC 6455 section 5.3 does not forbid to a test.
_FINAL_TEXT, _MASKED = 0x81, 0x80
_COMPRESSION = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"


class NotOpenError(Exception):
    """A connection could not be opened, or did not stay open."""


def open_websocket(port: int, *, compression: bool) -> socket.socket:
    """Opens `/live`; browsers offer compression (RFC 7692).

    Raises `OSError` and `NotOpenError`.
    """
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(
            b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            + (_COMPRESSION if compression else b"")
            + b"\r\n"
        )
        received = b""
        while b"\r\n\r\n" not in received:
            data = connection.recv(4096)
            if not data:
                raise NotOpenError("the handshake had no answer")
            received += data
        if not received.startswith(b"HTTP/1.1 101 "):
            raise NotOpenError(f"the handshake was answered {received[:40]!r}")
    except BaseException:
        connection.close()
        raise
    return connection


def client_frame(text: bytes) -> bytes:
    """Returns a text message of at most 125 bytes as one frame of a client: RFC 6455, 5.2."""
    return bytes([_FINAL_TEXT, _MASKED | len(text), 0, 0, 0, 0]) + text


def server_frame(text: bytes) -> bytes:
    """Returns the same as one frame of a server, which is not masked."""
    return bytes([_FINAL_TEXT, len(text)]) + text

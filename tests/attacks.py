"""What a hostile client sends, and the memory that it costs a process."""

import re
import socket
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.rehearsal.wire import TIMEOUT_SECONDS, read_until

MIB = 1024 * 1024
ALLOWED = 16 * MIB
"""How much memory an attack may cost, in bytes."""


@dataclass(frozen=True)
class Memory:
    """The resident memory of a process, from Linux's /proc."""

    pid: int

    def forget_peak(self) -> None:
        """Sets the peak to the present size: proc(5), clear_refs."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak(self) -> int:
        """The largest resident size, in bytes: proc(5), VmHWM."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024


def websocket(url: str, path: str) -> socket.socket:
    """An open websocket; the client offers to compress, and has a small buffer for answers."""
    address = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(TIMEOUT_SECONDS)
    connection.connect((address.hostname, address.port))
    connection.sendall(handshake(path, "Sec-WebSocket-Extensions: permessage-deflate"))
    assert b" 101 " in read_until(connection, b"\r\n\r\n")
    return connection


def handshake(path: str, *lines: str) -> bytes:
    """The request that opens a websocket, with more header lines."""
    own = ("Host: localhost", "Connection: Upgrade", "Upgrade: websocket")
    key = ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
    return "\r\n".join([f"GET {path} HTTP/1.1", *own, *key, *lines, "", ""]).encode()


def frame(first_byte: int, payload: bytes) -> bytes:
    """A frame of a client, with the mask zero: RFC 6455 section 5.2."""
    length = len(payload)
    if length < 126:
        size = bytes([0x80 | length])
    elif length < 65536:
        size = bytes([0x80 | 126]) + length.to_bytes(2)
    else:
        size = bytes([0x80 | 127]) + length.to_bytes(8)
    return bytes([first_byte]) + size + bytes(4) + payload


TEXT, BINARY, PING, COMPRESSED, FIN = 0x1, 0x2, 0x9, 0x40, 0x80


def bomb(size: int) -> bytes:
    """The compressed payload of a message of that size: RFC 7692 section 7.2.1."""
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(bytes(size)) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


def send_until_refused(connection: socket.socket, data: bytes) -> None:
    """Sends all of it, or what the server takes before it closes the connection."""
    connection.settimeout(TIMEOUT_SECONDS)
    with suppress(ConnectionError):
        connection.sendall(data)


def closed(connection: socket.socket) -> bool:
    """Whether the server closes the connection."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True

"""Plain sockets for the tests: what must hold byte for byte is sent and read byte for byte."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 20.0


def dial(url: str) -> socket.socket:
    """A connection to the server of this URL."""
    address = urlsplit(url)
    return socket.create_connection((address.hostname, address.port), timeout=TIMEOUT_SECONDS)


def exchange(url: str, request: bytes) -> bytes:
    """Everything that the server answers to these bytes, until it closes."""
    with dial(url) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    """Bytes from the connection up to and including `mark`, and perhaps more."""
    data = b""
    while mark not in data:
        chunk = connection.recv(65536)
        if not chunk:
            raise EOFError(data)
        data += chunk
    return data


@dataclass
class Recorder:
    """An upstream that keeps the bytes of each request head and always gives the same answer."""

    port: int
    answer: bytes
    heads: list[bytes] = field(default_factory=list)

    @property
    def targets(self) -> list[bytes]:
        return [head.split(b" ")[1] for head in self.heads]

    def headers(self, name: bytes) -> list[bytes]:
        """The values of that header, in any spelling of case, in the last request."""
        lines = self.heads[-1].split(b"\r\n")[1:]
        pairs = [line.split(b": ", 1) for line in lines if b": " in line]
        return [value for key, value in pairs if key.lower() == name]


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@contextmanager
def recording(answer: bytes = OK) -> Iterator[Recorder]:
    """A `Recorder` on a free loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        recorder = Recorder(listener.getsockname()[1], answer)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(TIMEOUT_SECONDS)
                    try:
                        recorder.heads.append(read_until(connection, b"\r\n\r\n"))
                        connection.sendall(recorder.answer)
                    except (OSError, EOFError):
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield recorder
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()

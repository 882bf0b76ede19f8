"""`python -m comparison.bench.calibration.server FAULT [NUMBER ...]`: an HTTP server with a fault.

- `none`
- `stall SECONDS PERIOD`: does nothing for SECONDS, once, half a second after its first request.
- `pauses SECONDS PERIOD`: the same in every PERIOD.
- `tail N SECONDS`: every Nth answer comes SECONDS later.
- `slow SECONDS`: answers one request after the other, each in SECONDS.
- `errors N`: every Nth answer is a 500; `wrong N`: every Nth answer has another body.

It prints its port. Every answer but these is a 200 with the body `Hello`.
"""

import asyncio
import sys
import time

RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello"
WRONG = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHullo"
ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
FIRST_STALL_SECONDS = 0.5


class Fault:
    """The fault of this server, and how many requests it has answered."""

    def __init__(self, kind: str, numbers: list[float]) -> None:
        self.kind = kind
        self.numbers = numbers
        self.requests = 0

    def answer(self, transport: asyncio.Transport) -> None:
        self.requests += 1
        loop = asyncio.get_running_loop()
        if self.requests == 1 and self.kind in ("stall", "pauses"):
            loop.call_later(FIRST_STALL_SECONDS, self.stall, loop.time() + FIRST_STALL_SECONDS)
        every_nth = bool(self.numbers) and self.requests % max(int(self.numbers[0]), 1) == 0
        if self.kind == "tail" and every_nth:
            loop.call_later(self.numbers[1], transport.write, RIGHT)
            return
        if self.kind == "slow":
            time.sleep(self.numbers[0])
        answers = {"errors": ERROR, "wrong": WRONG}
        transport.write(answers.get(self.kind, RIGHT) if every_nth else RIGHT)

    def stall(self, due: float) -> None:
        """Blocks the server; `due` keeps the period exact."""
        time.sleep(self.numbers[0])
        if self.kind == "pauses":
            due += self.numbers[1]
            asyncio.get_running_loop().call_at(due, self.stall, due)


class Protocol(asyncio.Protocol):
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self.received = (self.received + data).split(b"\r\n\r\n")
        for _ in requests:
            self.fault.answer(self.transport)


async def main() -> None:
    fault = Fault(sys.argv[1], [float(number) for number in sys.argv[2:]])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(fault), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

"""The client for apps that are reached over HTTP: on servers of this suite, or at any URL."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tests.contract.client import Client
from tests.contract.servers import Server, ServerProcess
from tests.contract.sockets import Connection, SocketInFlight, send_together
from tests.contract.vocabulary import (
    BARE,
    BASE_URL,
    EXTERNAL_ORIGIN,
    Answer,
    Capability,
    Mount,
    Request,
    Timed,
)
from tests.contract.websockets import SocketWebSocket
from tooling.postgresql import Database

_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class SocketClient(Client):
    """Reaches an app on a server."""

    server: Server

    def _send(self, request: Request) -> Answer:
        return self._connection().send(self._mounted(request))

    def _send_together(self, requests: Sequence[Request]) -> list[Timed]:
        return send_together(self._connection(), [self._mounted(request) for request in requests])

    def _begin(self, request: Request) -> SocketInFlight:
        return SocketInFlight(self._connection().another(), self._mounted(request))

    def _open_websocket(self, request: Request) -> SocketWebSocket:
        sent = self._mounted(request)
        return self._connection().websocket(sent.target, sent.headers)

    def _connection(self) -> Connection:
        return self.server.connect(self.mount, trust=self.trust)

    def _mounted(self, request: Request) -> Request:
        """The request as it has to be sent in order to come through the mount."""
        prefix = self.mount.prefix if self.mount.client_sends_prefix else ""
        headers = request.headers
        if self.mount.base_url:
            headers = [*headers, (BASE_URL, self.mount.external_url)]
        return replace(request, target=prefix + request.target, headers=headers)

    @property
    def origin(self) -> str:
        return EXTERNAL_ORIGIN if self.mount.base_url else self._connection().origin

    def _require(self, capability: Capability) -> None:
        if capability not in self.capabilities:
            raise NotImplementedError(capability)

    def untrusting(self) -> "SocketClient":
        self._require(Capability.FORGE)
        # The app takes no prefix from a header that it does not trust.
        return replace(self, trust=False, mount=BARE)

    def through(self, mount: Mount) -> "SocketClient":
        self._require(Capability.PREFIX)
        return replace(self, mount=mount)

    def log(self, awaited: str) -> str:
        self._require(Capability.LOG)
        log = ""
        deadline = time.monotonic() + _SECONDS
        while awaited not in log and time.monotonic() < deadline:
            log += self.server.log()
            time.sleep(0.01)
        assert awaited in log
        return log

    @property
    def database(self) -> Database:
        self._require(Capability.DATABASE)
        assert self.server.database is not None
        return self.server.database

    @contextmanager
    def process(self, **environment: str | None) -> Iterator[tuple[Client, ServerProcess]]:
        self._require(Capability.PROCESS)
        with self.server.process(self.mount, environment) as process:
            yield replace(self, server=process), process

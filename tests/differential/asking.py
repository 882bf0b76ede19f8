"""Sends a generated request to every app, in this process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.asgi import Scope
from tests.contract.in_process import (
    InProcessApp,
    InProcessWebSocket,
    environment,
    scope_of,
    websocket_scope_of,
)
from tests.contract.vocabulary import BARE, Answer, Closed, HandshakeFailure, Request
from tests.differential.compared import Compared, compared
from tests.differential.generated import Asked, Talk, spelled_prefix
from tests.differential.values import FILES, OWN_DATE, OWN_ETAG
from tooling.frameworks import Framework


@dataclass(frozen=True)
class App:
    """An app in this process, and the validators of its files: path to ETag and Last-Modified."""

    framework: Framework
    running: InProcessApp
    validators: Mapping[str, tuple[str, str]]

    @classmethod
    def of(cls, framework: Framework, running: InProcessApp) -> "App":
        validators = {}
        for file in FILES:
            answer = running.send(scope_of(Request("GET", file), BARE))
            etag, date = answer.header("etag"), answer.header("last-modified")
            assert etag is not None
            assert date is not None
            validators[file] = etag, date
        return cls(framework, running, validators)

    def answer(self, subject: Asked | Talk) -> Compared:
        """The answer to a request, or a whole conversation, as far as it is compared."""
        if isinstance(subject, Talk):
            return self._converse(subject)
        return compared(self.request(subject), self.framework)

    def request(self, asked: Asked) -> Answer:
        """The answer to a request."""
        with environment("CONNECT_HEADERS", "trust" if asked.trust else "ignore"):
            answer = self.running.send(spelled(scope_of(self._own(asked), asked.mount), asked))
        self.running.log()  # Nobody reads it.
        return answer

    def _converse(self, talk: Talk) -> Compared:
        """The answer to a handshake, and all messages up to the close."""
        asked = talk.asked
        scope = spelled(websocket_scope_of(self._own(asked), asked.mount), asked)
        with environment("CONNECT_HEADERS", "trust" if asked.trust else "ignore"):
            try:
                websocket = InProcessWebSocket(self.running.open(scope))
            except HandshakeFailure as refusal:
                return {"status": refusal.status}
            received: list[Any] = []
            for message in talk.messages:
                websocket.send(message)
                answered = websocket.receive()
                received.append(json.loads(answered) if isinstance(answered, str) else answered)
                if isinstance(answered, Closed):
                    break
            websocket.hang_up()
        return {"status": 101, "messages": received}

    def _own(self, asked: Asked) -> Request:
        """The request with the validators of this app."""
        etag, date = self.validators.get(asked.path, next(iter(self.validators.values())))

        def filled(value: str | bytes) -> str | bytes:
            if isinstance(value, bytes):
                return value
            return value.replace(OWN_ETAG, etag.removeprefix("W/")).replace(OWN_DATE, date)

        headers = [(name, filled(value)) for name, value in asked.request.headers]
        return replace(asked.request, headers=headers)


def spelled(scope: Scope, asked: Asked) -> Scope:
    """The scope with the prefix as the client writes it."""
    if asked.encoded is None:
        return scope
    return {**scope, "raw_path": (spelled_prefix(asked) + asked.path).encode("ascii")}

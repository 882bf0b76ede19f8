"""Refusals of the rehearsal itself, as `application/problem+json` (RFC 9457), over http and websockets."""

import json
from dataclasses import dataclass
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True)
class Problem:
    """What went wrong, in words that are safe to show to anybody."""

    status: int
    detail: str

    @property
    def body(self) -> bytes:
        members = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        return json.dumps(members, ensure_ascii=False).encode()


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one http request, or refuse one websocket handshake, with this problem.

    A server without the ASGI extension `websocket.http.response` answers a refused handshake with a bare 403.
    """
    body = problem.body
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Key"))  # RFC 9110, 11.6.1: a 401 names its scheme.
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
    kind = "websocket.http" if scope["type"] == "websocket" else "http"
    await send({"type": f"{kind}.response.start", "status": problem.status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body})


def problem_response(error: HTTPException) -> Response:
    """One of Starlette's own refusals in this form."""
    body = Problem(error.status_code, error.detail).body
    headers = dict(error.headers or {})
    return Response(body, error.status_code, headers, "application/problem+json")

"""The error responses of the rehearsal itself, as `application/problem+json` (RFC 9457)."""

import json
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


def problem_response(error: HTTPException) -> Response:
    """Returns the error as a response. Its detail must contain nothing confidential."""
    members = {
        "type": "about:blank",
        "title": HTTPStatus(error.status_code).phrase,
        "status": error.status_code,
        "detail": error.detail,
    }
    headers = {"Cache-Control": "no-store", **(error.headers or {})}
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Key"  # RFC 9110, 11.6.1: a 401 must name a scheme.
    body = json.dumps(members, ensure_ascii=False)
    return Response(body, error.status_code, headers, "application/problem+json")


async def refuse(error: HTTPException, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers one HTTP request, or rejects one websocket handshake, with this error.

    A server without the ASGI extension `websocket.http.response` answers a rejected handshake with
    403 and no body.
    """
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
    await problem_response(error)(scope, receive, send)

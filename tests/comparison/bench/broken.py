"""Small ASGI applications that misbehave, for the tests of the measures."""

from collections.abc import Awaitable, Callable

from shared.asgi import ASGIApp, Receive, Scope, Send

Respond = Callable[[str], Awaitable[tuple[int, bytes]]]


def answering(respond: Respond) -> ASGIApp:
    """Returns an application that answers each path with a status and a body."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        status, body = await respond(scope["path"])
        length = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": length})
        await send({"type": "http.response.body", "body": body})

    return app

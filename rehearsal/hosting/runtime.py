"""Serves one deployed app in its own environment, with the ASGI scope that a profile describes.

The content's interpreter runs this file as a script, by its path. So it may import only the
standard library and the server: `python runtime.py --shape SHAPE --server SERVER ...
module:attribute`. Connect also starts a script of its own that imports the app
(`connect_fastapi_runtime.py`, seen in tracebacks of live servers).

The gateway sends the path without the prefix, and the prefix in the header `X-Rehearsal-Mount`. The
app does not receive this header.
"""

import argparse
import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

MOUNT_HEADER = b"x-rehearsal-mount"
# Tried in this order if the entry point names only a module (rsconnect-python,
# validate_entry_point).
DEFAULT_NAMES = ("app", "application", "create_app", "make_app")


class EntryPointError(Exception):
    """The entry point cannot be used. The message is one sentence with the reason."""


def load(entrypoint: str) -> ASGIApp:
    """Returns the application that an entry point names: `module:attribute`, `module` or `file.py`.

    Raises `EntryPointError`. Does not catch exceptions that the app's own code raises on import.
    """
    name, colon, attribute = entrypoint.partition(":")
    name = name.removesuffix(".py").replace("/", ".")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise
        raise EntryPointError(
            f"The entry point is {entrypoint}, but the bundle has no module {error.name}."
        ) from None
    for candidate in (attribute,) if colon else DEFAULT_NAMES:
        found = getattr(module, candidate, None)
        if found is None:
            continue
        if candidate in ("create_app", "make_app"):
            found = found()
        if not callable(found):
            raise EntryPointError(f"{candidate} in module {name} is not an ASGI application.")
        application: ASGIApp = found
        return application
    names = attribute if colon else " or ".join(DEFAULT_NAMES)
    raise EntryPointError(f"The entry point is {entrypoint}, but module {name} has no {names}.")


class Mounted:
    """ASGI middleware that gives each request a scope of this shape.

    - `included`: `root_path` is the prefix, and `path` begins with it (ASGI specification).
    - `stripped`: `root_path` is the prefix, and `path` does not contain it.
    - `header-only`: no `root_path`; only the base-URL header contains the prefix.
    """

    def __init__(self, app: ASGIApp, shape: str) -> None:
        self._app = app
        self._shape = shape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        prefix = b"".join(
            value for name, value in scope["headers"] if name == MOUNT_HEADER
        ).decode()
        is_root = scope["path"] == "/" and scope.get("method") in ("GET", "HEAD")
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] != MOUNT_HEADER]
        if self._shape != "header-only":
            scope["root_path"] = prefix
        if self._shape == "included":
            scope["path"] = prefix + scope["path"]
            scope["raw_path"] = prefix.encode() + scope["raw_path"]
        await self._app(scope, receive, docs_for_missing_root(prefix, send) if is_root else send)


def docs_for_missing_root(prefix: str, send: Send) -> Send:
    """Returns a `send` that redirects `GET /` to `docs` if the app answers 404.

    Connect's user guide, section FastAPI, documents the redirect. That a 404 triggers it, and the
    status of the redirect, are inferred.
    """
    replaced = False

    async def send_or_redirect(message: Message) -> None:
        nonlocal replaced
        if message["type"] == "http.response.start" and message["status"] == 404:
            replaced = True
            location = f"{prefix}/docs".encode()
            headers = [(b"location", location), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 307, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        elif not replaced:
            await send(message)

    return send_or_redirect


def serve_with_uvicorn(app: ASGIApp, fd: int) -> None:
    import uvicorn

    uvicorn.run(app, fd=fd, log_level="info", access_log=False)


def serve_with_hypercorn(app: ASGIApp, fd: int) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{fd}"]
    config.errorlog = "-"
    asyncio.run(serve(app, config))  # type: ignore[arg-type]


def main() -> None:
    """Serves the app. Raises `SystemExit` with one sentence if it cannot be loaded."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=("included", "stripped", "header-only"), required=True)
    parser.add_argument("--server", choices=("uvicorn", "hypercorn"), required=True)
    parser.add_argument("--fd", required=True)
    parser.add_argument("entrypoint")
    options = parser.parse_args()
    # The app imports from the working directory, not from the folder of this script.
    sys.path[0] = ""
    try:
        app = Mounted(load(options.entrypoint), options.shape)
    except EntryPointError as error:
        sys.exit(str(error))
    serve = serve_with_uvicorn if options.server == "uvicorn" else serve_with_hypercorn
    serve(app, int(options.fd))


if __name__ == "__main__":
    main()

"""Conditional requests and ranges for static files, which every framework treats differently."""

import re
from contextlib import suppress
from datetime import datetime
from pathlib import PurePath

from shared.asgi import ASGIApp, Message, Receive, Scope, Send
from shared.connect import ROUTE
from shared.problems import Problem, problem_messages, send_problem

_CONDITIONS = frozenset(
    {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"}
)
_UNSUPPORTED = frozenset({b"range", b"if-range"})
# RFC 9110 section 15.4.5: a 304 has the headers that guide a cache. Its content has been sent.
_OF_CONTENT = frozenset({b"content-length", b"content-type", b"last-modified"})

_ENTITY_TAG = re.compile(rb'(?:W/)?"[^"]*"')
# RFC 9110 section 5.6.7: the preferred format, and the two that are obsolete.
_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")

# A fixed table, because the one of the `mimetypes` module depends on the system.
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def file_headers(path: str | PurePath) -> dict[str, str]:
    """Returns the headers of every response with a static file."""
    media_type = _MEDIA_TYPES.get(PurePath(path).suffix, "application/octet-stream")
    # Otherwise browsers estimate how long a file stays valid.
    return {"Cache-Control": "no-cache", "Content-Type": media_type}


class Files:
    """ASGI middleware: evaluates the conditions of a request against the validators of the file.

    It concerns paths below `/static/`. The frameworks evaluate some conditions, some do so wrongly,
    and each in its own way. This layer removes the conditions from the request, and replaces a
    response whose validators do not fulfil them: RFC 9110 section 13.2.2. The file is read even if
    it is not sent.

    Ranges are ignored, as RFC 9110 section 14.2 allows: the files are small.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope[ROUTE].startswith("/static/"):
            await self.app(scope, receive, send)
            return
        if "\n" in scope[ROUTE]:  # In a pattern `$` also matches before a final line break.
            await send_problem(Problem(404), scope, send)
            return
        conditions: dict[bytes, list[bytes]] = {}
        others = []
        for name, value in scope["headers"]:
            if name in _CONDITIONS:
                conditions.setdefault(name, []).append(value)
            elif name not in _UNSUPPORTED:
                others.append((name, value))
        instead: list[Message] = []

        async def send_file(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                # Frameworks announce ranges, which never reach them. Some names have capitals.
                headers = [(name.lower(), value) for name, value in message["headers"]]
                headers = [header for header in headers if header[0] != b"accept-ranges"]
                message = {**message, "headers": headers}
                match evaluate(conditions, dict(headers)):
                    case 304:
                        kept = [header for header in headers if header[0] not in _OF_CONTENT]
                        instead.append({**message, "status": 304, "headers": kept})
                        instead.append({"type": "http.response.body", "body": b""})
                    case 412:
                        instead.extend(problem_messages(Problem(412)))
            if not instead:
                await send(message)
            elif not message.get("more_body", message["type"] == "http.response.start"):
                # Not before the end: a framework that is cancelled may leave the file open.
                for message in instead:
                    await send(message)

        await self.app({**scope, "headers": others}, receive, send_file)


def evaluate(conditions: dict[bytes, list[bytes]], headers: dict[bytes, bytes]) -> int | None:
    """Returns 304 or 412 if the conditions of a GET or HEAD are not fulfilled, else None.

    `headers` are those of the response without conditions. Without an `ETag` none is evaluated.
    """
    etag = headers.get(b"etag")
    if etag is None or not conditions:
        return None
    modified = _date([headers.get(b"last-modified", b"")])
    if tags := conditions.get(b"if-match"):
        failed = not _matches(tags, etag, weak=False)
    else:
        since = _date(conditions.get(b"if-unmodified-since"))
        failed = bool(modified and since and modified > since)
    if failed:
        return 412
    if tags := conditions.get(b"if-none-match"):
        known = _matches(tags, etag, weak=True)
    else:
        since = _date(conditions.get(b"if-modified-since"))
        known = bool(modified and since and modified <= since)
    return 304 if known else None


def _matches(values: list[bytes], etag: bytes, *, weak: bool) -> bool:
    """Compares entity tags: RFC 9110 section 8.8.3.2."""
    joined = b",".join(values)
    if joined.strip() == b"*":
        return True
    tags = _ENTITY_TAG.findall(joined)
    if weak:
        return etag.removeprefix(b"W/") in [tag.removeprefix(b"W/") for tag in tags]
    return not etag.startswith(b"W/") and etag in tags


def _date(values: list[bytes] | None) -> datetime | None:
    """Returns the date in a header; None without a valid one, which is to be ignored."""
    if values is not None and len(values) == 1:
        for pattern in _DATES:
            with suppress(ValueError):
                return datetime.strptime(values[0].decode("latin-1").strip(), pattern)
    return None

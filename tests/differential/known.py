"""The named differences: what a framework does by itself, and each app keeps."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from tests.contract.vocabulary import BARE, Closed, Request
from tests.differential.compared import Compared
from tests.differential.generated import Asked, Talk
from tests.differential.sent import Sent

Subject = Asked | Talk


@dataclass(frozen=True)
class Known:
    """A difference that is known and kept.

    - `id`: the SHOULD case that records it, or a short name.
    - `why`: one sentence.
    - `frameworks`: those whose answer may differ from that of the others.
    - `applies`: whether a request may show the difference.
    - `answers`: whether an answer that differs is the one that is known.
    - `example`: a request that shows the difference.
    - `parts`: what may differ of the answer. Only answers of one status are compared in the other
      parts.
    """

    id: str
    why: str
    frameworks: frozenset[str]
    applies: Callable[[Subject], bool]
    answers: Callable[[Compared], bool]
    example: Subject
    parts: frozenset[str] = frozenset({"status"})


def of_requests(condition: Callable[[Asked], bool]) -> Callable[[Subject], bool]:
    return lambda subject: isinstance(subject, Asked) and condition(subject)


def status(*statuses: int) -> Callable[[Compared], bool]:
    return lambda answer: answer["status"] in statuses


def bare(method: str, target: str) -> Asked:
    return Asked(Request(method, target), BARE)


def parameters(asked: Asked) -> list[tuple[str, str]]:
    """Names and values of the query; bytes that are not UTF-8 as surrogates."""
    return parse_qsl(asked.query, keep_blank_values=True, errors="surrogateescape")


def is_read(asked: Asked) -> bool:
    return asked.request.method in ("GET", "HEAD")


def is_routed(asked: Asked) -> bool:
    """Whether the method has a route, final slashes aside. The websocket's route has GET alone."""
    is_websocket = unquote(asked.path).rstrip("/") == "/live"
    return asked.request.method == "GET" or (asked.request.method == "HEAD" and not is_websocket)


def is_about(asked: Asked) -> bool:
    return unquote(asked.path) == "/about" and asked.request.method in ("GET", "HEAD", "get")


def has_several_names(asked: Asked) -> bool:
    return is_about(asked) and len([name for name, _ in parameters(asked) if name == "name"]) > 1


def has_invalid_utf8_in_name(asked: Asked) -> bool:
    return is_about(asked) and any(
        name == "name" and re.search("[\ud800-\udfff]", value) for name, value in parameters(asked)
    )


REGISTERED = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"}
)
"""The methods among the generated ones that are registered with IANA."""

KNOWN = (
    Known(
        "HTTP-4",
        "Quart answers OPTIONS; FastAPI and Sanic refuse it, and Falcon leaves it out of Allow.",
        frozenset({"fastapi", "falcon", "sanic"}),
        of_requests(lambda asked: asked.request.method == "OPTIONS"),
        status(200, 404, 405),
        bare("OPTIONS", "/greetings"),
    ),
    Known(
        "HTTP-4 in Falcon",
        "Falcon answers OPTIONS too, leaves it out of Allow, and has another empty body.",
        frozenset({"falcon"}),
        of_requests(lambda asked: asked.request.method == "OPTIONS"),
        lambda answer: answer["status"] == 200 and answer.get("allow") == ["get", "head"],
        bare("OPTIONS", "/greetings"),
        frozenset({"allow", "content-type", "body"}),
    ),
    Known(
        "HTTP-4 in Allow",
        "Only a framework that answers OPTIONS lists it in the Allow of a 405.",
        frozenset({"fastapi", "sanic"}),
        of_requests(lambda asked: not is_read(asked)),
        lambda answer: answer.get("allow") == ["get", "head"],
        bare("POST", "/greetings"),
        frozenset({"allow"}),
    ),
    Known(
        "HTTP-7",
        "Falcon answers 400 to a method that it does not know, before it looks at the path.",
        frozenset({"falcon"}),
        of_requests(lambda asked: asked.request.method not in REGISTERED),
        status(400),
        bare("BREW", "/greetings"),
    ),
    Known(
        "HTTP-11",
        "A route of Starlette ends with `$`, which also matches before a final line break.",
        frozenset({"fastapi"}),
        of_requests(lambda asked: unquote(asked.path).endswith("\n")),
        status(200, 400, 404, 405, 422, 503),
        bare("GET", "/about%0A"),
    ),
    Known(
        "lower-case method",
        "Werkzeug writes the method in capitals, although RFC 9110 section 9.1 distinguishes case.",
        frozenset({"quart"}),
        of_requests(lambda asked: asked.request.method == "get"),
        status(200, 304, 400, 404, 412, 422),
        bare("get", "/greetings"),
        frozenset({"status", "body"}),
    ),
    Known(
        "charset of a stream",
        "FastAPI adds charset=utf-8 to the media type of events, which are UTF-8 in any case.",
        frozenset({"fastapi"}),
        of_requests(lambda asked: unquote(asked.path) == "/greetings/stream"),
        lambda answer: answer["content-type"] == "text/event-stream; charset=utf-8",
        bare("GET", "/greetings/stream"),
        frozenset({"content-type"}),
    ),
    Known(
        "GREETINGS-5",
        "Sanic routes the encoded path; for the other three %2F separates segments.",
        frozenset({"fastapi", "quart", "falcon"}),
        of_requests(lambda asked: "%2f" in asked.path.lower()),
        status(200, 304, 404, 405, 412, 422),
        bare("GET", "/greetings/en%2FUS"),
        frozenset({"status", "body"}),
    ),
    Known(
        "methods of an empty static path",
        "Quart has no route for an empty path below /static/; the other three answer 405.",
        frozenset({"quart"}),
        of_requests(lambda asked: re.match(r"/static/(/|\Z)", unquote(asked.path)) is not None),
        status(404),
        bare("PUT", "/static/"),
    ),
    Known(
        "methods of a path with a final slash",
        "Sanic looks at the method before the final slash, and answers 405.",
        frozenset({"sanic"}),
        of_requests(lambda asked: asked.path.endswith("/") and not is_routed(asked)),
        status(405),
        bare("PUT", "/hello/"),
    ),
    Known(
        "PAGES-8",
        "Quart and Sanic take the first of several names, FastAPI and Falcon the last.",
        frozenset({"quart", "sanic"}),
        of_requests(has_several_names),
        status(200, 422),
        bare("GET", "/about?name=Ada&name=Grace"),
        frozenset({"status", "body"}),
    ),
    Known(
        "PAGES-9",
        "Werkzeug leaves bytes that are not UTF-8 percent-encoded.",
        frozenset({"quart"}),
        of_requests(has_invalid_utf8_in_name),
        status(200, 422),
        bare("GET", "/about?name=%FFAda"),
        frozenset({"status", "body"}),
    ),
    Known(
        "LIVE-4",
        "Quart takes an empty binary message for one of text, and closes the connection.",
        frozenset({"quart"}),
        lambda subject: isinstance(subject, Talk) and b"" in subject.messages,
        lambda answer: answer["messages"][-1] == Closed(1000),
        Talk(bare("GET", "/live"), (b"",)),
        frozenset({"messages"}),
    ),
)

OVER_SOCKETS = (
    Known(
        "HTTP-6 and HTTP/1.0",
        "uvicorn sends an answer without Content-Length in chunks, although HTTP/1.0 has none.",
        frozenset({"sanic"}),
        lambda subject: isinstance(subject, Sent) and subject.version == "1.0",
        lambda answer: answer["transfer-encoding"] == "chunked",
        Sent(Request("GET", "/hello"), BARE, version="1.0"),
        frozenset({"transfer-encoding"}),
    ),
)
"""Differences that only uvicorn shows."""

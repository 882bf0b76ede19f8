"""Problem details (RFC 9457), the format of every error that a client receives."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from shared.asgi import Message, Scope, Send
from shared.pages import MAX_NAME

MEDIA_TYPE = "application/problem+json"

# RFC 9110 section 15.5; the standard library has older names before Python 3.13.
_TITLES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}

_DETAILS = {
    400: "The request is malformed.",
    404: "There is nothing at this address.",
    403: "A page of another site may not do this.",
    405: "This address does not take that method.",
    411: "The request must have a Content-Length.",
    500: "The server met an unexpected error; its log says more.",
    503: "The greetings cannot be had just now; try again in a moment.",
}

RETRY_AFTER = 1
"""In seconds. The next request reconnects to a store that is available again."""

_PARAMETERS = {
    "lang": "lang must be a language tag, such as en or zh-Hant.",
    "name": f"name must have at most {MAX_NAME} characters.",
}


@dataclass(frozen=True, slots=True)
class ProblemDetails:
    """The members of a problem, RFC 9457 section 3.1, all but the optional `instance`."""

    type: str
    title: str
    status: int
    detail: str


class Problem(Exception):
    """An error for the client. A handler raises it, and the app renders its `details`.

    `status` is an HTTP status code of 400 or more. `detail` defaults to the sentence for that
    status. `headers` are sent with the response.
    """

    def __init__(
        self, status: int, detail: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        title = _TITLES.get(status) or HTTPStatus(status).phrase
        detail = detail or _DETAILS.get(status, f"{title}.")
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        # `about:blank`: the problem has no meaning beyond its status, RFC 9457 section 4.2.1.
        self.details = ProblemDetails("about:blank", title, status, detail)

    @classmethod
    def invalid(cls, parameter: object) -> "Problem":
        """Returns the 422 for a parameter whose value the contract does not allow."""
        return cls(422, _PARAMETERS.get(f"{parameter}", "The request is not valid."))

    @classmethod
    def no_greeting(cls, lang: str) -> "Problem":
        """Returns the 404 for a language without a greeting."""
        return cls(404, f"There is no greeting in {lang}.")

    @classmethod
    def unavailable(cls) -> "Problem":
        """Returns the 503 of an unavailable store, with `Retry-After` (RFC 9110 section 10.2.3)."""
        return cls(503, headers={"Retry-After": str(RETRY_AFTER)})


async def send_problem(problem: Problem, scope: Scope, send: Send) -> None:
    """Answers an HTTP request or a websocket handshake outside of a framework.

    A server without the ASGI extension "websocket.http.response" answers a refused handshake with
    403 and no body.
    """
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get(
        "extensions", {}
    ):
        await send({"type": "websocket.close"})
        return
    for message in problem_messages(problem):
        prefix = "websocket." if scope["type"] == "websocket" else ""
        await send({**message, "type": prefix + message["type"]})


def problem_messages(problem: Problem) -> list[Message]:
    """Returns the ASGI messages that answer an HTTP request with the problem."""
    body = msgspec.json.encode(problem.details)
    headers = {"Content-Type": MEDIA_TYPE, "Content-Length": f"{len(body)}", **problem.headers}
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return [
        {"type": "http.response.start", "status": problem.status, "headers": pairs},
        {"type": "http.response.body", "body": body},
    ]

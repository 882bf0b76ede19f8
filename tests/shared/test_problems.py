"""Problems, and how they are sent outside of a framework, by themselves."""

import asyncio
from typing import Any

import pytest

from shared.asgi import Message
from shared.problems import Problem, ProblemDetails, problem_messages, send_problem


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (400, "Bad Request"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (416, "Range Not Satisfiable"),
        (422, "Unprocessable Content"),
    ],
)
def test_a_title_is_that_of_the_specification_in_every_version_of_python(
    status: int, title: str
) -> None:
    assert Problem(status).details.title == title


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        (400, "The request is malformed."),
        (403, "A page of another site may not do this."),
        (411, "The request must have a Content-Length."),
    ],
)
def test_a_refusal_outside_of_the_frameworks_says_why(status: int, detail: str) -> None:
    assert Problem(status).details.detail == detail


def test_a_status_without_a_sentence_of_its_own_has_its_title() -> None:
    details = ProblemDetails("about:blank", "Precondition Failed", 412, "Precondition Failed.")
    assert Problem(412).details == details


def test_an_unknown_parameter_is_not_valid() -> None:
    problem = Problem.invalid("age")
    assert (problem.status, problem.details.detail) == (422, "The request is not valid.")


def test_an_unavailable_store_is_to_be_asked_again_after_a_second() -> None:
    assert Problem.unavailable().headers == {"Retry-After": "1"}


def sent(scope: dict[str, Any]) -> list[Message]:
    """What is sent for a problem."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    asyncio.run(send_problem(Problem.unavailable(), scope, send))
    return messages


def test_a_problem_has_headers_in_lower_case_as_asgi_demands() -> None:
    start, body = problem_messages(Problem.unavailable())
    assert start["headers"] == [
        (b"content-type", b"application/problem+json"),
        (b"content-length", f"{len(body['body'])}".encode()),
        (b"retry-after", b"1"),
    ]


def test_a_request_is_answered_with_the_problem() -> None:
    assert sent({"type": "http"}) == problem_messages(Problem.unavailable())


def test_a_handshake_is_answered_with_the_problem_where_the_server_can() -> None:
    start, body = problem_messages(Problem.unavailable())
    scope = {"type": "websocket", "extensions": {"websocket.http.response": {}}}
    assert sent(scope) == [
        {**start, "type": "websocket.http.response.start"},
        {**body, "type": "websocket.http.response.body"},
    ]


@pytest.mark.parametrize("more", [{}, {"extensions": {"websocket.other": {}}}])
def test_a_handshake_is_only_closed_where_the_server_cannot(more: dict[str, Any]) -> None:
    assert sent({"type": "websocket", **more}) == [{"type": "websocket.close"}]

"""What several capabilities expect of an answer."""

from urllib.parse import urljoin

from tests.contract.client import Client
from tests.contract.vocabulary import Answer

TITLES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    412: "Precondition Failed",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

NOWHERE = "There is nothing at this address."
UNAVAILABLE = "The greetings cannot be had just now; try again in a moment."


def json_of(answer: Answer, status: int = 200) -> object:
    """The parsed body of a JSON answer."""
    assert answer.status == status
    assert answer.header("content-type") == "application/json"
    parsed: object = answer.json()
    return parsed


def problem(answer: Answer, status: int, detail: str) -> None:
    """The answer is exactly that problem, RFC 9457."""
    assert answer.status == status
    assert answer.header("content-type") == "application/problem+json"
    assert answer.json() == problem_details(status, detail)


def problem_details(status: int, detail: str) -> dict[str, object]:
    """The members of a problem."""
    return {"type": "about:blank", "title": TITLES[status], "status": status, "detail": detail}


ORIGIN = "http://host.example"


def address(client: Client, page: str, link: str) -> str:
    """Where a link on a page leads, as a browser works it out that reached the app under its prefix."""
    return urljoin(f"{ORIGIN}{client.mount.prefix}{page}", link)

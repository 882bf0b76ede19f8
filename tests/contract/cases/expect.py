"""Expectations that several modules share."""

from urllib.parse import urljoin

from tests.contract.client import Client
from tests.contract.vocabulary import BASE_URL, Answer

TITLES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    412: "Precondition Failed",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

# These headers depend on the connection and the clock, not on the resource. The applications set no
# cookie; one of a proxy with sticky sessions names the process that happened to answer.
OF_THE_CONNECTION = ("connection", "date", "keep-alive", "set-cookie", "transfer-encoding")

UNEXPECTED = "The server met an unexpected error; its log says more."
NOWHERE = "There is nothing at this address."
UNAVAILABLE = "The greetings cannot be had just now; try again in a moment."


def json_of(answer: Answer, status: int = 200) -> object:
    """The answer is JSON with that status. Returns its parsed body."""
    assert answer.status == status
    assert answer.header("content-type") == "application/json"
    parsed: object = answer.json()
    return parsed


def problem(answer: Answer, status: int, detail: str) -> None:
    """The answer is that problem and no more: RFC 9457."""
    assert answer.status == status
    assert answer.header("content-type") == "application/problem+json"
    assert answer.json() == problem_details(status, detail)


def problem_details(status: int, detail: str) -> dict[str, object]:
    """The members of a problem."""
    return {"type": "about:blank", "title": TITLES[status], "status": status, "detail": detail}


ORIGIN = "http://host.example"


def address(client: Client, page: str, link: str) -> str:
    """The URL of a link on a page, for a browser that has loaded the page under the prefix."""
    return urljoin(f"{ORIGIN}{client.mount.prefix}{page}", link)


def method_not_allowed(client: Client, method: str, target: str) -> Answer:
    """The method is answered 405. Returns the answer."""
    answer = client.request(method, target)
    problem(answer, 405, "This address does not take that method.")
    return answer


def head_like_get(client: Client, target: str) -> Answer:
    """HEAD is answered as GET, without a body. Returns the answer to GET."""
    get, head = client.request("GET", target), client.request("HEAD", target)
    assert (head.status, head.body) == (get.status, b"")
    assert headers_of(head) == headers_of(get)
    return get


def headers_of(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers if name not in OF_THE_CONNECTION}


def welcome(user: str) -> dict[str, str]:
    return {"message": f"So nice to see you, {user}!"}


def address_on_about_page(client: Client, *base_urls: str) -> str | None:
    """The address of the app on the about page, if Connect's header names one."""
    headers = [(BASE_URL, base_url) for base_url in base_urls]
    page = client.request("GET", "/about", headers).html()
    addresses = [e.text for e in page.elements if e.attributes.get("id") == "address"]
    return addresses[0] if addresses else None


def unavailable(client: Client, target: str) -> None:
    answer = client.request("GET", target)
    problem(answer, 503, UNAVAILABLE)
    assert (answer.header("retry-after") or "").isdecimal()

"""HTTP: unknown paths, methods and errors."""

from tests.contract.cases import expect
from tests.contract.client import Client
from tests.contract.registry import must, part, should
from tests.contract.vocabulary import FAULT, FAULTY, NOT_ALLOWED, Answer, Capability

ROUTES = (
    "/",
    "/about",
    "/greetings",
    "/greetings/en",
    "/hello",
    "/docs",
    "/openapi.json",
    "/static/styles.css",
)

NOWHERE = (
    "/nope",
    "/greetings/",
    "/greetings/en/",
    "/greetings/en/x",
    "/hello/",
    "/about/",
    "/docs/",
    "/openapi.json/",
    "/GREETINGS",
    "/index.html",
    "/favicon.ico",
    "/static",
    "/.env",
    "/shared/greetings.json",
    "/nope?name=x",
    "/caf%C3%A9",
    "/a%20b",
    "/redoc",
    "/docs/oauth2-redirect",
)


def allowed(answer: Answer) -> set[str]:
    return {method.strip() for method in (answer.header("allow") or "").split(",")} - {""}


@must("HTTP-1", "An unknown path, or a final slash too many, is answered 404 and never redirected.")
def an_unknown_path_is_not_found(client: Client) -> None:
    for target in NOWHERE:
        answer = client.request("GET", target)
        expect.problem(answer, 404, expect.NOWHERE)
        assert answer.header("location") is None


@part("HTTP-1", "a NUL", Capability.DIRECT)
def a_path_with_a_nul_is_not_found(client: Client) -> None:
    expect.problem(client.request("GET", "/%00"), 404, expect.NOWHERE)


@must(
    "HTTP-2",
    "A method that a route lacks is answered 405 with the others in Allow; HEAD is GET without a"
    " body.",
)
def a_refused_method_names_the_allowed_ones(client: Client) -> None:
    for route in ROUTES:
        refused, allows = set(), []
        for method in (*NOT_ALLOWED, "OPTIONS"):
            if method == "OPTIONS" and client.request(method, route).status in (200, 204):
                continue
            refused.add(method)
            allows.append(allowed(expect.method_not_allowed(client, method, route)))
        assert all(allow == {"GET", "HEAD", *NOT_ALLOWED, "OPTIONS"} - refused for allow in allows)
    expect.problem(client.request("POST", "/nope"), 404, expect.NOWHERE)


@part("HTTP-2", "HEAD")
def head_is_get_without_a_body(client: Client) -> None:
    for target in ROUTES:
        assert expect.head_like_get(client, target).status == 200
    for target in ("/nope", "/greetings/fr", "/greetings/e"):
        expect.head_like_get(client, target)


@must(
    "HTTP-3",
    "An unexpected error is answered 500 without details; the log has them.",
    Capability.FAULT,
    Capability.LOG,
)
def an_unexpected_error_is_logged_and_not_disclosed(client: Client) -> None:
    answer = client.request("GET", f"/greetings/{FAULTY}")
    expect.problem(answer, 500, expect.UNEXPECTED)
    assert FAULT not in str(answer.headers)
    log = client.log(FAULT)
    assert "Traceback (most recent call last)" in log
    assert client.request("GET", "/greetings/en").status == 200


@must(
    "HTTP-9",
    "No answer may be taken for another media type: X-Content-Type-Options is nosniff.",
    version=3,
)
def no_answer_is_sniffed(client: Client) -> None:
    for method, target in (
        ("GET", "/greetings"),
        ("HEAD", "/greetings/en"),
        ("GET", "/greetings/stream"),
        ("GET", "/greetings/e"),
        ("GET", "/hello"),
        ("GET", "/health"),
        ("GET", "/"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/static/styles.css"),
        ("GET", "/static/nope"),
        ("GET", "/nope"),
        ("POST", "/hello"),
    ):
        answer = client.request(method, target)
        assert answer.header("x-content-type-options") == "nosniff", target


@must(
    "HTTP-10",
    "A letter may be percent-encoded, and stays the same letter: /he%61lth is /health, RFC 3986"
    " section 6.2.2.2.",
    version=3,
)
def an_encoded_letter_is_the_letter(client: Client) -> None:
    for target, plain in (
        ("/he%61lth", "/health"),
        ("/%67reetings/%65n", "/greetings/en"),
        ("/static/styles%2ecss", "/static/styles.css"),
        ("/about?%6eame=Ada", "/about?name=Ada"),
    ):
        answer, expected = client.request("GET", target), client.request("GET", plain)
        assert expected.status == 200
        assert (answer.status, answer.body) == (200, expected.body), target


@should("HTTP-4", "OPTIONS is answered with the methods in Allow, RFC 9110 section 9.3.7.")
def options_lists_the_methods(client: Client) -> None:
    answer = client.request("OPTIONS", "/greetings")
    client.observe(f"{answer.status}, Allow: {', '.join(sorted(allowed(answer)))}")
    assert answer.status in range(200, 300)
    assert allowed(answer) == {"GET", "HEAD", "OPTIONS"}


@should("HTTP-5", "An empty segment counts: //greetings is not /greetings, and is answered 404.")
def an_empty_segment_counts(client: Client) -> None:
    answer = client.request("GET", "//greetings")
    client.observe(f"{answer.status}")
    expect.problem(answer, 404, expect.NOWHERE)


@should("HTTP-6", "A JSON answer tells its Content-Length.")
def a_json_answer_has_a_content_length(client: Client) -> None:
    answer = client.request("GET", "/greetings")
    client.observe(f"Content-Length: {answer.header('content-length')}")
    assert answer.header("content-length") == str(len(answer.body))


@should("HTTP-7", "A method that HTTP does not know is answered 405 too.", Capability.SCOPE)
def an_unknown_method_is_refused(client: Client) -> None:
    answer = client.request("BREW", "/greetings")
    client.observe(f"{answer.status}")
    expect.problem(answer, 405, "This address does not take that method.")


@should(
    "HTTP-8",
    "An application that configures nothing answers an unknown path with problem details.",
    Capability.SCOPE,
)
def an_unconfigured_app_answers_with_problem_details(client: Client) -> None:
    answer = client.minimal().request("GET", "/nope")
    client.observe(f"{answer.status} {answer.header('content-type')} {answer.text()}")
    assert answer.header("content-type") == "application/problem+json"


@should(
    "HTTP-11",
    "A line break at the end of a path belongs to it: such an address is unknown, or names no"
    " language.",
    version=3,
)
def a_final_line_break_belongs_to_the_path(client: Client) -> None:
    paths = ("/about", "/greetings", "/hello", "/health", "/docs", "/openapi.json", "/")
    answers = [client.request("GET", f"{path}%0A") for path in paths]
    client.observe(", ".join(f"{answer.status}" for answer in answers))
    for answer in answers:
        expect.problem(answer, 404, expect.NOWHERE)
    detail = "lang must be a language tag, such as en or zh-Hant."
    expect.problem(client.request("GET", "/greetings/stream%0A"), 422, detail)

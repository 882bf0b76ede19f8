"""HTTP: unknown paths, methods and errors."""

from tests.contract.cases import expect, routes
from tests.contract.client import Client
from tests.contract.registry import must, part, should
from tests.contract.vocabulary import BARE, NOT_ALLOWED, Answer, Capability


def allowed(answer: Answer) -> set[str]:
    return {method.strip() for method in (answer.header("allow") or "").split(",")} - {""}


@must("HTTP-1", "An unknown path, or a final slash too many, is answered 404 and never redirected.")
def an_unknown_path_is_not_found(client: Client) -> None:
    for target in routes.UNKNOWN:
        answer = client.request("GET", target)
        expect.problem(answer, 404, expect.NOWHERE)
        assert answer.header("location") is None


@part("HTTP-1", "a NUL", Capability.DIRECT)
def a_path_with_a_nul_is_not_found(client: Client) -> None:
    expect.problem(client.request("GET", "/%00"), 404, expect.NOWHERE)


@part("HTTP-1", "a target that is no path", Capability.PREFIX, Capability.DIRECT)
def a_target_that_is_no_path_is_not_found(client: Client) -> None:
    bare = client.through(BARE)
    for method in ("GET", "OPTIONS"):
        answer = bare.request(method, "*")
        expect.problem(answer, 404, expect.NOWHERE)


@must(
    "HTTP-2",
    "A method that a route lacks is answered 405 with the others in Allow; HEAD is GET without a"
    " body.",
)
def a_refused_method_names_the_allowed_ones(client: Client) -> None:
    for route in routes.READ_ONLY:
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
    for target in routes.READ_ONLY:
        assert expect.head_like_get(client, target).status == 200
    for target in routes.REFUSED:
        expect.head_like_get(client, target)


@must(
    "HTTP-9",
    "No answer may be taken for another media type: X-Content-Type-Options is nosniff.",
    version=3,
)
def no_answer_is_sniffed(client: Client) -> None:
    targets = [*routes.READ_ONLY, *routes.REFUSED, "/health", "/static/nope"]
    asked = [(method, target) for target in targets for method in ("GET", "HEAD")]
    for method, target in (*asked, ("POST", "/hello")):
        answer = client.request(method, target)
        assert answer.header("x-content-type-options") == "nosniff", target


@must(
    "HTTP-10",
    "A letter may be percent-encoded, and stays the same letter: /he%61lth is /health, RFC 3986"
    " section 6.2.2.2.",
    version=3,
)
def an_encoded_letter_is_the_letter(client: Client) -> None:
    for target, plain in routes.ENCODED:
        answer, expected = client.request("GET", target), client.request("GET", plain)
        assert expected.status == 200
        assert (answer.status, answer.body) == (200, expected.body), target


@must(
    "HTTP-12",
    "The absolute form of a target, http://host/hello, is the address /hello: RFC 9112 section"
    " 3.2.2.",
    Capability.PREFIX,
    Capability.DIRECT,
    version=3,
)
def the_absolute_form_of_a_target_is_its_path(client: Client) -> None:
    bare = client.through(BARE)
    for target in ("/hello", "/about?name=Ada"):
        answer, expected = bare.request("GET", f"http://host{target}"), bare.request("GET", target)
        assert expected.status == 200
        assert (answer.status, answer.body) == (200, expected.body), target
    for target in ("https://[::1/hello", "http://x:99999/hello"):
        assert bare.request("GET", target).status in (400, 404), target


@should("HTTP-4", "OPTIONS is answered with the methods in Allow, RFC 9110 section 9.3.7.")
def options_lists_the_methods(client: Client) -> None:
    answer = client.request("OPTIONS", "/hello")
    client.observe(f"{answer.status}, Allow: {', '.join(sorted(allowed(answer)))}")
    assert answer.status in range(200, 300)
    assert allowed(answer) == {"GET", "HEAD", "OPTIONS"}


@should("HTTP-5", "An empty segment counts: //hello is not /hello, and is answered 404.")
def an_empty_segment_counts(client: Client) -> None:
    answer = client.request("GET", "//hello")
    client.observe(f"{answer.status}")
    expect.problem(answer, 404, expect.NOWHERE)


@should("HTTP-6", "A JSON answer tells its Content-Length.")
def a_json_answer_has_a_content_length(client: Client) -> None:
    answer = client.request("GET", "/hello")
    client.observe(f"Content-Length: {answer.header('content-length')}")
    assert answer.header("content-length") == str(len(answer.body))


@should("HTTP-7", "A method that HTTP does not know is answered 405 too.", Capability.SCOPE)
def an_unknown_method_is_refused(client: Client) -> None:
    answer = client.request("BREW", "/hello")
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

"""All apps answer what clients write to sockets alike, on each server.

What differs between the servers is not compared. No answer may be 500, and after each answer the
connection takes another request, or has been closed.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.subjects import PREFIXES, mounts
from tests.contract.vocabulary import BARE, STRANGER, Mount, Request
from tests.differential import sent
from tests.differential.examples import for_each
from tests.differential.judged import Verdict, judge
from tests.differential.known import OVER_SOCKETS
from tests.differential.sent import Sent
from tests.differential.socket_apps import SocketApp, serving
from tests.endurance import COUNTS
from tests.figures import COMPARED_ON_SERVERS, attempt
from tooling.processes import ServerKind

REPETITIONS = COUNTS.socket_requests // 5

# The second root path only with --soak: each has processes of its own.
ROOT_PATHS = ("", PREFIXES["content"]) if COUNTS.everything else ("",)
PLACES: list[tuple[ServerKind, str]] = [
    (server, root_path) for root_path in ROOT_PATHS for server in ("uvicorn", "hypercorn")
]


@pytest.fixture(scope="module", params=PLACES, ids=lambda place: "".join(place))
def place(request: pytest.FixtureRequest) -> tuple[ServerKind, str]:
    """A kind of server, and its --root-path."""
    found: tuple[ServerKind, str] = request.param
    return found


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def serving_apps(place: tuple[ServerKind, str], logs: Path) -> Iterator[list[SocketApp]]:
    with serving(*place, logs) as apps:
        yield apps


@pytest.fixture(scope="module")
def reachable(place: tuple[ServerKind, str]) -> list[Mount]:
    """The mounts through which these processes are reached."""
    server, root_path = place
    return [
        mount
        for mount in mounts(server)
        if (mount.root_path, root_path) in ((False, ""), (True, mount.prefix))
    ]


def judged(serving_apps: list[SocketApp], request: Sent) -> Verdict:
    answers = {app.framework.name: app.answer(request) for app in serving_apps}
    return judge(request, answers)


def test_an_app_answers_the_same_bytes_twice_alike(
    serving_apps: list[SocketApp], reachable: list[Mount]
) -> None:
    def check(request: Sent) -> None:
        for app in serving_apps:
            assert app.answer(request) == app.answer(request)

    for_each(sent.requests(reachable), REPETITIONS, 1, check)


def test_bytes_are_answered_alike(serving_apps: list[SocketApp], reachable: list[Mount]) -> None:
    def check(request: Sent) -> None:
        with attempt(COMPARED_ON_SERVERS):
            assert not judged(serving_apps, request).unknown

    for_each(sent.requests(reachable), COUNTS.socket_requests, 0, check)


def test_the_differences_of_uvicorn_exist(
    serving_apps: list[SocketApp], place: tuple[ServerKind, str]
) -> None:
    for known in OVER_SOCKETS:
        assert isinstance(known.example, Sent)
        verdict = judged(serving_apps, known.example)
        assert (known.id in verdict.known) == (place[0] == "uvicorn")
        assert not verdict.unknown


def test_credentials_in_a_trailer_are_never_believed(serving_apps: list[SocketApp]) -> None:
    """The app receives the request before the trailer: the client waits for a 100 (Continue)."""
    trailer = b'0\r\nRStudio-Connect-Credentials: {"user":"ada"}\r\n\r\n'
    lines = (sent.HOST, b"Transfer-Encoding: chunked", b"Expect: 100-continue")
    asked = Sent(Request("GET", "/hello"), BARE, lines=lines, body=trailer, waits=True)
    for app in serving_apps:
        assert app.answer(asked)["body"] == STRANGER, app.framework.name


def test_no_app_has_logged_an_error(serving_apps: list[SocketApp], logs: Path) -> None:
    for app in serving_apps:
        assert "Traceback" not in (logs / f"{app.framework.name}.log").read_text()

"""`make check-connect` against the rehearsal: the report, and nothing is left on the server."""

import json
import os
import signal
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from deploy.check_connect import main
from rehearsal.profiles import Profile
from tests.deploy.conftest import environments as environments
from tests.deploy.conftest import nobodys_settings as nobodys_settings
from tests.deploy.conftest import tiny as tiny
from tests.deploy.conftest import tree as tree
from tests.deploy.tiny import write
from tests.rehearsal.running import Running, running
from tests.serving import serving

CONTRACT = """
import httpx, os

def pytest_addoption(parser):
    parser.addoption("--url")
    parser.addoption("--app")
"""
CASE = """
import httpx, os

def test_PAGES_1(request):
    url = request.config.getoption("--url")
    key = {"Authorization": "Key " + os.environ["API_KEY"]}
    status = httpx.get(url, headers=key, trust_env=False).status_code
    print(f"MUST PAGES-1 fails on tiny at {url}" if status != EXPECTED else "")
    assert status == EXPECTED
"""


def run(it: Running, tree: Path, expected: int = 200) -> tuple[int, dict[str, Any]]:
    write(tree / "tests/contract/conftest.py", CONTRACT)
    write(tree / "tests/contract/test_contract.py", CASE.replace("EXPECTED", str(expected)))
    key = it.user("publisher").api_key
    code = main([], {**os.environ, "CONNECT_SERVER": it.url, "CONNECT_API_KEY": key})
    file = tree / "build" / "check-connect.json"
    text = file.read_text(encoding="utf-8") if file.exists() else "{}"
    for private in (key, it.url, it.url.partition("//")[2], "publisher", "contract-check"):
        assert private not in text
    for content in it.rehearsal.state.contents():
        assert content.guid not in text
    return code, json.loads(text)


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {statement["id"]: statement["verdict"] for statement in report["statements"]}


def nothing_is_left(it: Running) -> bool:
    return it.rehearsal.state.contents() == []


@pytest.fixture(autouse=True)
def same_signals(tiny: object) -> Any:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_every_statement_is_tried_and_nothing_is_left(tmp_path: Path, tree: Path) -> None:
    write(tree / "build/site/index.html", "<h1>The comparison</h1>")
    with running(tmp_path / "state") as it:
        code, report = run(it, tree)
        assert code == 0
        assert nothing_is_left(it)
    assert report["connect"] == "2026.07.0"
    assert report["contract"] == {"tiny": "kept"}
    # The rehearsal does what we infer of Connect.
    assert set(verdicts(report).values()) == {"confirmed"}


def test_a_server_that_does_otherwise_refutes_the_statements(tmp_path: Path, tree: Path) -> None:
    other = Profile(
        *("other", "A server that differs in all that a profile can vary.", "Made up."),
        shape="header-only",
        server="hypercorn",
        forwarded=True,
        external_host=False,
    )
    with running(tmp_path / "state", profile=other) as it:
        code, report = run(it, tree)
    assert code == 0
    assert {id for id, verdict in verdicts(report).items() if verdict != "confirmed"} == {
        *("path-included", "root-path", "uvicorn", "not-forwarded", "external-host"),
    }


def test_a_case_that_fails_is_in_the_report(tmp_path: Path, tree: Path) -> None:
    with running(tmp_path / "state") as it:
        code, report = run(it, tree, expected=404)
        assert nothing_is_left(it)
    assert code == 0
    assert report["contract"] == {"tiny": ["MUST PAGES-1"]}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_removes_the_content_and_writes_no_report(
    tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    there: list[int] = []
    with running(tmp_path / "state") as it:

        def interrupt(*_: object) -> None:
            there.append(len(it.rehearsal.state.contents()))
            os.kill(os.getpid(), number)

        monkeypatch.setattr("deploy.check_connect.run_contract", interrupt)
        code, report = run(it, tree)
        assert (code, report, there) == (130, {}, [1])
        assert nothing_is_left(it)


def test_a_server_that_is_not_there_ends_in_one_line(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"CONNECT_SERVER": "http://127.0.0.1:9", "CONNECT_API_KEY": "k"}
    assert main([], {**os.environ, **environ}) == 1
    assert capsys.readouterr().err.startswith("check-connect: http://127.0.0.1:9 does not answer: ")


@pytest.mark.parametrize(
    ("user", "message"),
    [
        (None, "The API key is not valid at {url}: use another one."),
        (
            "viewer",
            "The owner of the API key may not do this at {url} (POST /v1/content): use the key of a"
            " publisher.",
        ),
    ],
)
def test_a_key_that_does_not_suffice_ends_in_one_line(
    rehearsed: Running,
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    user: Literal["viewer"] | None,
    message: str,
) -> None:
    key = rehearsed.user(user).api_key if user else "wr0ng-key"
    environ = {"CONNECT_SERVER": rehearsed.url, "CONNECT_API_KEY": key}
    assert main([], {**os.environ, **environ}) == 1
    assert capsys.readouterr().err == f"check-connect: {message.format(url=rehearsed.url)}\n"


@pytest.mark.parametrize("status", [200, 404])
def test_a_server_of_something_else_ends_in_one_line(
    tree: Path, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    app = Starlette(routes=[Route("/{path:path}", lambda _: HTMLResponse("<p>", status))])
    with serving(app) as url:
        environ = {"CONNECT_SERVER": url, "CONNECT_API_KEY": "k"}
        assert main([], {**os.environ, **environ}) == 1
    assert capsys.readouterr().err == (
        f"check-connect: {url} answers GET /__api__/server_settings not as Connect does (status"
        f" {status}): is this the server's address?\n"
    )


def test_content_is_deleted_by_its_owner_only(rehearsed: Running) -> None:
    guid = rehearsed.create("to-be-deleted")
    assert rehearsed.api("viewer").delete(f"/v1/content/{guid}").status_code == 404
    assert rehearsed.api().delete(f"/v1/content/{guid}").status_code == 204
    assert httpx.get(f"{rehearsed.url}/content/{guid}/").status_code == 404

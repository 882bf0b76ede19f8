"""The suite itself: waivers, the report, deployed apps, the canonical form of documents."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract import report
from tests.contract.apps import RunningApps
from tests.contract.breakages import BREAKAGES
from tests.contract.canonical import canonical
from tests.contract.deployed import record_of
from tests.contract.in_process import InProcessClient
from tests.contract.registry import CASES, PARTS, Level, Part
from tests.contract.servers import variables_of
from tests.contract.sockets import Connection
from tests.contract.subjects import Subject
from tests.contract.test_contract import test_contract as run_case
from tests.contract.vocabulary import BARE, Request
from tests.servers import server_process
from tooling.frameworks import ROOT, Framework, find_frameworks

FRAMEWORK = find_frameworks()[0]


def subject_with(waivers: dict[str, str]) -> Subject:
    framework = Framework(FRAMEWORK.name, FRAMEWORK.folder)
    framework.pyproject["tool"]["contract"]["waivers"] = waivers
    return Subject("in process", BARE, framework)


def client_of(subject: Subject, apps: RunningApps) -> InProcessClient:
    assert subject.framework is not None
    return apps.in_process(subject.framework, subject.mount)


def broken(client: InProcessClient) -> tuple[Part, InProcessClient]:
    """A part of a case, and a client whose app breaks it."""
    breakage = BREAKAGES[0]
    return PARTS[breakage.caught_by], client.inside(breakage.layer)


def test_a_failure_is_recorded_with_the_request_and_every_apps_answer(apps: RunningApps) -> None:
    subject = subject_with({})
    part, client = broken(client_of(subject, apps))
    recorded: list[report.Result] = []
    with pytest.raises(AssertionError):
        run_case(part, subject, client, apps, recorded)
    (found,) = recorded
    assert (found.case, found.app, found.outcome) == (part.case_id, FRAMEWORK.name, "fail")
    assert found.failure is not None
    last = found.failure["exchanges"][-1]
    assert last["request"] == {"method": "GET", "target": "/greetings", "headers": []}
    assert set(found.failure["answers"]) == {framework.name for framework in find_frameworks()}
    right = found.failure["answers"][FRAMEWORK.name]
    assert right["status"] == 200
    assert last["answer"]["body"] != right["body"]


def test_a_waived_failure_is_recorded_with_its_reason(apps: RunningApps) -> None:
    part, client = broken(client_of(subject_with({}), apps))
    subject = subject_with({part.case_id: "it sorts otherwise"})
    recorded: list[report.Result] = []
    with pytest.raises(pytest.xfail.Exception):
        run_case(part, subject, client, apps, recorded)
    assert (recorded[0].outcome, recorded[0].reason) == ("waived", "it sorts otherwise")


def test_a_waived_case_that_passes_fails_the_run(apps: RunningApps) -> None:
    subject = subject_with({"GREETINGS-1": "it does not"})
    recorded: list[report.Result] = []
    with pytest.raises(pytest.fail.Exception, match="The case passes, but"):
        run_case(PARTS["GREETINGS-1"], subject, client_of(subject, apps), apps, recorded)
    assert recorded[0].outcome == "fail"


@pytest.mark.parametrize("framework", find_frameworks(), ids=lambda framework: framework.name)
def test_waivers_name_should_cases_only(framework: Framework) -> None:
    for case_id in framework.contract["waivers"]:
        assert CASES[case_id].level is Level.SHOULD


def test_the_report_says_what_was_run_and_found(tmp_path: Path) -> None:
    file = tmp_path / "build" / "contract.json"
    subject = Subject("in process", BARE, FRAMEWORK)
    found = report.result(PARTS["HTTP-4"], subject, "waived", observed=["405"], reason="so it is")
    report.write(file, [found], [subject])
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["contract_version"] == 3
    assert document["apps"][FRAMEWORK.name]["versions"][FRAMEWORK.name] == FRAMEWORK.version
    assert [case["id"] for case in document["cases"]] == list(CASES)
    assert document["results"] == [
        {
            "case": "HTTP-4",
            "app": FRAMEWORK.name,
            "server": "in process",
            "mount": "bare",
            "store": "json",
            "outcome": "waived",
            "observed": ["405"],
            "reason": "so it is",
        }
    ]


def test_the_report_names_the_parts_of_a_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = PARTS["GREETINGS-1"]
    further = replace(main, name="further")
    monkeypatch.setitem(CASES, main.case_id, replace(CASES[main.case_id], parts=[main, further]))
    subject = Subject("in process", BARE, FRAMEWORK)
    file = tmp_path / "contract.json"
    results = [
        report.result(main, subject, "pass"),
        report.result(further, subject, "fail", failure={"error": "it is not so"}),
        report.result(PARTS["GREETINGS-2"], subject, "pass"),
    ]
    report.write(file, results, [subject])
    first, second = json.loads(file.read_text(encoding="utf-8"))["results"]
    assert (first["outcome"], first["failure"]) == ("fail", {"error": "it is not so"})
    assert first["parts"] == {"main": "pass", "further": "fail"}
    assert second["outcome"] == "pass"
    assert "parts" not in second


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "contract.json"
    file.write_text("old")

    def full(self: Path, *_: object, **__: object) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        report.write(file, [], [])
    assert [found.name for found in tmp_path.iterdir()] == ["contract.json"]
    assert file.read_bytes() == b"old"


def test_a_deployed_app_is_held_to_what_can_be_seen_from_outside(tmp_path: Path) -> None:
    def check(url: str) -> subprocess.CompletedProcess[str]:
        suite = ("tests/contract/test_contract.py", "-k", "GREETINGS-1 or LIVE-2 or HELLO")
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-rs",
                *suite,
                "--url",
                url,
            ],
            cwd=ROOT,
            env={**os.environ, "API_KEY": ""},
            capture_output=True,
            text=True,
            check=False,
        )

    with server_process(
        FRAMEWORK.entrypoint, variables=variables_of(trust=False), log=tmp_path / "log"
    ) as process:
        process.wait_until_ready()
        kept = check(process.url)
        assert kept.returncode == 0, kept.stdout
        assert "A client of this app cannot send headers in Connect's name." in kept.stdout
        elsewhere = check(f"{process.url}/elsewhere/")
        assert elsewhere.returncode == 1
        assert "MUST GREETINGS-1 fails" in elsewhere.stdout
        described = elsewhere.stdout.partition("GREETINGS-1, a MUST: ")[2].splitlines()[1:6]
        assert [line.split()[0] for line in described] == [
            "on",
            "asked",
            "expected",
            "received",
            "error",
        ]
        assert described[1].split() == ["asked", "GET", "/health"]
        assert described[3].split()[1] == "404,"
        assert "Traceback" not in elsewhere.stdout
        assert "tests/contract/cases/" not in elsewhere.stdout
        record = json.loads(recorded(f"{process.url}/elsewhere/"))
        assert json.loads(recorded(process.url))["results"] != record["results"]
    for url in (process.url, f"{process.url}/elsewhere/"):
        Path(record_of(url)).unlink()
    gone = check(process.url)
    assert gone.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"Nothing answers at {process.url}" in gone.stderr
    assert len(gone.stderr.strip().splitlines()) == 1
    assert gone.stdout == ""
    wrong = check("connect.example.org/content/1")
    assert wrong.returncode == pytest.ExitCode.USAGE_ERROR
    assert "is not the address of an app" in wrong.stderr


ANNOTATED = """
from __future__ import annotations
from fastapi import FastAPI

app = FastAPI()

@app.get("/")
async def index(number: int = 1) -> dict[str, int]:
    return {"number": number}
"""


def test_a_first_example_may_have_annotations(apps: RunningApps) -> None:
    framework = Framework("annotated", FRAMEWORK.folder)
    framework.pyproject["tool"]["contract"]["minimal"] = ANNOTATED
    client = replace(client_of(subject_with({}), apps), framework=framework).minimal()
    assert client.request("GET", "/?number=2").json() == {"number": 2}


def recorded(url: str) -> str:
    return record_of(url).read_text(encoding="utf-8")


def test_every_kind_of_exchange_is_recorded_once_and_in_order(apps: RunningApps) -> None:
    client = client_of(subject_with({}), apps)
    client.request("GET", "/hello")
    client.together([Request("GET", "/greetings/es"), Request("GET", "/nope")])
    with client.begin("GET", "/greetings/stream") as in_flight:
        in_flight.answer()
    with client.websocket("/live"):
        pass
    with client.begin("GET", "/health"):
        pass
    assert [(e.request.target, e.answer and e.answer.status) for e in client.exchanges] == [
        ("/hello", 200),
        ("/greetings/es", 200),
        ("/nope", 404),
        ("/greetings/stream", 200),
        ("/live", 101),
        ("/health", None),
    ]
    stream = client.exchanges[3].answer
    assert stream is not None
    assert stream.body.endswith(b"\n\n")


def test_a_websocket_is_recorded_with_what_each_side_said(apps: RunningApps) -> None:
    client = client_of(subject_with({}), apps)
    with client.websocket("/live") as websocket:
        websocket.send('{"lang": "en"}')
        websocket.receive()
    recorded = report.exchange_json(client.exchanges[-1])
    assert recorded["answer"]["status"] == 101
    (_, asked), (_, answered) = recorded["messages"]
    assert asked == '{"lang": "en"}'
    assert json.loads(answered) == {"lang": "en", "text": "Hello"}


DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "x", "version": "1"},
    "paths": {
        "/a": {
            "get": {
                "operationId": "a",
                "parameters": [{"name": "q", "in": "query", "schema": {"type": "string"}}],
                "responses": {
                    "200": {
                        "description": "x",
                        "content": {"a/b": {"schema": {"$ref": "#/components/schemas/A"}}},
                    }
                },
            }
        }
    },
    "components": {
        "schemas": {
            "A": {
                "title": "A",
                "type": "object",
                "required": ["title", "b"],
                "properties": {"title": {"type": "string"}, "b": {"type": ["null", "string"]}},
            }
        }
    },
}


def changed(old: str, new: str) -> dict[str, object]:
    text = json.dumps(DOCUMENT)
    assert old in text
    parsed: dict[str, object] = json.loads(text.replace(old, new))
    return parsed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"operationId": "a"', '"operationId": "b", "tags": ["x"], "summary": "y"'),
        ('"title": "A"', '"description": "other"'),
        ('["title", "b"]', '["b", "title"]'),
        ('["null", "string"]', '["string", "null"]'),
        ('"in": "query"', '"in": "query", "required": false'),
        ('"3.1.0"', '"3.1.1"'),
        ("schemas", "other"),
    ],
)
def test_documents_that_ask_for_the_same_are_equal(old: str, new: str) -> None:
    assert canonical(changed(old, new)) == canonical(DOCUMENT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"/a"', '"/b"'),
        ('"get"', '"post"'),
        ('"200"', '"201"'),
        ('"a/b"', '"a/c"'),
        ('"in": "query"', '"in": "query", "required": true'),
        ('["title", "b"]', '["title"]'),
        ('"title": {"type": "string"}', '"title": {"type": "integer"}'),
        ('"schema": {"type": "string"}', '"schema": {"type": "string", "maxLength": 9}'),
        ('"3.1.0"', '"3.0.3"'),
        ('"version": "1"', '"version": "2"'),
    ],
)
def test_documents_that_ask_for_other_things_differ(old: str, new: str) -> None:
    assert canonical(changed(old, new)) != canonical(DOCUMENT)


def test_a_target_is_asked_byte_for_byte(tmp_path: Path) -> None:
    """HTTP clients would normalise these targets."""
    with server_process(
        FRAMEWORK.entrypoint, variables=variables_of(trust=False), log=tmp_path / "log"
    ) as process:
        process.wait_until_ready()
        connection = Connection(process.url)
        assert connection.send(Request("GET", "/greetings/..")).status == 422
        assert connection.send(Request("GET", "/about/../greetings")).status == 404
        connection.close()

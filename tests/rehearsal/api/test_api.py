"""The deploy API: what it answers, and how it refuses."""

import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from rehearsal.storage.unpack import MIB, Limits
from tests.rehearsal.bundles import bundle_of
from tests.rehearsal.running import Running, answered, mirror, running


@pytest.fixture(scope="module")
def guid(rehearsed: Running) -> str:
    """Content with nothing deployed."""
    return rehearsed.create("api-tests")


@pytest.fixture
def api(rehearsed: Running) -> httpx.Client:
    return rehearsed.api()


def refused(response: httpx.Response, status: int, sentence: str) -> None:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert set(body) == {"code", "error", "payload"}
    assert sentence in body["error"]


# Who asks


@pytest.mark.parametrize("header", [{}, {"Authorization": "Key wrong"}, {"Authorization": "Key"}])
@pytest.mark.parametrize("path", ["/v1/user", "/v1/content", "/v1/content/x", "/v1/tasks/x"])
def test_a_missing_or_wrong_key_is_401_with_the_code_that_clients_know(
    rehearsed: Running, path: str, header: dict[str, str]
) -> None:
    response = httpx.get(f"{rehearsed.url}/__api__{path}", headers=header)
    refused(response, 401, "The API key is missing or not valid.")
    assert response.json()["code"] == 30


def test_the_dashboards_cookie_is_no_key(rehearsed: Running) -> None:
    cookie = {"rehearsal-session": rehearsed.user("publisher").session}
    response = httpx.get(f"{rehearsed.url}/__api__/v1/user", cookies=cookie)
    assert response.status_code == 401


def test_the_key_tells_the_user(rehearsed: Running) -> None:
    me = answered(rehearsed.api("viewer").get("/v1/user"))
    assert (me["username"], me["user_role"]) == ("José Ünï 你好", "viewer")


def test_the_server_tells_its_version_and_its_python(api: httpx.Client) -> None:
    assert answered(api.get("/server_settings"))["version"] == "2026.07.0"
    settings = answered(api.get("/v1/server_settings/python"))
    assert settings["api_enabled"] is True
    assert len(settings["installations"]) == 1


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/nothing"), ("POST", "/v1/user"), ("GET", "/v1/audit_logs")]
)
def test_a_call_that_is_not_stood_in_for_says_so(api: httpx.Client, method: str, path: str) -> None:
    response = api.request(method, path)
    refused(response, response.status_code, f"The rehearsal has no {method} /__api__{path}")
    assert response.status_code in (404, 405)


# Content


def test_content_is_created_found_changed_and_deleted(
    rehearsed: Running, api: httpx.Client
) -> None:
    created = answered(api.post("/v1/content", json={"name": "life", "title": "A life"}))
    assert created["title"] == "A life"
    assert created["bundle_id"] is None
    assert created["content_url"].endswith(f"/content/{created['guid']}/")
    path = f"/v1/content/{created['guid']}"
    assert answered(api.get(path)) == created
    assert [item["guid"] for item in api.get("/v1/content?name=life").json()] == [created["guid"]]
    assert answered(api.patch(path, json={"title": None}))["title"] is None
    assert answered(api.patch(path, json={"name": "other-life"}))["name"] == "other-life"
    assert answered(api.get(f"/applications/{created['id']}"))["guid"] == created["guid"]
    rehearsed.delete(created["guid"])
    refused(api.get(path), 404, "does not exist")
    assert api.get("/v1/content?name=other-life").json() == []


def test_a_name_can_be_given_once(api: httpx.Client, guid: str) -> None:
    refused(api.post("/v1/content", json={"name": "api-tests"}), 409, "that name already")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "Expected `object`, got `array`"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "missing required field `name`"),
        (b'{"name": 1}', "Expected `str`, got `int` - at `$.name`"),
        (b'{"name": true}', "Expected `str`, got `bool` - at `$.name`"),
        (b'{"name": "a b"}', "at `$.name`"),
        (b'{"name": "good\\n"}', "at `$.name`"),
        (b'{"name": "good", "color": 1}', "unknown field `color`"),
        (b'{"name": "good", "guid": "x"}', "unknown field `guid`"),
        (b'{"name": "good", "title": "\\ud800"}', "not JSON"),
    ],
)
def test_a_broken_body_is_400_with_the_reason(
    api: httpx.Client, body: bytes, sentence: str
) -> None:
    refused(api.post("/v1/content", content=body), 400, sentence)
    assert api.get("/v1/content?name=good").json() == []


def test_a_body_that_is_too_long_is_413(api: httpx.Client) -> None:
    refused(api.post("/v1/content", content=b" " * 2 * MIB), 413, "longer than 1 MiB")


def test_a_viewer_may_not_publish(rehearsed: Running) -> None:
    response = rehearsed.api("viewer").post("/v1/content", json={"name": "mine"})
    refused(response, 403, "may not publish")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", ""),
        ("PATCH", "/environment"),
        ("GET", "/bundles"),
        ("POST", "/bundles"),
        ("POST", "/deploy"),
        ("POST", "/build"),
    ],
)
def test_what_is_not_yours_is_as_if_it_were_not_there(
    rehearsed: Running, guid: str, method: str, path: str
) -> None:
    for there in (guid, "00000000-0000-0000-0000-000000000000"):
        response = rehearsed.api("viewer").request(method, f"/v1/content/{there}{path}", json={})
        refused(response, 404, "does not exist")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/", 404),
        ("DELETE", "/v1/user", 405),
        ("GET", "/v1/content/x/repository", 404),
        ("GET", "/v1/tasks/none", 404),
    ],
)
def test_what_there_is_not_is_refused_in_the_same_form(
    api: httpx.Client, method: str, path: str, status: int
) -> None:
    refused(api.request(method, path), status, "")


@pytest.mark.parametrize(
    ("failure", "status", "sentence"),
    [("full", 507, "No space left"), ("other", 500, "The rehearsal itself failed")],
)
def test_what_fails_on_our_side_is_said_in_the_same_form(
    rehearsed: Running,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failure: str,
    status: int,
    sentence: str,
) -> None:
    def fail(*_: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        if failure == "full":
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(rehearsed.rehearsal.state, "create_content", fail)
    refused(rehearsed.api().post("/v1/content", json={"name": "unlucky"}), status, sentence)
    assert ("Traceback" in caplog.text) == (failure == "other")


# Variables


def test_variables_are_named_but_never_shown(api: httpx.Client, guid: str) -> None:
    path = f"/v1/content/{guid}/environment"
    assert api.patch(path, json=[{"name": "A", "value": "secret"}]).json() == ["A"]
    assert api.patch(path, json=[{"name": "B", "value": ""}]).json() == ["A", "B"]
    assert api.patch(path, json=[{"name": "A", "value": None}]).json() == ["B"]


@pytest.mark.parametrize(
    "entries",
    [
        *({}, [1], [{"value": "x"}], [{"name": "A=B"}], [{"name": 1}]),
        *([{"name": "A", "value": "\0"}], [{"name": "A", "value": "\ud800"}]),
    ],
)
def test_a_broken_environment_is_400(api: httpx.Client, guid: str, entries: object) -> None:
    body = json.dumps(entries)
    refused(api.patch(f"/v1/content/{guid}/environment", content=body), 400, "")


# Bundles


def test_a_bundle_is_uploaded_listed_and_downloaded_as_it_was(
    rehearsed: Running, api: httpx.Client, guid: str
) -> None:
    bundle = bundle_of()
    bundle_id = rehearsed.upload(guid, bundle)
    path = f"/v1/content/{guid}/bundles"
    assert bundle_id in [item["id"] for item in api.get(path).json()]
    assert api.get(f"{path}/{bundle_id}/download").content == bundle
    refused(api.get(f"{path}/999999/download"), 404, "does not exist")
    refused(api.get(f"{path}/..%2f1/download"), 404, "")


def test_a_bundle_in_a_form_keeps_its_metadata(api: httpx.Client, guid: str) -> None:
    metadata = {"source": "git", "source_commit": "abc"}
    form = {"archive": ("bundle.tar.gz", bundle_of(), "application/x-tar")}
    data = {"metadata": json.dumps(metadata)}
    path = f"/v1/content/{guid}/bundles"
    uploaded = answered(api.post(path, files=form, data=data))
    assert uploaded["metadata"] == metadata
    assert api.get(f"{path}/{uploaded['id']}/download").content == bundle_of()


def test_metadata_that_is_no_text_is_400(api: httpx.Client, guid: str) -> None:
    form = {"archive": ("bundle.tar.gz", bundle_of(), "application/x-tar")}
    response = api.post(
        f"/v1/content/{guid}/bundles", files=form, data={"metadata": '{"source": "\\ud800"}'}
    )
    refused(response, 400, "metadata in JSON")


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"--x--", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\n\r\n--x--", "multipart/form-data; boundary=x"),
        (
            b'--x\r\nA: form-data; name="archive"\r\n\r\n' + bundle_of(),
            "multipart/form-data; boundary=x",
        ),
        (b'--x\r\nA: form-data; name="other"\r\n\r\n1\r\n--x--', "multipart/form-data; boundary=x"),
    ],
    ids=["nothing", "no part", "no name", "no end", "no archive"],
)
def test_a_broken_form_is_400(
    api: httpx.Client, guid: str, content: bytes, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    path = f"/v1/content/{guid}/bundles"
    refused(api.post(path, content=content, headers=headers), 400, "The form must have")


@pytest.mark.parametrize(
    ("bundle", "sentence"),
    [
        (b"", "tar"),
        (b"x", "gzip"),
        (gzip.compress(b"x", mtime=0), "tar"),
        (bundle_of(change=lambda m: m["metadata"].update(appmode="shiny")), "Shiny App (shiny)"),
        (bundle_of(change=lambda m: m["files"]["main.py"].update(checksum="0")), "checksum"),
    ],
    ids=["nothing", "no gzip", "no tar", "another kind of content", "a wrong checksum"],
)
def test_a_bundle_that_is_refused_leaves_nothing(
    rehearsed: Running, api: httpx.Client, guid: str, bundle: bytes, sentence: str
) -> None:
    before = api.get(f"/v1/content/{guid}/bundles").json()
    refused(api.post(f"/v1/content/{guid}/bundles", content=bundle), 400, sentence)
    assert api.get(f"/v1/content/{guid}/bundles").json() == before
    assert list(rehearsed.rehearsal.state.archive_of(0).parent.glob("incoming*")) == []


def test_a_bundle_larger_than_the_limit_is_413(tmp_path: Path) -> None:
    with running(tmp_path, limits=Limits(packed_bytes=MIB)) as it:
        guid = it.create("large")
        response = it.api().post(f"/v1/content/{guid}/bundles", content=bytes(3 * MIB))
        refused(response, 413, "larger than 1 MiB")


# Deployments


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"bundle_id": "999999"}, 404),
        ({"bundle_id": "../1"}, 404),
        ({"bundle_id": 1}, 400),
        ({"activate": "no"}, 400),
        ({"force": True}, 400),
    ],
)
def test_a_deployment_of_nothing_is_refused(
    api: httpx.Client, guid: str, body: dict[str, object], status: int
) -> None:
    refused(api.post(f"/v1/content/{guid}/deploy", json=body), status, "")


def test_there_is_nothing_to_deploy_without_a_bundle(rehearsed: Running, api: httpx.Client) -> None:
    guid = rehearsed.create("empty")
    refused(api.post(f"/v1/content/{guid}/deploy", json={}), 400, "no bundle to deploy")


def test_a_task_streams_its_log_and_ends_with_a_code(rehearsed: Running, api: httpx.Client) -> None:
    guid = rehearsed.create("streamed")
    bundle_id = rehearsed.upload(guid, mirror())
    task_id = answered(api.post(f"/v1/content/{guid}/deploy", json={"bundle_id": bundle_id}))[
        "task_id"
    ]
    lines: list[str] = []
    task: dict[str, Any] = {"finished": False, "last": 0}
    while not task["finished"]:
        task = answered(api.get(f"/v1/tasks/{task_id}?wait=5&first={task['last']}"))
        lines += task["output"]
        assert task["last"] == len(lines)
    assert (task["code"], task["error"]) == (0, "")
    assert lines[-1] == f"Bundle {bundle_id} is active."
    assert rehearsed.api("viewer").get(f"/v1/tasks/{task_id}").status_code == 404


def test_a_build_makes_the_environment_and_activates_nothing(
    rehearsed: Running, api: httpx.Client
) -> None:
    guid = rehearsed.create("built")
    rehearsed.upload(guid, mirror())
    task_id = answered(api.post(f"/v1/content/{guid}/build", json={}))["task_id"]
    assert rehearsed.finished(task_id)["code"] == 0
    assert answered(api.get(f"/v1/content/{guid}"))["bundle_id"] is None

"""Content as it runs: what an app is given, who may see it, and what happens when it fails."""

import errno
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from rehearsal.hosting.process import START_SECONDS
from rehearsal.profiles import PROFILES, Profile
from tests.contract.waiting import eventually
from tests.rehearsal.bundles import FILES, bundle_of
from tests.rehearsal.running import MIRROR, Running, answered, mirror, running
from tests.rehearsal.wire import TIMEOUT_SECONDS
from tooling.errors import UsageError


@pytest.fixture(scope="module")
def guid(rehearsed: Running) -> str:
    """The mirror, active."""
    return rehearsed.deployed("mirror", mirror())


def told(response: httpx.Response) -> dict[str, Any]:
    """What the mirror was given, with its headers by name."""
    body = answered(response)
    return body | {"headers": dict(body["headers"])}


# What an app is given


def test_the_app_is_told_the_path_that_it_was_reached_through(
    rehearsed: Running, guid: str
) -> None:
    rehearsed.rehearsal.state.update_content(guid, "vanity", "/mirror/one")
    for mount in (f"/content/{guid}", "/mirror/one"):
        response = rehearsed.get(f"{mount}/told?q")
        given = told(response)
        assert given["root_path"] == mount
        assert given["path"] == f"{mount}/told"
        headers = given["headers"]
        assert headers["rstudio-connect-app-base-url"] == rehearsed.url + mount
        assert headers["x-rsc-request"] == f"{rehearsed.url}{mount}/told?q"
        assert "x-rehearsal-mount" not in headers
        assert "rstudio-connect-credentials" not in headers
        assert response.headers["Set-Cookie"] == f"a=1; Path={mount}/"


def test_the_app_is_told_the_signed_in_user_and_not_the_key(rehearsed: Running, guid: str) -> None:
    given = told(rehearsed.get(f"/content/{guid}/told", "viewer"))
    credentials = json.loads(given["headers"]["rstudio-connect-credentials"])
    assert credentials == {"user": "José Ünï 你好", "groups": []}
    assert "authorization" not in given["headers"]


def test_the_dashboards_session_tells_the_user_and_stays_with_us(
    rehearsed: Running, guid: str
) -> None:
    session = rehearsed.user("publisher").session
    cookie = {"Cookie": f"own=1; rehearsal-session={session}; other=2"}
    given = told(httpx.get(f"{rehearsed.url}/content/{guid}/told", headers=cookie))
    assert json.loads(given["headers"]["rstudio-connect-credentials"])["user"] == "publisher"
    assert given["headers"]["cookie"] == "own=1; other=2"


def test_another_scheme_of_authorization_is_the_apps_own(rehearsed: Running, guid: str) -> None:
    header = {"Authorization": "Bearer token"}
    given = told(httpx.get(f"{rehearsed.url}/content/{guid}/told", headers=header))
    assert given["headers"]["authorization"] == "Bearer token"


@pytest.mark.parametrize(
    "name",
    [
        "RStudio-Connect-Credentials",
        "rstudio_connect_credentials",
        "X-Rehearsal-Mount",
        "X-RSC-Request",
    ],
)
def test_forged_headers_do_not_reach_the_app(rehearsed: Running, guid: str, name: str) -> None:
    forged = {name: '{"user":"eve"}'}
    response = httpx.get(f"{rehearsed.url}/content/{guid}/told", headers=forged)
    assert "eve" not in response.text


def test_the_app_runs_in_its_bundle_with_connects_environment(
    rehearsed: Running, guid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "1")
    environment = [{"name": "GREETING", "value": "hé"}]
    answered_list = rehearsed.api().patch(f"/v1/content/{guid}/environment", json=environment)
    assert answered_list.status_code == 200
    given = told(rehearsed.get(f"/content/{guid}/told"))
    found = given["environment"]
    assert found["POSIT_PRODUCT"] == found["RSTUDIO_PRODUCT"] == "CONNECT"
    assert found["CONNECT_SERVER"] == f"{rehearsed.url}/"
    assert found["CONNECT_CONTENT_GUID"] == guid
    assert found["GREETING"] == "hé"
    assert "SECRET_OF_OURS" not in found
    assert "CONNECT_API_KEY" not in found
    assert (Path(given["directory"]) / "main.py").is_file()


def test_a_root_without_handler_leads_to_the_docs(rehearsed: Running, guid: str) -> None:
    response = rehearsed.get(f"/content/{guid}/")
    assert response.status_code == 307
    assert response.headers["Location"] == f"/content/{guid}/docs"
    assert rehearsed.get(response.headers["Location"]).status_code == 200
    assert rehearsed.get(f"/content/{guid}/other").status_code == 404


def test_a_websocket_reaches_the_app_under_the_same_mount_and_access(rehearsed: Running) -> None:
    guid = rehearsed.deployed("socket", mirror(requirements=b"uvicorn\nwebsockets\n"))
    url = f"{rehearsed.url.replace('http', 'ws')}/content/{guid}/socket"
    with connect(url) as websocket:
        websocket.send("hello")
        assert websocket.recv(TIMEOUT_SECONDS) == f"/content/{guid} hello"
    draft = rehearsed.upload(guid, mirror("two"))
    with pytest.raises(InvalidStatus) as caught:
        connect(url.replace("/socket", f"/_bundle{draft}/socket"))
    assert caught.value.response.status_code == 401


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_each_profile_gives_the_scope_that_it_stands_for(profile: Profile, tmp_path: Path) -> None:
    with running(tmp_path, profile=profile) as it:
        guid = it.deployed("mirror", mirror())
        given = told(it.get(f"/content/{guid}/told"))
        mount = f"/content/{guid}"
        expected = {
            "included": (mount, f"{mount}/told"),
            "stripped": (mount, "/told"),
            "header-only": ("", "/told"),
        }
        assert (given["root_path"], given["path"]) == expected[profile.shape]
        assert given["raw_path"] == given["path"]
        headers = given["headers"]
        assert ("x-forwarded-host" in headers) == profile.forwarded
        assert (headers["host"] == it.url.removeprefix("http://")) == profile.external_host


@pytest.mark.parametrize("name", ["sticky", "not-sticky"])
def test_two_processes_take_turns_unless_a_browser_has_one(name: str, tmp_path: Path) -> None:
    with running(tmp_path, profile=PROFILES[name]) as it:
        url = f"{it.url}/content/{it.deployed('mirror', mirror())}/told"
        without_cookies = [told(httpx.get(url)) for _ in range(4)]
        assert len({given["pid"] for given in without_cookies}) == 2
        with httpx.Client() as browser:
            visits = [told(browser.get(url, headers={"Cookie": "own=1"})) for _ in range(2)]
            visits += [told(browser.get(url)) for _ in range(4)]
            assert ("rehearsal-process" in browser.cookies) == PROFILES[name].sticky
        pids = {given["pid"] for given in visits[2:]}
        assert len(pids) == (1 if PROFILES[name].sticky else 2)
        assert all("rehearsal-process" not in str(given["headers"]) for given in visits)
        for number in ("7", "x", "-1", "9" * 99):
            cookie = {"Cookie": f"rehearsal-process={number}"}
            assert httpx.get(url, headers=cookie).status_code == 200


# Who may see it


def test_a_wrong_key_is_401_even_where_everybody_may_look(rehearsed: Running, guid: str) -> None:
    header = {"Authorization": "Key wrong"}
    response = httpx.get(f"{rehearsed.url}/content/{guid}/told", headers=header)
    assert response.status_code == 401
    assert response.headers["Content-Type"] == "application/problem+json"


def test_a_draft_is_for_its_publisher_and_under_its_own_path(rehearsed: Running, guid: str) -> None:
    draft = rehearsed.upload(guid, mirror("two"))
    assert rehearsed.deploy(guid, draft, activate=False)["code"] == 0
    path = f"/content/{guid}/_bundle{draft}/told"
    given = told(rehearsed.get(path, "publisher"))
    assert given["version"] == "two"
    assert given["root_path"] == f"/content/{guid}/_bundle{draft}"
    assert told(rehearsed.get(f"/content/{guid}/told"))["version"] == "one"
    assert rehearsed.get(path).status_code == 401
    assert rehearsed.get(path, "viewer").status_code == 403
    for none in ("_bundle999999", "_bundle0"):
        assert rehearsed.get(f"/content/{guid}/{none}/told", "publisher").status_code == 404


def test_there_is_nothing_where_nothing_was_deployed(rehearsed: Running) -> None:
    guid = rehearsed.create("nothing")
    assert rehearsed.get(f"/content/{guid}/").status_code == 404
    assert rehearsed.get("/content/00000000-0000-0000-0000-000000000000/").status_code == 404


# When something fails


FAILURES = [
    (
        bundle_of(FILES | {"requirements.txt": b"no-such-distribution-anywhere==1\n"}),
        "The requirements could not be installed",
    ),
    (
        bundle_of(change=lambda m: m["environment"]["python"].update(requires="<3")),
        "Cannot find compatible environment: the bundle asks for Python <3",
    ),
    (
        bundle_of(change=lambda m: m["metadata"].update(entrypoint="gone:app")),
        "The entry point is gone:app, but the bundle has no module gone.",
    ),
    (
        bundle_of(change=lambda m: m["metadata"].update(entrypoint="main:gone")),
        "The entry point is main:gone, but module main has no gone.",
    ),
    (bundle_of(FILES | {"main.py": b"import gone_too\n"}), "No module named 'gone_too'"),
    (
        bundle_of(FILES | {"main.py": b"app = 1\n"}),
        "app in module main is not an ASGI application.",
    ),
    (bundle_of(FILES | {"main.py": b"1 +\n"}), "SyntaxError"),
]


@pytest.mark.parametrize(("bundle", "sentence"), FAILURES, ids=[text for _, text in FAILURES])
def test_a_version_that_cannot_run_fails_its_task_and_the_old_one_goes_on(
    rehearsed: Running, guid: str, bundle: bytes, sentence: str
) -> None:
    active = answered(rehearsed.api().get(f"/v1/content/{guid}"))["bundle_id"]
    task = rehearsed.deploy(guid, rehearsed.upload(guid, bundle))
    assert task["code"] == 1
    assert sentence in task["error"]
    assert len(task["error"].splitlines()) == 1
    assert answered(rehearsed.api().get(f"/v1/content/{guid}"))["bundle_id"] == active
    assert told(rehearsed.get(f"/content/{guid}/told"))["version"] == "one"


def test_content_whose_first_version_fails_has_nothing_active(rehearsed: Running) -> None:
    guid = rehearsed.create("never")
    task = rehearsed.deploy(guid, rehearsed.upload(guid, FAILURES[2][0]))
    assert task["code"] == 1
    assert answered(rehearsed.api().get(f"/v1/content/{guid}"))["bundle_id"] is None
    assert rehearsed.get(f"/content/{guid}/").status_code == 404


@pytest.mark.parametrize("full_from", ["upload", "environment"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_from: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with running(tmp_path, environments=tmp_path / "environments") as it:
        guid = it.create("full")
        if full_from == "upload":
            monkeypatch.setattr(shutil, "copyfileobj", full)
            response = it.api().post(f"/v1/content/{guid}/bundles", content=mirror())
            assert response.status_code == 507
            assert response.json()["error"] == "No space left on the rehearsal's disk."
            assert list((tmp_path / "bundles").iterdir()) == []
        else:
            bundle_id = it.upload(guid, mirror())
            monkeypatch.setattr("tempfile.mkdtemp", full)
            task = it.deploy(guid, bundle_id)
            assert (task["code"], task["error"]) == (1, "No space left on the rehearsal's disk.")
            assert list((tmp_path / "environments").iterdir()) == []


def test_an_environment_is_made_once_for_the_same_requirements(
    rehearsed: Running, guid: str
) -> None:
    task = rehearsed.deploy(guid, rehearsed.upload(guid, mirror("one")))
    assert any("existing environment for these requirements" in line for line in task["output"])


# Processes


def processes(it: Running, guid: str, requests: int = 1) -> set[int]:
    return {told(it.get(f"/content/{guid}/told"))["pid"] for _ in range(requests)}


def test_a_process_that_crashes_is_replaced_without_being_asked_for(
    rehearsed: Running, guid: str
) -> None:
    (first,) = processes(rehearsed, guid)
    assert rehearsed.get(f"/content/{guid}/crash").status_code == 502
    content = rehearsed.rehearsal.state.content(guid)
    assert content is not None
    hosting = rehearsed.rehearsal.hosting
    assert eventually(lambda: (process := hosting.process_of(content)) and process.pid != first)
    (second,) = processes(rehearsed, guid)
    assert second != first


def test_a_new_version_takes_over_while_the_old_one_ends_its_requests(
    rehearsed: Running, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    guid = rehearsed.create("drained")
    variables = [{"name": "GATE", "value": str(gate)}]
    assert (
        rehearsed.api().patch(f"/v1/content/{guid}/environment", json=variables).status_code == 200
    )
    assert rehearsed.deploy(guid, rehearsed.upload(guid, mirror("one")))["code"] == 0
    with httpx.stream(
        "GET", f"{rehearsed.url}/content/{guid}/slow", timeout=TIMEOUT_SECONDS
    ) as old:
        body = old.iter_raw()
        assert next(body) == b"begun "
        assert rehearsed.deploy(guid, rehearsed.upload(guid, mirror("two")))["code"] == 0
        assert told(rehearsed.get(f"/content/{guid}/told"))["version"] == "two"
        gate.touch()
        assert b"".join(body) == b"ended"


def test_a_version_that_crashed_is_not_started_again_at_once(
    rehearsed: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rehearsal.hosting.process._BACKOFF_SECONDS", (TIMEOUT_SECONDS / 2,))
    guid = rehearsed.deployed("crashing", mirror())
    assert rehearsed.get(f"/content/{guid}/crash").status_code == 502
    refused = rehearsed.get(f"/content/{guid}/told")
    assert refused.status_code == 502
    assert "exit code 3" in refused.json()["detail"]
    assert eventually(lambda: rehearsed.get(f"/content/{guid}/told").status_code == 200)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_deleted_content_is_gone_with_its_processes(rehearsed: Running) -> None:
    guid = rehearsed.deployed("deleted", mirror())
    (pid,) = processes(rehearsed, guid)
    rehearsed.delete(guid)
    assert rehearsed.get(f"/content/{guid}/told").status_code == 404
    assert eventually(lambda: is_gone(pid))


def test_a_draft_is_gone_with_its_process_when_another_bundle_is_deployed(
    rehearsed: Running,
) -> None:
    guid = rehearsed.deployed("old-draft", mirror())
    draft = rehearsed.upload(guid, mirror("two"))
    assert rehearsed.deploy(guid, draft, activate=False)["code"] == 0
    path = f"/content/{guid}/_bundle{draft}/told"
    pid = told(rehearsed.get(path, "publisher"))["pid"]
    other = rehearsed.upload(guid, mirror("three"))
    assert rehearsed.deploy(guid, other, activate=False)["code"] == 0
    assert eventually(lambda: is_gone(pid))
    assert told(rehearsed.get(f"/content/{guid}/told"))["version"] == "one"
    assert told(rehearsed.get(path, "publisher"))["version"] == "two"


def test_the_files_of_deleted_content_stay_until_its_requests_have_ended(
    rehearsed: Running, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    guid = rehearsed.create("deleted-late")
    variables = [{"name": "GATE", "value": str(gate)}]
    assert (
        rehearsed.api().patch(f"/v1/content/{guid}/environment", json=variables).status_code == 200
    )
    bundle_id = rehearsed.upload(guid, mirror())
    assert rehearsed.deploy(guid, bundle_id)["code"] == 0
    files = rehearsed.rehearsal.state.directory_of(int(bundle_id))
    with httpx.stream(
        "GET", f"{rehearsed.url}/content/{guid}/slow", timeout=TIMEOUT_SECONDS
    ) as old:
        body = old.iter_raw()
        assert next(body) == b"begun "
        rehearsed.delete(guid)
        assert (files / "main.py").is_file()
        gate.touch()
        assert b"".join(body) == b"ended"
    assert eventually(lambda: not files.exists())


def test_what_is_deployed_is_there_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as it:
        guid = it.deployed("lasting", mirror("first"))
        key = it.user("publisher").api_key
        draft = it.upload(guid, mirror("draft"))
    with running(tmp_path) as it:
        assert it.user("publisher").api_key == key
        assert told(it.get(f"/content/{guid}/told"))["version"] == "first"
        path = f"/content/{guid}/_bundle{draft}/told"
        assert told(it.get(path, "publisher"))["version"] == "draft"


def test_one_rehearsal_at_a_time_has_the_state(tmp_path: Path) -> None:
    with (
        running(tmp_path),
        pytest.raises(UsageError, match="A rehearsal runs here already"),
        running(tmp_path),
    ):
        pass


SLOW_START = MIRROR.replace(
    b"        await receive()\n        print",
    b"        await receive()\n"
    b"        import asyncio\n"
    b"        with open(os.environ['GATE'] + '.pid', 'w') as file: file.write(str(os.getpid()))\n"
    b"        while not os.path.exists(os.environ['GATE']): await asyncio.sleep(0.01)\n"
    b"        print",
)


@contextmanager
def gating(tmp_path: Path) -> Iterator[tuple[Running, str, Path]]:
    """Content whose version "one" was active before a restart, and the gate at which slow versions
    wait.
    """
    gate = tmp_path / "gate"
    with running(tmp_path / "state", start_active=False) as it:
        guid = it.create("gated")
        variables = [{"name": "GATE", "value": str(gate)}]
        assert it.api().patch(f"/v1/content/{guid}/environment", json=variables).status_code == 200
        assert it.deploy(guid, it.upload(guid, mirror("one")))["code"] == 0
    with running(tmp_path / "state", start_active=False) as it:
        yield it, guid, gate


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[tuple[Running, str, Path]]:
    with gating(tmp_path) as it:
        yield it


def starting(gate: Path) -> int:
    """The process that waits at the gate."""
    pid = gate.with_name("gate.pid")
    assert eventually(lambda: pid.exists() and pid.read_text())
    return int(pid.read_text())


def launching(it: Running, guid: str) -> str:
    """The task of a deployment that waits for its app to start."""
    files = FILES | {"main.py": SLOW_START.replace(b"%s", b"two")}
    bundle_id = it.upload(guid, bundle_of(files))
    body = {"bundle_id": bundle_id}
    task_id: str = answered(it.api().post(f"/v1/content/{guid}/deploy", json=body))["task_id"]
    last = 0
    while True:
        task = answered(it.api().get(f"/v1/tasks/{task_id}?wait=5&first={last}"))
        last = task["last"]
        if any(line.startswith("Launching") for line in task["output"]):
            return task_id
        assert not task["finished"], task


def test_the_old_version_is_started_for_a_request_while_the_new_one_launches(
    gated: tuple[Running, str, Path],
) -> None:
    it, guid, gate = gated
    task_id = launching(it, guid)
    assert told(it.get(f"/content/{guid}/told"))["version"] == "one"
    gate.touch()
    assert it.finished(task_id)["code"] == 0
    assert told(it.get(f"/content/{guid}/told"))["version"] == "two"


def test_content_that_is_deleted_during_its_deployment_leaves_no_process(
    gated: tuple[Running, str, Path],
) -> None:
    it, guid, gate = gated
    task_id = launching(it, guid)
    pid = starting(gate)
    it.delete(guid)
    task = it.finished(task_id)
    assert (task["code"], "meanwhile" in task["error"]) == (1, True)
    assert it.get(f"/content/{guid}/told").status_code == 404
    assert eventually(lambda: is_gone(pid))


def test_a_bundle_that_is_deleted_during_its_deployment_does_not_become_active(
    gated: tuple[Running, str, Path],
) -> None:
    it, guid, gate = gated
    task_id = launching(it, guid)
    newest = it.api().get(f"/v1/content/{guid}/bundles").json()[0]["id"]
    it.rehearsal.state.delete_bundle(guid, int(newest))
    gate.touch()
    task = it.finished(task_id)
    assert (task["code"], "meanwhile" in task["error"]) == (1, True)
    assert told(it.get(f"/content/{guid}/told"))["version"] == "one"


def test_a_bundle_that_is_not_there_cannot_be_activated(rehearsed: Running) -> None:
    guid = rehearsed.create("unactivated")
    with pytest.raises(LookupError):
        rehearsed.rehearsal.state.activate(guid, 999_999)
    content = rehearsed.rehearsal.state.content(guid)
    assert content is not None
    assert content.bundle_id is None


def test_stopping_does_not_wait_for_an_app_that_starts(tmp_path: Path) -> None:
    with gating(tmp_path) as (it, guid, gate):
        task_id = launching(it, guid)
        pid = starting(gate)
        assert not answered(it.api().get(f"/v1/tasks/{task_id}"))["finished"]
        begun = time.monotonic()
    assert time.monotonic() - begun < START_SECONDS / 3
    assert eventually(lambda: is_gone(pid))


def test_requests_during_a_switch_are_all_answered(rehearsed: Running) -> None:
    guid = rehearsed.deployed("switched", mirror("0"))
    seen: set[str] = set()
    failed: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=rehearsed.url, timeout=TIMEOUT_SECONDS) as client:
            while not stop.is_set():
                response = client.get(f"/content/{guid}/told")
                if response.status_code == 200:
                    seen.add(response.json()["version"])
                else:
                    failed.append(response.status_code)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        assert eventually(lambda: "0" in seen)
        for version in ("1", "2", "3"):
            assert rehearsed.deploy(guid, rehearsed.upload(guid, mirror(version)))["code"] == 0
        assert eventually(lambda: "3" in seen)
    finally:
        stop.set()
        for asker in askers:
            asker.join()
    assert failed == []
    assert {"0", "3"} <= seen

"""`python -m rehearsal`, which `make run` calls: as a user starts and stops it."""

import asyncio
import errno
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest

from rehearsal.first_deploy import publish, reserve
from tests.rehearsal.bundles import FILES, bundle_of
from tests.rehearsal.running import Running as Rehearsed
from tests.rehearsal.running import answered, mirror
from tests.rehearsal.running import running as rehearsing
from tests.rehearsal.wire import TIMEOUT_SECONDS
from tooling.errors import UsageError
from tooling.frameworks import ROOT, Framework, find_frameworks

NAMES = [framework.name for framework in find_frameworks()]


Running = Callable[..., AbstractContextManager[subprocess.Popen[str]]]


@pytest.fixture
def running(tmp_path: Path) -> Running:
    return partial(_running, REHEARSAL_STATE=str(tmp_path / "state"))


@contextmanager
def _running(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "rehearsal", *arguments],
        cwd=ROOT,
        env=os.environ | {"PORT": "0"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ready_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.match(r"Ready: (http\S+)/ ", line):
            return found[1]
    raise AssertionError(process.communicate())


def processes_of(url: str) -> list[int]:
    """The processes whose environment names this rehearsal as their server."""
    mark = f"CONNECT_SERVER={url}/".encode()
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in file.read_bytes().split(b"\0"):
                found.append(int(file.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_every_app_answers_until_a_signal_stops_them_all(
    running: Running, number: signal.Signals
) -> None:
    with running() as process:
        url = ready_url(process)
        with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as client:
            assert client.get("/").headers["Location"] == "dashboard/"
            page = client.get("/dashboard/").text
            for name in NAMES:
                assert client.get(f"/{name}/hello").json() == {"message": "Howdy stranger!"}
                assert client.get(f"/{name}?a=1").headers["Location"] == f"{name}/?a=1"
                for link in ("/", "/docs"):
                    assert f'href="../{name}{link}"' in page
                    assert client.get(f"/{name}{link}").status_code == 200
                source = client.get(f"/dashboard/source/{name}")
                assert source.headers["Content-Type"] == "text/plain; charset=utf-8"
                assert source.text == (ROOT / f"{name}_app" / "app.py").read_text("utf-8")
            assert client.get("/nothing/").headers["Content-Type"] == "application/problem+json"
            assert client.get("/dashboard/source/../pyproject.toml").status_code == 404
        assert len(processes_of(url)) >= len(NAMES)
        process.send_signal(number)
        assert process.wait(TIMEOUT_SECONDS) == 0
        assert processes_of(url) == []


def test_a_signal_during_start_up_stops_it_too(running: Running) -> None:
    with running() as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 0


def test_a_port_in_use_is_one_line_that_names_it(running: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running(PORT=port) as process:
            _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 1
    assert len(errors.splitlines()) == 1
    assert f"Port {port} on 127.0.0.1 is in use" in errors
    advised = re.search(r"PORT=([0-9]+)\)", errors)
    assert advised
    socket.create_server(("127.0.0.1", int(advised[1]))).close()


@pytest.mark.parametrize("port", ["http", "65536", "-1"])
def test_a_port_that_is_none_is_one_line_that_names_it(running: Running, port: str) -> None:
    with running("--port", port) as process:
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 1
    assert len(errors.splitlines()) == 1
    assert "PORT must be a number" in errors


def test_an_unknown_profile_is_one_line_that_names_those_there_are(running: Running) -> None:
    with running("--profile", "nonsense") as process:
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 1
    assert len(errors.splitlines()) == 1
    assert "included, stripped, header-only" in errors


def test_a_second_rehearsal_says_in_one_line_that_the_first_runs_and_where(
    running: Running,
) -> None:
    with running("rehearse") as first:
        url = ready_url(first)
        with running("rehearse") as second:
            _, errors = second.communicate(timeout=TIMEOUT_SECONDS)
    assert second.returncode == 1
    assert errors == (
        f"rehearsal: A rehearsal runs here already: {url}/ (process {first.pid})."
        " Use that one, or stop it first.\n"
    )


def test_the_rehearsal_alone_prints_its_keys_and_where_it_is(running: Running) -> None:
    with running("rehearse") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        url = ready_url(process)
        assert lines[2] == f"  export CONNECT_SERVER={url}\n"
        publisher = lines[3].removeprefix("  export CONNECT_API_KEY=").strip()
        viewer = lines[5].rpartition(" is ")[2].strip()
        roles = []
        for key in (publisher, viewer):
            header = {"Authorization": f"Key {key}"}
            user = answered(httpx.get(f"{url}/__api__/v1/user", headers=header))
            roles.append(user["user_role"])
        assert roles == ["publisher", "viewer"]


def test_logs_are_shown_by_name_vanity_path_or_guid(running: Running, tmp_path: Path) -> None:
    with rehearsing(tmp_path / "state") as it:
        guid = it.deployed("talkative", mirror())
        it.rehearsal.state.update_content(guid, "vanity", "/talk")
        assert it.api().patch(f"/v1/content/{guid}", json={"title": "Talks a Lot"}).is_success
    for name in ("talkative", "/talk/", "talk", guid, "Talks a Lot", "talks_a_lot"):
        with running("logs", name) as process:
            output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        assert "The mirror starts." in output
    with running("logs", "nothing") as process:
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 1
    assert "there are: talkative" in errors


def test_logs_of_content_that_never_ran_are_those_of_its_newest_bundle(
    running: Running, tmp_path: Path
) -> None:
    with rehearsing(tmp_path / "state") as it:
        guid = it.create("greetings_in_broken")
        code = FILES | {"main.py": b"import gone_too\n"}
        assert it.deploy(guid, it.upload(guid, bundle_of(code)))["code"] == 1
        it.create("nothing_yet")
    for name in ("greetings_in_broken", "broken"):
        with running("logs", name) as process:
            output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        assert "No module named 'gone_too'" in output
    with running("logs", "nothing_yet") as process:
        assert process.communicate(timeout=TIMEOUT_SECONDS) == (
            "",
            "rehearsal: nothing_yet has no log: no process was started for it yet.\n",
        )
    assert process.returncode == 1


def corrupt(state: Path) -> None:
    state.mkdir()
    (state / "state.sqlite").write_bytes(b"no database" * 1000)


def block(state: Path) -> None:
    state.write_text("a file")


@pytest.mark.parametrize(
    ("command", "spoil", "reason"),
    [
        ("rehearse", corrupt, "file is not a database"),
        ("logs", corrupt, "file is not a database"),
        ("rehearse", block, "File exists"),
    ],
)
def test_a_state_that_cannot_be_used_is_one_line_that_names_it(
    running: Running, tmp_path: Path, command: str, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(tmp_path / "state")
    with running(command) as process:
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 1
    assert errors == (
        f"rehearsal: The state in {tmp_path / 'state'} cannot be used ({reason}):"
        " remove it, or set REHEARSAL_STATE.\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is no address")
@pytest.mark.parametrize("host", ["", "0.0.0.0"])
def test_it_listens_on_loopback_only_unless_told_otherwise(running: Running, host: str) -> None:
    with running("rehearse", *(("--host", host) if host else ())) as process:
        assert process.stdout is not None
        warned = host and process.stdout.readline().startswith("Listening on 0.0.0.0: ")
        url = ready_url(process)
        assert url.startswith("http://127.0.0.1:")
        other = ("127.0.0.2", int(url.rpartition(":")[2]))
        if host:
            assert warned
            socket.create_connection(other).close()
        else:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(other)


def test_a_deployment_that_is_interrupted_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    framework = find_frameworks()[0]
    staging, interrupted = threading.Event(), threading.Event()

    def stage_slowly(_: Framework) -> Path:
        staging.set()
        interrupted.wait(TIMEOUT_SECONDS)
        return framework.folder

    async def interrupt(it: Rehearsed) -> None:
        guid = reserve(it.rehearsal, framework)
        publishing = asyncio.create_task(publish(framework, guid, it.rehearsal))
        await asyncio.to_thread(staging.wait, TIMEOUT_SECONDS)
        publishing.cancel()
        asyncio.get_running_loop().call_later(0.1, interrupted.set)
        with pytest.raises(asyncio.CancelledError):
            await publishing

    monkeypatch.setattr("rehearsal.first_deploy.stage_locked", stage_slowly)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with rehearsing(tmp_path / "state") as it:
        asyncio.run(interrupt(it))
    assert list((tmp_path / "temporary").iterdir()) == []
    assert list((tmp_path / "state" / "outgoing").iterdir()) == []


def test_what_a_killed_deployment_left_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    framework = find_frameworks()[0]
    left = tmp_path / "outgoing" / framework.name / "left.txt"
    left.parent.mkdir(parents=True)
    left.write_text("half a copy")

    def fail(_: Framework) -> Path:
        assert not left.exists()
        raise UsageError("Far enough.")

    monkeypatch.setattr("rehearsal.first_deploy.stage_locked", fail)
    with rehearsing(tmp_path) as it:
        guid = reserve(it.rehearsal, framework)
        with pytest.raises(UsageError, match="Far enough"):
            asyncio.run(publish(framework, guid, it.rehearsal))


def test_a_deployment_that_rsconnect_refuses_is_reported_with_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    framework = find_frameworks()[0]
    with rehearsing(tmp_path) as it:
        guid = reserve(it.rehearsal, framework)
        stranger = replace(it.user("publisher"), api_key="wrong")
        monkeypatch.setattr(type(it.rehearsal), "publisher", stranger)
        with pytest.raises(UsageError) as caught:
            asyncio.run(publish(framework, guid, it.rehearsal))
    assert f"{framework.name} was not deployed" in str(caught.value)
    assert f"deploy-{framework.name}.log" in str(caught.value)
    assert "API key" in str(caught.value)


def test_a_path_that_other_content_has_is_not_taken_from_it(tmp_path: Path) -> None:
    framework = find_frameworks()[0]
    with rehearsing(tmp_path) as it:
        guid = it.create("squatter")
        it.rehearsal.state.update_content(guid, "vanity", f"/{framework.name}")
        with pytest.raises(UsageError, match="Other content has the path"):
            reserve(it.rehearsal, framework)
        it.delete(guid)
        guid = reserve(it.rehearsal, framework)
        assert reserve(it.rehearsal, framework) == guid


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (UsageError("It holds a secret."), "cannot be bundled: It holds a secret."),
        (OSError(errno.ENOSPC, "full"), "The disk is full"),
    ],
)
def test_an_app_without_a_bundle_is_reported_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, sentence: str
) -> None:
    def fail(_: Framework) -> Path:
        raise failure

    monkeypatch.setattr("rehearsal.first_deploy.stage_locked", fail)
    framework = find_frameworks()[0]
    with rehearsing(tmp_path) as it:
        guid = reserve(it.rehearsal, framework)
        with pytest.raises(UsageError, match=sentence):
            asyncio.run(publish(framework, guid, it.rehearsal))

"""App processes: what they are given, how they are waited for, and that none is left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.rehearsal.system import ends, is_running, needs_proc
from tests.rehearsal.wire import TIMEOUT_SECONDS
from tests.servers import server_process
from tooling.frameworks import ROOT
from tooling.limits import WEBSOCKETS_VARIABLES
from tooling.processes import (
    AppDidNotStartError,
    ServerKind,
    connect_variables,
)

MIRROR = "tests.rehearsal.mirror:app"
SERVERS: list[ServerKind] = ["uvicorn", "hypercorn"]


def environment(**extra: str) -> dict[str, str]:
    return connect_variables("http://127.0.0.1:3939", "7b1e", extra)


@pytest.mark.parametrize(("server", "path"), [("uvicorn", "/content/7b1e/x"), ("hypercorn", "/x")])
def test_an_app_is_served_with_the_root_path_as_its_server_reads_it(
    server: ServerKind, path: str, tmp_path: Path
) -> None:
    with server_process(
        MIRROR,
        log=tmp_path / "log",
        server=server,
        root_path="/content/7b1e",
        variables=environment(),
    ) as app:
        told = httpx.get(app.wait_until_ready().url + "/x").json()
    assert (told["root_path"], told["path"]) == ("/content/7b1e", path)


def test_the_app_finds_what_connect_gives_and_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECT_API_KEY", "secret")
    with server_process(MIRROR, log=tmp_path / "log", variables=environment(FOO="bar")) as app:
        told = httpx.get(app.wait_until_ready().url).json()
    assert told["environment"] == {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "POSIT_PRODUCT": "CONNECT",
        "RSTUDIO_PRODUCT": "CONNECT",
        "CONNECT_SERVER": "http://127.0.0.1:3939/",
        "CONNECT_CONTENT_GUID": "7b1e",
        "FOO": "bar",
        **WEBSOCKETS_VARIABLES,  # From this test's server.
    }
    assert told["directory"] == str(ROOT)


def test_another_command_can_stand_before_the_servers_arguments(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print(sys.argv)"]
    with server_process(
        MIRROR, log=tmp_path / "log", variables=environment(), program=command
    ) as app:
        with pytest.raises(AppDidNotStartError, match="exit code 0"):
            app.wait_until_ready()
        (line,) = app.last_lines(1)
    assert "--fd" in line
    assert MIRROR in line


@pytest.mark.parametrize("server", SERVERS)
def test_an_app_that_cannot_start_is_reported_with_its_log(
    server: ServerKind, tmp_path: Path
) -> None:
    app = server_process(
        MIRROR,
        log=tmp_path / "log",
        server=server,
        variables=environment(MISBEHAVIOUR="broken import"),
    )
    with pytest.raises(AppDidNotStartError) as caught:
        app.wait_until_ready()
    assert str(tmp_path / "log") in str(caught.value)
    assert "RuntimeError: This app cannot be imported." in str(caught.value)


@needs_proc
def test_an_app_that_never_gets_ready_is_given_up_and_stopped(tmp_path: Path) -> None:
    app = server_process(MIRROR, log=tmp_path / "log", variables=environment(MISBEHAVIOUR="hangs"))
    with pytest.raises(AppDidNotStartError, match="within 1 s"):
        app.wait_until_ready(1)
    assert not is_running(app.pid)


@needs_proc
@pytest.mark.parametrize("server", SERVERS)
def test_stopping_ends_the_app_in_good_order(server: ServerKind, tmp_path: Path) -> None:
    app = server_process(MIRROR, log=tmp_path / "log", server=server, variables=environment())
    app.wait_until_ready()
    assert app.stop(TIMEOUT_SECONDS) in (0, -signal.SIGTERM)
    assert not is_running(app.pid)
    assert not app.is_listening()
    assert app.stop() == app.exit_code()


@needs_proc
def test_stopping_ends_what_ignores_sigterm_and_its_children(tmp_path: Path) -> None:
    app = server_process(
        MIRROR, log=tmp_path / "log", variables=environment(MISBEHAVIOUR="stubborn child")
    )
    child = httpx.get(app.wait_until_ready().url).json()["child"]
    os.kill(app.pid, signal.SIGSTOP)
    assert app.stop(0.1) == -signal.SIGKILL
    assert ends(child)


@needs_proc
@pytest.mark.parametrize("server", SERVERS)
def test_no_app_outlives_a_killed_parent(server: ServerKind, tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from tests.servers import server_process
from tooling.processes import AppProcess
app = server_process({MIRROR!r}, log=Path({str(tmp_path / "log")!r}), server={server!r},
                 variables={environment()!r})
app.wait_until_ready()
print(app.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.kill()
    assert ends(pid)

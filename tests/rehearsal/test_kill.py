"""A rehearsal that is killed at any moment of a deployment: the old version or the new one serves
then.
"""

import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.endurance import COUNTS
from tests.figures import KILLS, attempt
from tests.rehearsal.running import answered, mirror
from tests.rehearsal.system import ends, needs_proc
from tests.rehearsal.wire import TIMEOUT_SECONDS, dial
from tooling.frameworks import ROOT

pytestmark = needs_proc


class Server:
    """`python -m rehearsal rehearse` in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        output = ""
        for line in process.stdout:
            output += line
            if line.startswith("Ready: "):
                break
        url = re.search(r"Ready: (http\S+)/ ", output)
        key = re.search(r"CONNECT_API_KEY=(\S+)", output)
        assert url, output
        assert key, output
        self.url = url[1]
        self.header = {"Authorization": f"Key {key[1]}"}
        self.api = httpx.Client(
            base_url=f"{self.url}/__api__", headers=self.header, timeout=TIMEOUT_SECONDS
        )

    def upload(self, guid: str, version: str) -> str:
        path = f"/v1/content/{guid}/bundles"
        bundle_id: str = answered(self.api.post(path, content=mirror(version)))["id"]
        return bundle_id

    def deploy(self, guid: str, bundle_id: str) -> Iterator[list[str]]:
        """Begins a deployment; gives its log so far, again and again until it has ended."""
        body = {"bundle_id": bundle_id}
        task_id = answered(self.api.post(f"/v1/content/{guid}/deploy", json=body))["task_id"]
        lines: list[str] = []
        finished = False
        while not finished:
            yield lines
            task = answered(self.api.get(f"/v1/tasks/{task_id}?first={len(lines)}&wait=5"))
            lines += task["output"]
            finished = task["finished"]
        yield lines

    def version(self, guid: str) -> str:
        version: str = answered(httpx.get(f"{self.url}/content/{guid}/told"))["version"]
        return version

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def rehearsing(state: Path) -> Iterator[Server]:
    with subprocess.Popen(
        [sys.executable, "-m", "rehearsal", "rehearse"],
        cwd=ROOT,
        env=os.environ | {"PORT": "0", "REHEARSAL_STATE": str(state)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        server = Server(process)
        try:
            yield server
        finally:
            server.api.close()
            process.kill()


def kill_in_upload(server: Server, guid: str) -> None:
    bundle = mirror("two")
    head = f"POST /__api__/v1/content/{guid}/bundles HTTP/1.1\r\nHost: x\r\n"
    head += (
        f"Authorization: {server.header['Authorization']}\r\nContent-Length: {len(bundle)}\r\n\r\n"
    )
    with dial(server.url) as connection:
        connection.sendall(head.encode() + bundle[: len(bundle) // 2])
        # Another request is answered: by then the half is there too.
        answered(server.api.get("/server_settings"))
        server.kill()


def kill_after_upload(server: Server, guid: str) -> None:
    server.upload(guid, "two")
    server.kill()


def kill_after_line(begin: str) -> Callable[[Server, str], None]:
    def kill(server: Server, guid: str) -> None:
        for lines in server.deploy(guid, server.upload(guid, "two")):
            if not begin or any(line.startswith(begin) for line in lines):
                server.kill()
                return

    return kill


MOMENTS = [
    pytest.param(kill_after_line("Launching"), {"one"}, id="in the launch"),
    pytest.param(kill_in_upload, {"one"}, id="in the upload"),
    pytest.param(kill_after_upload, {"one"}, id="after it"),
    pytest.param(kill_after_line(""), {"one", "two"}, id="at once"),
    pytest.param(kill_after_line("Building"), {"one"}, id="in the build"),
    pytest.param(kill_after_line("The app answers"), {"one", "two"}, id="at its end"),
    pytest.param(kill_after_line("Bundle"), {"two"}, id="after"),
]


@pytest.mark.parametrize(("kill", "allowed"), MOMENTS[: COUNTS.kills])
def test_the_version_that_was_active_serves_after_a_kill(
    kill: Callable[[Server, str], None], allowed: set[str], tmp_path: Path
) -> None:
    with attempt(KILLS):
        kill_and_restart(kill, allowed, tmp_path)


def kill_and_restart(
    kill: Callable[[Server, str], None], allowed: set[str], directory: Path
) -> None:
    """Kills a rehearsal during a deployment, and starts it again with the same state."""
    with rehearsing(directory) as server:
        content = answered(server.api.post("/v1/content", json={"name": "killed"}))
        guid: str = content["guid"]
        for _ in server.deploy(guid, server.upload(guid, "one")):
            pass
        pid = answered(httpx.get(f"{server.url}/content/{guid}/told"))["pid"]
        kill(server, guid)
        assert server.process.returncode == -signal.SIGKILL
        assert ends(pid)
    with rehearsing(directory) as server:
        before = server.version(guid)
        assert before in allowed
        active = answered(server.api.get(f"/v1/content/{guid}"))["bundle_id"]
        bundles = server.api.get(f"/v1/content/{guid}/bundles").json()
        files = sorted(path.name for path in (directory / "bundles").iterdir())
        expected = [(b["id"], f"{b['id']}.tar.gz") for b in bundles]
        assert files == sorted(itertools.chain(*expected))
        assert active in [bundle["id"] for bundle in bundles]
        for lines in server.deploy(guid, server.upload(guid, "three")):
            end = lines
        assert end[-1].endswith("is active.")
        assert server.version(guid) == "three"

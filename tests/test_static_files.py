"""What lies in `static/` and is no file of it is not served: links that lead outside, and pipes."""

import os
import shutil
from collections.abc import Iterator

import httpx
import pytest

from tests.servers import server_process
from tooling.frameworks import ROOT, Framework, find_frameworks
from tooling.processes import AppProcess


@pytest.fixture(scope="module", params=find_frameworks(), ids=lambda framework: framework.name)
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppProcess]:
    framework: Framework = request.param
    folder = tmp_path_factory.mktemp(framework.name)
    for name in (framework.folder.name, "shared"):
        shutil.copytree(ROOT / name, folder / name)
    static = folder / "shared" / "static"
    (folder / "secret.txt").write_text("secret")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "secret.txt").write_text("secret")
    (static / "link.txt").symlink_to(folder / "secret.txt")
    (static / "folder").symlink_to(folder / "secrets")
    (static / "inside.css").symlink_to("styles.css")
    os.mkfifo(static / "pipe")
    with server_process(
        framework.entrypoint, log=folder / "log", variables={}, directory=folder
    ) as process:
        yield process.wait_until_ready()


@pytest.mark.parametrize("path", ["link.txt", "folder/secret.txt", "folder", "pipe", "folder/.."])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_no_file_there_is_not_found(app: AppProcess, method: str, path: str) -> None:
    response = httpx.request(method, f"{app.url}/static/{path}", timeout=5)
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"


def test_a_file_there_is_served(app: AppProcess) -> None:
    assert "color" in httpx.get(f"{app.url}/static/styles.css", timeout=5).text

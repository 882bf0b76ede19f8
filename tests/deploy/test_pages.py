"""Deploying static pages: the real rsconnect against a fake server."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from deploy.__main__ import main
from deploy.pages import pages_command
from deploy.rsconnect import Target
from tests.deploy.fake_connect import KEY, FakeConnect, fake_connect


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "src").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Which one?</h1>")
    (folder / "src" / "app.py.html").write_text("<h1>app.py</h1>")
    return folder


def run(connect: FakeConnect, site: Path, **environ: str) -> int:
    """`make deploy-site`, after `make site`."""
    settings = {"CONNECT_SERVER": connect.url, "CONNECT_API_KEY": KEY}
    return main(["site", "--folder", str(site)], {**os.environ, **settings, **environ})


def test_the_pages_are_uploaded_as_static_content_and_updated_the_second_time(
    site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with fake_connect() as connect:
        assert run(connect, site) == 0
        ((guid, upload),) = connect.uploads
        with tarfile.open(fileobj=io.BytesIO(upload)) as tar:
            names = set(tar.getnames())
            manifest = (tar.extractfile("manifest.json") or io.BytesIO()).read()
        assert {"index.html", "src/app.py.html", "manifest.json"} == names
        assert b'"appmode": "static"' in manifest
        assert connect.content[guid]["title"] == "The frameworks side by side"
        said = capfd.readouterr().out
        assert said.splitlines()[-1] == (f"The site is deployed: {connect.url}/content/{guid}/")
        assert KEY not in said
        assert run(connect, site) == 0
        assert [target for target, _ in connect.uploads] == [guid, guid]


def test_the_command_names_the_folder_the_page_and_the_saved_server(site: Path) -> None:
    command = pages_command(site, Target("https://connect.example.org", None, "work"), ["--draft"])
    assert command[1:] == [
        *("deploy", "html", "--entrypoint", "index.html", "--name", "work"),
        *("--title", "The frameworks side by side", "--draft", str(site)),
    ]


def test_without_a_site_or_a_server_one_line_says_what_to_do(
    tmp_path: Path, site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    environ = {"CONNECT_SERVER": "http://127.0.0.1:1", "CONNECT_API_KEY": KEY}
    assert main(["site", "--folder", str(tmp_path / "none")], environ) == 1
    assert capfd.readouterr().err.startswith("deploy: There is no site in ")
    assert main(["site", "--folder", str(site)], {}) == 1
    assert "make deploy-site SERVER=work" in capfd.readouterr().err

"""What stands at `/`: a directory of static files, or the way to the dashboard."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.rehearsal.running import Running, mirror, running


@pytest.fixture(scope="module")
def with_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("site")
    (directory / "index.html").write_text("<h1>Which one?</h1>")
    (directory / "src").mkdir()
    (directory / "src" / "app.py.html").write_text("<h1>app.py</h1>")
    (directory / "outside").symlink_to(Path(__file__))
    with running(tmp_path_factory.mktemp("rehearsal"), site=directory) as it:
        yield it


def test_without_a_directory_the_root_leads_to_the_dashboard(rehearsed: Running) -> None:
    response = httpx.get(rehearsed.url, follow_redirects=True)
    assert response.url.path == "/dashboard/"
    assert "not Posit Connect" in response.text
    without_slash = httpx.get(f"{rehearsed.url}/dashboard", follow_redirects=True)
    assert without_slash.url.path == "/dashboard/"


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/", "Which one?"),
        ("/index.html", "Which one?"),
        ("/src/app.py.html", "app.py"),
        ("/dashboard/", "One contract"),
        ("/dashboard/profile", "Profiles of this rehearsal"),
    ],
)
def test_the_files_stand_beside_the_dashboard(with_site: Running, path: str, heading: str) -> None:
    response = httpx.get(with_site.url + path)
    assert response.status_code == 200
    assert f"<h1>{heading}" in response.text
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_content_is_found_before_the_files(with_site: Running) -> None:
    guid = with_site.deployed("beside", mirror())
    assert httpx.get(f"{with_site.url}/content/{guid}/told").json()["version"] == "one"


@pytest.mark.parametrize("path", ["/none", "/src/", "/outside", "/..%2f", "/src/..%2f..%2fx"])
def test_nothing_else_is_served(with_site: Running, path: str) -> None:
    response = httpx.get(with_site.url + path)
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"


def test_files_are_only_read(with_site: Running) -> None:
    assert httpx.post(with_site.url).status_code == 405
    with pytest.raises(InvalidStatus), connect(with_site.url.replace("http", "ws") + "/"):
        pass


def test_the_dashboard_leads_to_the_site_if_there_is_one(
    rehearsed: Running, with_site: Running
) -> None:
    link = '<a href="../">The comparison</a>'
    assert link in httpx.get(f"{with_site.url}/dashboard/").text
    assert link not in httpx.get(f"{rehearsed.url}/dashboard/").text

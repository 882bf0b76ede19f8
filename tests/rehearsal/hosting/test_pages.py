"""Static content: which files are answered, with which headers, and to whom."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from rehearsal.storage.database import State
from tests.rehearsal.bundles import bundle_of, member
from tests.rehearsal.running import Running, answered, mirror, running
from tests.rehearsal.wire import dial, read_until

SITE = {
    "start.html": "<h1>Größe</h1>".encode(),
    "style.css": b"h1 {}",
    "more/index.html": b"<h1>More</h1>",
    "more/odd name.html": b"odd",
    "empty/data.json": b"{}",
}


def static(manifest: dict[str, Any], page: str = "start.html") -> None:
    manifest["metadata"] = {"appmode": "static", "primary_html": page}
    del manifest["python"], manifest["environment"]


def site(files: dict[str, bytes] = SITE) -> bytes:
    return bundle_of(files, change=static)


@pytest.fixture(scope="module")
def guid(rehearsed: Running) -> str:
    """The site, active."""
    return rehearsed.deployed("site", site())


@pytest.mark.parametrize(
    ("path", "content", "media_type"),
    [
        ("", SITE["start.html"], "text/html; charset=utf-8"),
        ("start.html", SITE["start.html"], "text/html; charset=utf-8"),
        ("style.css", SITE["style.css"], "text/css; charset=utf-8"),
        ("more/", SITE["more/index.html"], "text/html; charset=utf-8"),
        ("more/odd%20name.html", b"odd", "text/html; charset=utf-8"),
        ("empty/data.json", b"{}", "application/json"),
    ],
)
def test_a_file_is_answered_as_the_apps_answer_pages(
    rehearsed: Running, guid: str, path: str, content: bytes, media_type: str
) -> None:
    response = rehearsed.get(f"/content/{guid}/{path}")
    assert (response.status_code, response.content) == (200, content)
    assert response.headers["Content-Type"] == media_type
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    again = httpx.get(
        f"{rehearsed.url}/content/{guid}/{path}",
        headers={"If-None-Match": response.headers["ETag"]},
    )
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Cache-Control"] == "no-cache"


def test_a_second_version_is_seen_at_once(rehearsed: Running) -> None:
    guid = rehearsed.deployed("changing-site", site())
    first = rehearsed.get(f"/content/{guid}/")
    changed = SITE | {"start.html": SITE["start.html"].replace(b"h1", b"h2")}
    assert rehearsed.deploy(guid, rehearsed.upload(guid, site(changed)))["code"] == 0
    headers = {"If-None-Match": first.headers["ETag"]}
    second = httpx.get(f"{rehearsed.url}/content/{guid}/", headers=headers)
    assert (second.status_code, second.content) == (200, changed["start.html"])


@pytest.mark.parametrize(
    ("path", "location"), [("", "{guid}/"), ("/more", "./more/"), ("/more?q=1", "./more/")]
)
def test_a_folder_without_slash_is_redirected_by_a_relative_reference(
    rehearsed: Running, guid: str, path: str, location: str
) -> None:
    response = rehearsed.get(f"/content/{guid}{path}")
    assert response.status_code == 307
    assert response.headers["Location"].partition("?")[0] == location.format(guid=guid)


@pytest.mark.parametrize(
    "target",
    [
        *("/none", "/start.html/", "/empty/", "/empty", "/more/none.html", "/%00", "/" + "x" * 300),
        *("/../../database", "/..%2f..%2fstate.sqlite", "//etc/passwd", "/%2Fetc%2Fpasswd"),
        "/more/..%2f..%2f..%2fstate.sqlite",
    ],
)
def test_what_is_no_file_of_the_bundle_is_404(rehearsed: Running, guid: str, target: str) -> None:
    with dial(rehearsed.url) as connection:
        connection.sendall(
            f"GET /content/{guid}{target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        head = read_until(connection, b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert b"content-type: application/problem+json" in head.lower()


def test_a_link_in_the_files_leads_nowhere(rehearsed: Running, tmp_path: Path) -> None:
    """The upload refuses links; this one was made in the folder afterwards."""
    guid = rehearsed.deployed("linked-site", site())
    (tmp_path / "secret.html").write_text("secret")
    state = rehearsed.rehearsal.state
    content = state.content(guid)
    assert content is not None
    folder = state.directory_of(content.bundle_id or 0)
    (folder / "link.html").symlink_to(tmp_path / "secret.html")
    (folder / "linked").symlink_to(tmp_path)
    for path in ("link.html", "linked/secret.html"):
        assert rehearsed.get(f"/content/{guid}/{path}").status_code == 404


def test_only_reading_is_allowed(rehearsed: Running, guid: str) -> None:
    response = httpx.post(f"{rehearsed.url}/content/{guid}/start.html")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")
    with pytest.raises(InvalidStatus) as caught:
        connect(f"{rehearsed.url.replace('http', 'ws')}/content/{guid}/start.html")
    assert caught.value.response.status_code == 404


def test_the_same_users_may_see_it_as_may_see_an_app(rehearsed: Running, guid: str) -> None:
    draft = rehearsed.upload(guid, site())
    assert rehearsed.deploy(guid, draft, activate=False)["code"] == 0
    path = f"/content/{guid}/_bundle{draft}/style.css"
    assert rehearsed.get(path, "publisher").status_code == 200
    assert rehearsed.get(path, "viewer").status_code == 403
    assert rehearsed.get(path).status_code == 401
    wrong = {"Authorization": "Key wrong"}
    assert httpx.get(f"{rehearsed.url}/content/{guid}/", headers=wrong).status_code == 401
    missing = f"/content/{guid}/_bundle999999/"
    assert rehearsed.get(missing, "publisher").status_code == 404


def test_it_has_neither_process_nor_environment(rehearsed: Running) -> None:
    guid = rehearsed.create("quiet-site")
    bundle_id = rehearsed.upload(guid, site())
    task = rehearsed.deploy(guid, bundle_id)
    assert "no environment, no process" in "\n".join(task["output"])
    item = answered(rehearsed.api().get(f"/v1/content/{guid}"))
    assert (item["app_mode"], item["py_version"]) == ("static", None)
    assert answered(rehearsed.api().get(f"/applications/{item['id']}"))["app_mode"] == 4
    build = answered(rehearsed.api().post(f"/v1/content/{guid}/build", json={}))
    assert rehearsed.finished(build["task_id"])["code"] == 0
    rehearsed.api().patch(f"/v1/content/{guid}/environment", json=[{"name": "A", "value": "1"}])
    content = rehearsed.rehearsal.state.content(guid)
    assert content is not None
    assert rehearsed.rehearsal.hosting.process_of(content) is None
    assert not rehearsed.rehearsal.hosting.log_of(guid, int(bundle_id)).exists()
    cookie = {"rehearsal-session": rehearsed.user("publisher").session}
    page = httpx.get(f"{rehearsed.url}/dashboard/{guid}", cookies=cookie)
    assert "none: static content" in page.text
    index = httpx.get(f"{rehearsed.url}/dashboard/").text
    assert f"content/{guid}/" in index
    assert f"content/{guid}/docs" not in index


def test_an_app_may_follow_static_content_and_the_other_way_round(rehearsed: Running) -> None:
    guid = rehearsed.deployed("both", site())
    assert rehearsed.deploy(guid, rehearsed.upload(guid, mirror()))["code"] == 0
    assert answered(rehearsed.get(f"/content/{guid}/told"))["version"] == "one"
    assert rehearsed.deploy(guid, rehearsed.upload(guid, site()))["code"] == 0
    assert rehearsed.get(f"/content/{guid}/").content == SITE["start.html"]


@pytest.mark.parametrize(
    ("bundle", "sentence"),
    [
        (bundle_of({"other.html": b""}, change=static), "has no page 'start.html'"),
        (bundle_of(SITE, member("a", b"2", linkname="/etc"), change=static), "a symbolic link"),
        (
            bundle_of(SITE, change=lambda m: static(m, "")),
            "has no page ''",
        ),
    ],
    ids=["no page", "a link", "no name of a page"],
)
def test_static_content_that_cannot_be_opened_is_refused(
    rehearsed: Running, guid: str, bundle: bytes, sentence: str
) -> None:
    response = rehearsed.api().post(f"/v1/content/{guid}/bundles", content=bundle)
    assert response.status_code == 400
    assert sentence in response.json()["error"]


def test_it_is_served_again_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as it:
        guid = it.deployed("kept", site())
    with running(tmp_path) as it:
        assert it.get(f"/content/{guid}/").content == SITE["start.html"]


def test_the_state_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    with running(tmp_path) as it:
        guid = it.create("old")
        it.upload(guid, mirror())
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as database:
        database.execute("ALTER TABLE bundles DROP COLUMN app_mode")
    with closing(State(tmp_path)) as state:
        (bundle,) = state.bundles(guid)
        assert bundle.app_mode == "python-fastapi"

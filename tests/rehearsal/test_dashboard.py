"""The dashboard: what it shows to whom, and that only its own forms change anything."""

import re

import httpx
import pytest

from tests.rehearsal.running import Running, answered, mirror
from tests.rehearsal.wire import TIMEOUT_SECONDS

PAGES = {"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff"}


@pytest.fixture(scope="module")
def guid(rehearsed: Running) -> str:
    """The mirror, with a draft beside its active version."""
    guid = rehearsed.deployed("shown", mirror())
    answered(rehearsed.api().patch(f"/v1/content/{guid}", json={"title": "Shown <b>& told</b>"}))
    rehearsed.upload(guid, mirror("two"))
    return guid


def switch(rehearsed: Running, to: str, origin: str | None = None) -> httpx.Response:
    headers = {"Origin": origin or rehearsed.url}
    return httpx.post(f"{rehearsed.url}/user", data={"guid": to}, headers=headers)


def page(rehearsed: Running, path: str, role: str | None = "publisher") -> httpx.Response:
    cookies = {}
    if role:
        user = next(user for user in rehearsed.rehearsal.state.users() if user.role == role)
        cookies = {"rehearsal-session": user.session}
    return httpx.get(rehearsed.url + path, cookies=cookies, timeout=TIMEOUT_SECONDS)


@pytest.mark.parametrize("path", ["/", "/dashboard/{guid}", "/dashboard/{guid}/logs"])
def test_every_page_is_guarded_and_says_that_it_is_a_rehearsal(
    rehearsed: Running, guid: str, path: str
) -> None:
    response = page(rehearsed, path.format(guid=guid))
    assert response.status_code == 200
    for name, value in PAGES.items():
        assert value in response.headers[name]
    assert "not Posit Connect" in response.text
    assert len(re.findall("<h1>", response.text)) == 1
    assert "<script" not in response.text
    assert 'src="http' not in response.text


def test_the_index_shows_all_content_and_escapes_its_title(rehearsed: Running, guid: str) -> None:
    text = page(rehearsed, "/", None).text
    assert f'href="/content/{guid}/"' in text
    assert "Shown &lt;b&gt;&amp; told&lt;/b&gt;" in text


def test_the_page_of_content_leads_to_its_versions_and_logs(rehearsed: Running, guid: str) -> None:
    text = page(rehearsed, f"/dashboard/{guid}").text
    bundles = rehearsed.api().get(f"/v1/content/{guid}/bundles").json()
    (draft,) = [bundle["id"] for bundle in bundles if not bundle["active"]]
    response = page(rehearsed, f"/dashboard/{guid}/draft/{draft}")
    assert f"/dashboard/{guid}/draft/{draft}" in text
    assert response.headers["Location"] == f"/content/{guid}/_bundle{draft}/"
    assert "The mirror starts." in page(rehearsed, f"/dashboard/{guid}/logs").text
    assert "The mirror starts." not in page(rehearsed, f"/dashboard/{guid}/logs?bundle=../1").text


@pytest.mark.parametrize("role", [None, "viewer"])
@pytest.mark.parametrize("path", ["", "/logs", "/draft/1"])
def test_others_than_the_publisher_see_nothing_of_it(
    rehearsed: Running, guid: str, path: str, role: str | None
) -> None:
    assert page(rehearsed, f"/dashboard/{guid}{path}", role).status_code == 404


def test_content_for_listed_users_is_not_on_the_index_of_others(
    rehearsed: Running, guid: str
) -> None:
    answered(rehearsed.api().patch(f"/v1/content/{guid}", json={"access_type": "acl"}))
    try:
        assert guid not in page(rehearsed, "/", None).text
        assert guid not in page(rehearsed, "/", "viewer").text
        assert guid in page(rehearsed, "/").text
    finally:
        answered(rehearsed.api().patch(f"/v1/content/{guid}", json={"access_type": "all"}))


def test_the_switch_makes_a_session_and_ends_it(rehearsed: Running) -> None:
    viewer = rehearsed.user("viewer")
    response = switch(rehearsed, viewer.guid)
    assert (response.status_code, response.headers["Location"]) == (303, "/")
    cookie = response.headers["Set-Cookie"]
    assert f"rehearsal-session={viewer.session}; HttpOnly; Path=/; SameSite=lax" in cookie
    assert 'rehearsal-session=""' in switch(rehearsed, "").headers["Set-Cookie"]


def test_a_name_that_was_made_to_lead_here_cannot_switch_the_user(rehearsed: Running) -> None:
    """DNS rebinding: the page's origin and the host that it asks are the same, and somebody else's."""
    headers = {"Origin": "http://evil.example", "Host": "evil.example"}
    data = {"guid": rehearsed.user("publisher").guid}
    response = httpx.post(f"{rehearsed.url}/user", data=data, headers=headers)
    assert response.status_code == 403
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_no_other_site_can_switch_the_user(rehearsed: Running, origin: str) -> None:
    response = switch(rehearsed, rehearsed.user("publisher").guid, origin)
    assert response.status_code == 403
    assert "Set-Cookie" not in response.headers


def test_there_is_no_source_but_the_apps_own(rehearsed: Running) -> None:
    for path in ("/source/nothing", "/source/..%2fpyproject", "/source/"):
        assert httpx.get(rehearsed.url + path).status_code == 404

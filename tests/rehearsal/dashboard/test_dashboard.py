"""The dashboard: what it shows to whom, and that only its own forms change anything."""

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import sync_playwright

from tests import chromium
from tests.axe import violations
from tests.contract.waiting import eventually
from tests.rehearsal.running import Running, answered, mirror, running
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
    return httpx.post(f"{rehearsed.url}/dashboard/user", data={"guid": to}, headers=headers)


def page(rehearsed: Running, path: str, role: str | None = "publisher") -> httpx.Response:
    cookies = {}
    if role:
        user = next(user for user in rehearsed.rehearsal.state.users() if user.role == role)
        cookies = {"rehearsal-session": user.session}
    return httpx.get(
        rehearsed.url + path,
        cookies=cookies,
        headers={"Accept": "text/html"},
        timeout=TIMEOUT_SECONDS,
    )


def leads_to(response: httpx.Response) -> str:
    """The path that a redirect leads to; its reference is relative."""
    location = response.headers["Location"]
    assert not location.startswith(("/", "http"))
    return response.url.join(location).path


@pytest.mark.parametrize(
    "path",
    [
        "/dashboard/",
        "/dashboard/profile",
        "/dashboard/{guid}",
        "/dashboard/{guid}/logs",
        "/nothing/here",
    ],
)
def test_every_page_is_guarded_and_says_that_it_is_a_rehearsal(
    rehearsed: Running, guid: str, path: str
) -> None:
    response = page(rehearsed, path.format(guid=guid))
    assert response.status_code == (404 if "nothing" in path else 200)
    for name, value in PAGES.items():
        assert value in response.headers[name]
    assert "not Posit Connect" in response.text
    assert len(re.findall("<h1>", response.text)) == 1
    # Nothing inline, and nothing that a proxy's further prefix would break.
    assert re.findall("<script>|style=|onclick", response.text) == []
    assert re.findall(r'(?:href|src|action)="(?:/|http)', response.text) == []


def test_the_index_shows_all_content_and_escapes_its_title(rehearsed: Running, guid: str) -> None:
    text = page(rehearsed, "/dashboard/", None).text
    assert f'href="../content/{guid}/"' in text
    assert "Shown &lt;b&gt;&amp; told&lt;/b&gt;" in text


def test_the_page_of_content_leads_to_its_versions_and_logs(rehearsed: Running, guid: str) -> None:
    text = page(rehearsed, f"/dashboard/{guid}").text
    bundles = rehearsed.api().get(f"/v1/content/{guid}/bundles").json()
    (draft,) = [bundle["id"] for bundle in bundles if not bundle["active"]]
    response = page(rehearsed, f"/dashboard/{guid}/draft/{draft}")
    assert f'"../dashboard/{guid}/draft/{draft}"' in text
    assert leads_to(response) == f"/content/{guid}/_bundle{draft}/"
    assert "The mirror starts." in page(rehearsed, f"/dashboard/{guid}/logs").text
    assert "The mirror starts." not in page(rehearsed, f"/dashboard/{guid}/logs?bundle=../1").text


@pytest.mark.parametrize("role", [None, "viewer"])
@pytest.mark.parametrize("path", ["", "/logs", "/draft/1"])
def test_others_than_the_publisher_see_nothing_of_it(
    rehearsed: Running, guid: str, path: str, role: str | None
) -> None:
    response = page(rehearsed, f"/dashboard/{guid}{path}", role)
    assert response.status_code == 404
    assert "There is nothing here for this user." in response.text
    assert "Shown" not in response.text


@pytest.mark.parametrize("path", ["", "/logs", "/draft/1"])
def test_who_is_not_signed_in_can_look_as_the_publisher(
    rehearsed: Running, guid: str, path: str
) -> None:
    """rsconnect prints these addresses."""
    address = f"/dashboard/{guid}{path}"
    button = f'value="{rehearsed.user("publisher").guid}">switch to publisher</button>'
    assert button in page(rehearsed, address, None).text
    headers = {"Origin": rehearsed.url, "Referer": rehearsed.url + address}
    data = {"guid": rehearsed.user("publisher").guid}
    response = httpx.post(f"{rehearsed.url}/dashboard/user", data=data, headers=headers)
    assert leads_to(response) == address


def test_a_client_that_is_no_browser_gets_problem_details(rehearsed: Running, guid: str) -> None:
    for path in (f"/dashboard/{guid}", "/nothing/here"):
        response = httpx.get(rehearsed.url + path)
        assert response.status_code == 404
        assert response.headers["Content-Type"] == "application/problem+json"


def test_content_is_deleted_by_its_publisher_alone(rehearsed: Running) -> None:
    guid = rehearsed.deployed("unwanted", mirror())
    log = rehearsed.rehearsal.settings.directory / "logs" / guid
    url = f"{rehearsed.url}/dashboard/{guid}/delete"
    own = {"Origin": rehearsed.url}
    publisher = {"rehearsal-session": rehearsed.user("publisher").session}
    assert log.is_dir()
    assert httpx.post(url, headers=own).status_code == 404
    assert httpx.post(url, cookies=publisher).status_code == 403
    assert guid in page(rehearsed, "/dashboard/").text
    assert leads_to(httpx.post(url, headers=own, cookies=publisher)) == "/dashboard/"
    assert guid not in page(rehearsed, "/dashboard/").text
    assert page(rehearsed, f"/content/{guid}/told").status_code == 404
    assert eventually(lambda: not log.exists())


def test_content_without_a_version_is_no_card(rehearsed: Running) -> None:
    """rsconnect makes the content before it sends the bundle, which may be refused."""
    created = answered(rehearsed.api().post("/v1/content", json={"name": "refused-bundle"}))
    assert "refused-bundle" not in page(rehearsed, "/dashboard/").text
    rehearsed.upload(created["guid"], mirror())
    assert "refused-bundle" in page(rehearsed, "/dashboard/").text


def test_without_frameworks_only_deployed_content_is_a_card(tmp_path: Path) -> None:
    """So it is in a project of one's own, which has the rehearsal and no examples."""
    with running(tmp_path, frameworks=()) as it:
        empty = page(it, "/dashboard/").text
        assert "Nothing is deployed yet." in empty
        assert "<h2>" not in empty
        it.deployed("mine", mirror())
        deployed = page(it, "/dashboard/").text
        assert re.findall(r"<h2>.*>(.*)</a></h2>", deployed) == ["mine"]
        assert "framework" not in deployed
        assert page(it, "/dashboard/source/readme").status_code == 200


def test_the_switch_makes_a_session_and_ends_it(rehearsed: Running) -> None:
    viewer = rehearsed.user("viewer")
    response = switch(rehearsed, viewer.guid)
    assert (response.status_code, leads_to(response)) == (303, "/dashboard/")
    cookie = response.headers["Set-Cookie"]
    assert f"rehearsal-session={viewer.session}; HttpOnly; Path=/; SameSite=lax" in cookie
    assert 'rehearsal-session=""' in switch(rehearsed, "").headers["Set-Cookie"]


@pytest.mark.parametrize("beside", ['prefs={"a":1}', "broken", "a=b=c", 'x="'])
def test_a_session_is_found_beside_whatever_cookies_other_apps_have_set(
    rehearsed: Running, beside: str
) -> None:
    """Cookies of every app at 127.0.0.1 come along, whatever its port."""
    session = f"rehearsal-session={rehearsed.user('viewer').session}"
    response = httpx.get(f"{rehearsed.url}/dashboard/", headers={"Cookie": f"{beside}; {session}"})
    assert "You look at the apps as <strong>José" in response.text


def test_an_encoded_slash_leads_no_link_astray(rehearsed: Running) -> None:
    assert (
        '"../../dashboard/rehearsal.css"'
        in page(rehearsed, "/dashboard/source/..%2fpyproject").text
    )


def test_a_form_that_is_too_long_is_refused(rehearsed: Running) -> None:
    assert switch(rehearsed, "x" * 5000).status_code == 413


def test_a_name_that_was_made_to_lead_here_cannot_switch_the_user(rehearsed: Running) -> None:
    """DNS rebinding: the page's origin and the requested host are the same, and not ours."""
    headers = {"Origin": "http://evil.example", "Host": "evil.example"}
    data = {"guid": rehearsed.user("publisher").guid}
    response = httpx.post(f"{rehearsed.url}/dashboard/user", data=data, headers=headers)
    assert response.status_code == 421
    assert "set-cookie" not in response.headers


def test_behind_a_proxy_that_hides_its_host_the_browser_says_whose_form_it_is(
    rehearsed: Running,
) -> None:
    data = {"guid": rehearsed.user("publisher").guid}
    headers = {"Origin": "https://workbench.example"}
    for site, status in (("same-origin", 303), ("same-site", 403), ("cross-site", 403)):
        response = httpx.post(
            f"{rehearsed.url}/dashboard/user", data=data, headers=headers | {"Sec-Fetch-Site": site}
        )
        assert response.status_code == status


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_no_other_site_can_switch_the_user(rehearsed: Running, origin: str) -> None:
    response = switch(rehearsed, rehearsed.user("publisher").guid, origin)
    assert response.status_code == 403
    assert "Set-Cookie" not in response.headers


def test_there_is_no_source_but_the_apps_own(rehearsed: Running) -> None:
    for path in ("nothing", "..%2fpyproject", ""):
        url = f"{rehearsed.url}/dashboard/source/{path}"
        response = httpx.get(url, follow_redirects=True)
        assert response.status_code == 404


def test_people_who_see_otherwise_can_use_it(rehearsed: Running, guid: str) -> None:
    user = rehearsed.user("publisher")
    cookie = {"name": "rehearsal-session", "value": user.session, "url": rehearsed.url}
    with sync_playwright() as playwright:
        browser = chromium.launch_for_test(playwright)
        for scheme, width in (("light", 390), ("dark", 1280)):
            context = browser.new_context(
                color_scheme=scheme,  # type: ignore[arg-type]
                viewport={"width": width, "height": 900},
            )
            context.add_cookies([cookie])  # type: ignore[list-item]
            shown = context.new_page()
            for path in (
                "/dashboard/",
                "/dashboard/profile",
                f"/dashboard/{guid}",
                f"/dashboard/{guid}/logs",
                "/none",
            ):
                shown.goto(rehearsed.url + path)
                assert violations(shown) == set(), path
                assert shown.evaluate("document.documentElement.scrollWidth") <= width, path
        browser.close()

"""A person's walk in headless Chromium: from the dashboard into each app, deployed by the real rsconnect."""

import asyncio
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from rehearsal.frameworks import ROOT, Framework, find_frameworks
from tests import chromium
from tests.rehearsal.running import Running, running
from tests.rehearsal.through_proxy import deploy_all

FRAMEWORKS = find_frameworks()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("walk")) as it:
        asyncio.run(deploy_all(it))
        yield it


@pytest.fixture(scope="module")
def browser(deployed: Running) -> Iterator[Browser]:
    """Begun when all is deployed: Playwright keeps an event loop, beside which there can be no other."""
    with sync_playwright() as playwright:
        browser = chromium.launch_for_test(playwright)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, deployed: Running) -> Iterator[Page]:
    """A page that fails the test when it logs an error, or asks another host for anything."""
    context = browser.new_context()
    page = context.new_page()
    wrong: list[str] = []
    page.on(
        "console", lambda message: wrong.append(message.text) if message.type == "error" else None
    )
    page.on("request", lambda r: None if own(r.url, deployed.url) else wrong.append(r.url))
    yield page
    context.close()
    assert wrong == []


def own(url: str, origin: str) -> bool:
    return url.startswith((origin + "/", "data:"))


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.name)
def test_the_dashboard_leads_into_the_app_and_through_it(
    page: Page, deployed: Running, framework: Framework
) -> None:
    mount = f"{deployed.url}/{framework.name}"
    page.goto(deployed.url)
    page.get_by_role("heading", name=framework.title, exact=True).get_by_role("link").click()
    expect(page).to_have_url(f"{mount}/")
    page.get_by_role("link", name=re.compile("about", re.IGNORECASE)).first.click()
    expect(page).to_have_url(f"{mount}/about")
    expect(page.locator("body")).to_contain_text("Welcome to the about page")
    page.get_by_role("link", name=re.compile("home|back", re.IGNORECASE)).first.click()
    expect(page).to_have_url(f"{mount}/")
    page.get_by_role("link", name=re.compile("docs", re.IGNORECASE)).first.click()
    expect(page).to_have_url(f"{mount}/docs")
    operation = page.locator(".opblock", has_text="/greetings/{lang}").first
    operation.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_placeholder("lang").fill("es")
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".request-url")).to_contain_text(f"{mount}/greetings/es")
    expect(operation.locator(".live-responses-table .response-col_status").last).to_contain_text(
        "200"
    )


def test_the_user_switch_is_what_the_apps_see(page: Page, deployed: Running) -> None:
    user = deployed.user("viewer")
    page.goto(deployed.url)
    page.get_by_role("button", name=user.username).click()
    expect(page.locator(".who strong")).to_have_text(user.username)
    for framework in FRAMEWORKS:
        page.goto(f"{deployed.url}/{framework.name}/hello")
        expect(page.locator("body")).to_contain_text(f"So nice to see you, {user.username}!")
    page.goto(deployed.url)
    page.get_by_role("button", name="anonymous visitor").click()
    page.goto(f"{deployed.url}/{FRAMEWORKS[0].name}/hello")
    expect(page.locator("body")).to_contain_text("Howdy stranger!")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_dashboard_fits_a_phone_and_a_desk(
    page: Page, deployed: Running, width: int, scheme: str
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(deployed.url)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    page.screenshot(path=ROOT / "build" / f"dashboard-{width}-{scheme}.png", full_page=True)

"""README's first command, as a newcomer types it: in a fresh clone, with an empty home and nothing
set.
"""

import json
import shutil
import signal
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, Page, expect

from rehearsal.proxy.upstream import Upstream
from tests.front_door.checkout import PORT, STOP_SECONDS, Checkout, Run, is_taken
from tests.gateway import gateway
from tests.nginx import nginx
from tests.serving import serving
from tooling.frameworks import ROOT, Framework, find_frameworks

NAMES = [framework.name for framework in find_frameworks()]
URL = f"http://127.0.0.1:{PORT}/"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    if is_taken(PORT):
        pytest.fail(f"Something listens on port {PORT}: stop it, `make run` needs that port.")
    return Checkout(ROOT, tmp_path_factory.mktemp("front-door"))


@pytest.fixture(scope="module")
def make_run(checkout: Checkout) -> str:
    command = checkout.commands()[0]
    assert command == "make run"
    return command


@pytest.fixture
def start(checkout: Checkout, make_run: str) -> Iterator[Run]:
    """One warm start; the test stops it."""
    run = checkout.start(make_run)
    yield run
    run.kill()


def stop(run: Run, number: signal.Signals, checkout: Checkout) -> None:
    """Sends a signal to the group, as a terminal does, and looks at what is left."""
    run.send(number)
    run.wait(STOP_SECONDS)
    assert "Traceback" not in str(run), run
    assert checkout.left() == []


def own(url: str) -> bool:
    return url.startswith((URL, "data:"))


PREFIX = "/s/0c5f/p/7e1a"
Proxy = Callable[[Path], AbstractContextManager[str]]
"""Stands in front of `make run` and takes a prefix off; gives the address of its landing page."""


@contextmanager
def through_gateway(_: Path) -> Iterator[str]:
    route = Upstream(PREFIX, PORT, base_url=False, forwarded=False, external_host=False)
    with serving(gateway(route)) as url:
        yield f"{url}{PREFIX}/"


NGINX = f"""
location {PREFIX}/ {{
    proxy_pass http://127.0.0.1:{PORT}/;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $http_connection;
}}
"""


@contextmanager
def through_nginx(folder: Path) -> Iterator[str]:
    with nginx(folder, NGINX) as url:
        yield f"{url}{PREFIX}/"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """In a profile of its own: nobody is signed in."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture(scope="class")
def cold(checkout: Checkout, make_run: str) -> Iterator[Run]:
    run = checkout.start(make_run)
    try:
        yield run
        stop(run, signal.SIGINT, checkout)
    finally:
        run.kill()


class TestColdStart:
    """Everything is downloaded and installed; then the pages are looked at."""

    def test_it_prints_its_address_when_it_is_ready(self, cold: Run) -> None:
        assert cold.wait_for("Ready:").startswith(f"Ready: {URL} ")

    def test_every_link_of_the_landing_page_leads_somewhere(self, cold: Run, page: Page) -> None:
        page.goto(URL)
        found = page.locator("a[href]").evaluate_all("all => all.map(a => a.getAttribute('href'))")
        links = {urljoin(URL, link).partition("#")[0] for link in found}
        assert {f"{URL}{name}/" for name in NAMES} <= links
        for link in sorted(links):
            assert link.startswith(URL), f"{link} leads to another host"
            answer = page.goto(link)
            assert answer is not None
            assert answer.status == 200, link

    @pytest.mark.parametrize("framework", find_frameworks(), ids=lambda framework: framework.name)
    def test_a_visitor_walks_into_each_app_and_through_it(
        self, cold: Run, page: Page, framework: Framework
    ) -> None:
        mount = f"{URL}{framework.name}"
        wrong: list[str] = []
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: None if own(r.url) else wrong.append(r.url))
        page.goto(URL)
        page.get_by_role("link", name=f"Try {framework.title}", exact=True).click()
        expect(page).to_have_url(f"{mount}/")
        expect(page.get_by_role("heading", level=1)).to_contain_text(framework.title)
        page.get_by_role("link", name="About", exact=True).click()
        expect(page.locator("body")).to_contain_text("Welcome to the about page")
        page.get_by_role("link", name="Home", exact=True).click()
        page.get_by_role("link", name="Docs", exact=True).click()
        expect(page).to_have_url(f"{mount}/docs")
        operation = page.locator(".opblock", has_text="/greetings/{lang}").first
        operation.click()
        operation.get_by_role("button", name="Try it out").click()
        operation.get_by_placeholder("lang").fill("es")
        operation.get_by_role("button", name="Execute").click()
        expect(operation.locator(".request-url")).to_contain_text(f"{mount}/greetings/es")
        page.get_by_role("link", name="All applications").click()
        expect(page).to_have_url(URL)
        page.get_by_role("link", name="Dashboard", exact=True).click()
        page.get_by_role("button", name="(viewer)").click()
        viewer = page.locator(".who strong").inner_text()
        page.goto(f"{mount}/hello")
        expect(page.locator("body")).to_contain_text(f"So nice to see you, {viewer}!")
        assert wrong == []

    @pytest.mark.parametrize("name", NAMES)
    def test_each_app_greets_and_its_page_has_its_stylesheet(
        self, cold: Run, page: Page, name: str
    ) -> None:
        with urllib.request.urlopen(f"{URL}{name}/greetings/en") as answer:
            assert json.load(answer) == {"lang": "en", "text": "Hello"}
        page.goto(f"{URL}{name}/")
        rules = "[...document.styleSheets].map(sheet => sheet.cssRules.length)"
        sizes = page.evaluate(rules)
        assert sizes
        assert all(sizes)

    @pytest.mark.parametrize("proxy", [through_gateway, through_nginx], ids=["gateway", "nginx"])
    def test_behind_a_proxy_that_takes_a_prefix_off_everything_stays_under_it(
        self, cold: Run, page: Page, proxy: Proxy, tmp_path: Path
    ) -> None:
        """Posit Workbench and JupyterHub hand on a port so, without a header."""
        with proxy(tmp_path) as url:
            page.goto(f"{url}dashboard/")
            page.get_by_role("button", name="publisher (publisher)").click()
            assert page.url == f"{url}dashboard/"
            assert "publisher" in page.locator(".who strong").inner_text()
            for _ in NAMES:
                page.wait_for_selector(".greeting:not([hidden]):has-text('publisher')")
            pages = [
                url,
                f"{url}side-by-side.html",
                f"{url}dashboard/",
                *(f"{url}{name}/{path}" for name in NAMES for path in ("", "about", "docs")),
            ]
            for address in pages:
                page.goto(address)
                rules = page.evaluate("[...document.styleSheets].map(s => s.cssRules.length)")
                assert rules
                assert all(rules)
                found = page.locator("[href], [src], [action]").evaluate_all(
                    "all => all.map(e => e.href ?? e.src ?? e.action).filter(a =>"
                    " a.startsWith('http'))"
                )
                assert found
                for link in found:
                    assert link.startswith(url), f"{address} leads to {link}"

    def test_a_second_one_says_that_the_first_is_running_and_where(
        self, cold: Run, checkout: Checkout, make_run: str
    ) -> None:
        second = checkout.start(make_run)
        assert second.wait() != 0
        told = [line for line in second.lines if not line.startswith("make: ***")]
        assert len(told) == 1
        assert f"A rehearsal runs here already: {URL.rstrip('/')}" in told[0]

    def test_nothing_that_is_printed_looks_like_a_crash(self, cold: Run) -> None:
        for sign in ("Traceback", "ERROR", "without completing handshake"):
            assert sign not in str(cold)


def test_a_warm_start_needs_no_network_and_installs_nothing(
    checkout: Checkout, make_run: str
) -> None:
    run = checkout.start(make_run, UV_OFFLINE="1")
    try:
        run.wait_for("Ready:")
        for step in ("Creating .venv", "Installing what is listed in", "Prepared", "Installed"):
            assert step not in str(run)
        stop(run, signal.SIGTERM, checkout)
    finally:
        run.kill()


MOMENTS = {
    "making the environment": "Creating .venv",
    "installing": "Installing what is listed in",
    "deploying": "Deploying ",
    "launching": "launching it",
    "ready": "Ready:",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_leaves_nothing_behind(checkout: Checkout, start: Run, moment: str) -> None:
    start.wait_for(MOMENTS[moment])
    stop(start, signal.SIGINT, checkout)


@pytest.fixture(autouse=True)
def without_environment(request: pytest.FixtureRequest) -> None:
    """Before the first two moments there is no environment, and downloads are there already."""
    if request.node.name.endswith(("[making the environment]", "[installing]")):
        checkout: Checkout = request.getfixturevalue("checkout")
        shutil.rmtree(checkout.folder / ".venv", ignore_errors=True)


def test_a_start_after_all_these_interruptions_works(checkout: Checkout, start: Run) -> None:
    start.wait_for("Ready:")
    stop(start, signal.SIGINT, checkout)

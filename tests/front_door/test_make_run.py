"""README's first command, as a newcomer types it: in a fresh clone, with an empty home and nothing set."""

import json
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
from playwright.sync_api import sync_playwright

from rehearsal.frameworks import ROOT, find_frameworks
from tests import chromium
from tests.front_door.checkout import PORT, STOP_SECONDS, Checkout, Run, is_taken

NAMES = [framework.name for framework in find_frameworks()]
URL = f"http://127.0.0.1:{PORT}/"
WARM_SECONDS = 20.0
"""What README promises of a start with everything installed, with room for a busy machine."""


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

    def test_every_link_of_the_landing_page_leads_somewhere(self, cold: Run) -> None:
        with sync_playwright() as playwright:
            browser = chromium.launch_for_test(playwright)
            page = browser.new_page()
            page.goto(URL)
            found = page.locator("a[href]").evaluate_all(
                "all => all.map(a => a.getAttribute('href'))"
            )
            links = {urljoin(URL, link).partition("#")[0] for link in found}
            assert {f"{URL}{name}/" for name in NAMES} <= links
            for link in sorted(links):
                assert link.startswith(URL), f"{link} leads to another host"
                answer = page.goto(link)
                assert answer is not None
                assert answer.status == 200, link
            browser.close()

    @pytest.mark.parametrize("name", NAMES)
    def test_each_app_greets_and_its_page_has_its_stylesheet(self, cold: Run, name: str) -> None:
        with urllib.request.urlopen(f"{URL}{name}/greetings/en") as answer:
            assert json.load(answer) == {"lang": "en", "text": "Hello"}
        with sync_playwright() as playwright:
            browser = chromium.launch_for_test(playwright)
            page = browser.new_page()
            page.goto(f"{URL}{name}/")
            rules = "[...document.styleSheets].map(sheet => sheet.cssRules.length)"
            sizes = page.evaluate(rules)
            assert sizes
            assert all(sizes)
            browser.close()

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


def test_a_warm_start_needs_neither_the_network_nor_long(checkout: Checkout, make_run: str) -> None:
    run = checkout.start(make_run, UV_OFFLINE="1")
    try:
        run.wait_for("Ready:")
        assert run.seconds < WARM_SECONDS
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

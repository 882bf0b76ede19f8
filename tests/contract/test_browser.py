"""PAGES-3, DOCS-1 and LIVE-2 in headless Chromium, under every kind of prefix."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from rehearsal.proxy.upstream import Upstream
from tests.contract.registry import PARTS
from tests.contract.report import Result, result
from tests.contract.servers import LOGS, variables_of
from tests.contract.subjects import PREFIXES, Subject
from tests.contract.vocabulary import Mount
from tests.gateway import gateway
from tests.servers import server_process
from tests.serving import serving
from tooling.frameworks import Framework, find_frameworks
from tooling.processes import AppProcess, ServerKind

PAGES = ("/", "/about", "/docs")


@dataclass(frozen=True)
class Way:
    """How the browser's request reaches an app: through a mount, on one kind of server."""

    mount: Mount
    server: ServerKind = "uvicorn"


WAYS = (
    Way(Mount("bare")),
    Way(Mount("content, stripped", PREFIXES["content"], root_path=True)),
    Way(
        Mount("content, included", PREFIXES["content"], root_path=True, client_sends_prefix=True),
        "hypercorn",
    ),
    Way(
        Mount(
            "bundle, header, included", PREFIXES["bundle"], base_url=True, client_sends_prefix=True
        )
    ),
    Way(Mount("vanity, header, stripped", PREFIXES["vanity"], base_url=True)),
)


Reach = Callable[[Framework, Way], str]


@pytest.fixture(scope="module")
def reach() -> Iterator[Reach]:
    """The URL of an app for a browser, without a final slash."""
    with ExitStack() as stack:
        processes: dict[tuple[str, str, str], AppProcess] = {}

        def reach(framework: Framework, way: Way) -> str:
            mount = way.mount
            root_path = mount.prefix if mount.root_path else ""
            key = (framework.name, way.server, root_path)
            if key not in processes:
                process = server_process(
                    framework.entrypoint,
                    server=way.server,
                    root_path=root_path,
                    variables=variables_of(trust=True),
                    log=LOGS / f"{framework.name}-browser-{len(processes)}.log",
                )
                processes[key] = stack.enter_context(process).wait_until_ready()
            process = processes[key]
            if not mount.prefix:
                return process.url
            route = Upstream(
                mount.prefix,
                process.port,
                strip_prefix=not mount.client_sends_prefix,
                base_url=mount.base_url,
            )
            return stack.enter_context(serving(gateway(route))) + mount.prefix

        yield reach
        for process in processes.values():
            process.terminate()


@dataclass
class Visit:
    """A page of the browser, with its requests and its error messages."""

    page: Page
    base: str
    requested: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Opens a page of the app. Fails if it is not answered 200."""
        response = self.page.goto(f"{self.base}{path}", wait_until="load")
        assert response is not None
        assert response.status == 200

    def check_requests(self) -> None:
        """Every request was for a URL of this app, was answered, and was allowed by its policy."""
        assert self.complaints == []
        for request in self.requested:
            assert request.url == self.base or request.url.startswith((f"{self.base}/", "data:"))
            response = request.response()
            # A server in front of the app adds the slash that the mount lacks.
            added = (307,) if request.url == self.base else ()
            assert response is None or response.status in (200, 304, *added)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    app = metafunc.config.getoption("--app")
    pairs = [(f, w) for f in find_frameworks() if app in (None, f.name) for w in WAYS]
    ids = [f"{framework.name}-{way.mount.id}" for framework, way in pairs]
    # The tests of one way share a page, and with it the cache of the browser.
    metafunc.parametrize(("framework", "way"), pairs, ids=ids, scope="module")


@pytest.fixture(scope="module")
def visit(framework: Framework, way: Way, browser: Browser, reach: Reach) -> Iterator[Visit]:
    context = browser.new_context()
    context.set_default_timeout(15_000)
    visit = Visit(context.new_page(), reach(framework, way))
    visit.page.on("request", lambda asked: visit.requested.append(asked))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on(
        "console",
        lambda m: visit.complaints.append(m.text) if m.type in ("error", "warning") else None,
    )
    yield visit
    context.close()


Pass = Callable[[], None]


@pytest.fixture
def passes(
    request: pytest.FixtureRequest, framework: Framework, way: Way, recorded: list[Result]
) -> Iterator[Pass]:
    """Adds the case to the report: passed if the returned function was called, else failed."""
    (case,) = request.node.get_closest_marker("case").args
    passed: list[bool] = []
    yield lambda: passed.append(True)
    found = result(
        PARTS[case], Subject(way.server, way.mount, framework), "pass" if passed else "fail"
    )
    found.server = f"{way.server}, browser"
    recorded.append(found)


ADDRESSES = """() => [
  ...[...document.querySelectorAll("a[href], link[href]")].map(element => element.href),
  ...[...document.querySelectorAll("script[src], img[src]")].map(element => element.src),
  ...[...document.querySelectorAll("form")].map(element => element.action),
]"""


@pytest.mark.case("PAGES-3")
def test_every_address_leads_to_the_app_under_its_prefix(
    visit: Visit, framework: Framework, way: Way, passes: Pass
) -> None:
    # Without the final slash of the mount only a path that includes the prefix can arrive.
    without_slash = ("",) if way.mount.client_sends_prefix else ()
    for path in (*PAGES, *without_slash):
        visit.open(path)
        for address in set(visit.page.evaluate(ADDRESSES)):
            assert address.startswith(f"{visit.base}/")
            assert visit.page.request.head(address).status == 200

    visit.open("/")
    visit.page.get_by_label("Your name").fill('مرحبا <b>"&')
    visit.page.get_by_role("button").click()
    expect(visit.page.locator("#welcome")).to_have_text('Welcome to the about page مرحبا <b>"&.')
    assert visit.page.url.startswith(f"{visit.base}/about?name=")
    visit.page.locator("#home").click()
    expect(visit.page.get_by_role("heading", level=1)).to_have_text(
        f"Greetings in {framework.title}"
    )
    assert visit.page.url == f"{visit.base}/"
    visit.check_requests()
    passes()


@pytest.mark.case("DOCS-1")
def test_the_documentation_works(visit: Visit, passes: Pass) -> None:
    visit.open("/docs")
    page = visit.page
    expect(page.locator("#swagger-ui .version-stamp").first).to_contain_text("OAS 3.1")
    assert re.match(r"5\.", page.evaluate("() => versions.swaggerUI.version"))

    page.locator('[data-path="/greetings/{lang}"]').click()
    operation = page.locator(".opblock.is-open")
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_placeholder("lang").fill("zh")
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer.locator(".response-col_description code").first).to_contain_text("你好")
    assert f"{visit.base}/greetings/zh" in [request.url for request in visit.requested]
    visit.check_requests()
    passes()


@pytest.mark.case("LIVE-2")
def test_the_index_shows_the_live_greeting(visit: Visit, passes: Pass) -> None:
    opened: list[str] = []
    visit.page.on("websocket", lambda websocket: opened.append(websocket.url))
    visit.open("/")
    greeting = visit.page.locator("#live output")
    expect(greeting).to_have_text("Hello, stranger!")
    visit.page.get_by_label("Live, over a websocket, in").select_option("zh")
    expect(greeting).to_have_text("你好, stranger!")
    assert opened == [f"{visit.base.replace('http', 'ws', 1)}/live"]
    visit.check_requests()
    passes()

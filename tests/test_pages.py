"""The pages of the apps as different people see them: in two colour schemes, on a phone, with a
long name.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.axe import violations
from tests.contract.servers import LOGS, variables_of
from tests.servers import server_process
from tooling.frameworks import Framework, find_frameworks
from tooling.postgresql import Cluster

FRAMEWORKS = find_frameworks()
LONG_NAME = "W" * 100

Serve = Callable[[Framework], str]


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """The address of an app, without a final slash."""
    with ExitStack() as stack:
        urls: dict[str, str] = {}

        def serve(framework: Framework) -> str:
            if framework.name not in urls:
                log = LOGS / f"{framework.name}-pages.log"
                process = server_process(
                    framework.entrypoint, variables=variables_of(trust=False), log=log
                )
                urls[framework.name] = stack.enter_context(process).wait_until_ready().url
            return urls[framework.name]

        yield serve


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(15_000)
    yield page
    page.close()


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    if url.endswith("/docs"):
        page.wait_for_selector(".opblock")


# Not what Swagger UI does wrong of its own accord: that stays when our stylesheet is taken away.
WITHOUT_OURS = """() => { for (const sheet of document.styleSheets)
  if (!sheet.href.includes('swagger-ui')) sheet.disabled = true }"""


# The pages are the same templates everywhere, but for what Swagger UI makes of each app's document.
PAGES = [
    (FRAMEWORKS[0], "/"),
    (FRAMEWORKS[0], f"/about?name={LONG_NAME}"),
    *((framework, "/docs") for framework in FRAMEWORKS),
]
each_page = pytest.mark.parametrize(
    ("framework", "path"), PAGES, ids=[f"{framework.name}{path[:6]}" for framework, path in PAGES]
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@each_page
def test_axe_finds_nothing_of_ours(
    page: Page, serve: Serve, framework: Framework, path: str, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 1280, "height": 900})
    open_page(page, serve(framework) + path)
    assert violations(page, {"exclude": ["#swagger-ui"]}) == set()
    if path == "/docs":
        found = violations(page, {"include": ["#swagger-ui"]})
        page.evaluate(WITHOUT_OURS)
        assert found <= violations(page, {"include": ["#swagger-ui"]})


@each_page
def test_nothing_is_wider_than_a_phone(
    page: Page, serve: Serve, framework: Framework, path: str
) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    open_page(page, serve(framework) + path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


CONTRASTS = """() => {
  const light = (text) => {
    const [r, g, b] = text.match(/[0-9.]+/g).map((value) => value / 255)
      .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  return [...document.querySelectorAll("input, select")].map((field) => {
    const border = light(getComputedStyle(field).borderTopColor);
    return (Math.max(border, ground) + 0.05) / (Math.min(border, ground) + 0.05);
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_borders_of_fields_can_be_seen(page: Page, serve: Serve, scheme: str) -> None:
    """WCAG 2.2, 1.4.11: a contrast of 3:1, of which axe knows nothing."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(serve(FRAMEWORKS[0]))
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ("rgba(0, 0, 0, 0)")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) == 2
    assert min(contrasts) >= 3


def test_languages_are_named(page: Page, serve: Serve) -> None:
    page.goto(serve(FRAMEWORKS[0]))
    expect(page.locator("#lang option")).to_have_count(7)
    assert "Cherokee" in page.locator("#lang option").all_inner_texts()


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.name)
def test_the_live_greeting_comes_back_with_the_database(page: Page, framework: Framework) -> None:
    with Cluster() as cluster:
        database = cluster.create_database("live")
        database.prepare()
        environment = variables_of(trust=False, database=database)
        log = LOGS / f"{framework.name}-live.log"
        with server_process(framework.entrypoint, variables=environment, log=log) as process:
            page.goto(process.wait_until_ready().url)
            greeting = page.locator("#live output")
            expect(greeting).to_have_text("Hello, stranger!")
            cluster.stop()
            page.get_by_label("Live, over a websocket, in").select_option("zh")
            expect(greeting).to_contain_text("cannot be had just now")
            cluster.start()
            # It asks again at longer and longer intervals, of ten seconds at most.
            expect(greeting).to_have_text("你好, stranger!", timeout=20_000)

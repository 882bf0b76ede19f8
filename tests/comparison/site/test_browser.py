"""The site in Chromium: from every place where it may stand, for everybody, and what it answers."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urldefrag

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from comparison.site.applications import HEADINGS, Application, slug
from comparison.site.build import build
from comparison.site.model import RESULTS, Site
from tests.axe import violations
from tests.comparison.site.bench_results import NEAR, document, fastest
from tests.serving import serving
from tooling.frameworks import find_frameworks

APPLICATIONS = [Application(framework) for framework in find_frameworks()]
NAMES = [application.name for application in APPLICATIONS]
PREFIXES = ("/", "/content/6f1c2b9e-0000-4000-8000-000000000000/", "/content/6f1c2b9e/_bundle7/")
WIDTHS = {"a telephone": 320, "at 200 % zoom": 640, "a desktop": 1280}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, made from the committed results and, where none are recorded, invented figures."""
    results = tmp_path_factory.mktemp("results")
    shutil.copytree(RESULTS, results, dirs_exist_ok=True)
    (results / "bench.json").write_text(json.dumps(document()), encoding="utf-8")
    folder = tmp_path_factory.mktemp("made") / "site"
    build(Site(results=results), folder)
    return folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A server with the site under every prefix."""
    files = StaticFiles(directory=folder, html=True)
    # The longest first, because a mount at / takes everything.
    routes = [Mount(prefix.rstrip("/"), files) for prefix in sorted(PREFIXES, key=len)[::-1]]
    with serving(Starlette(routes=routes)) as url:
        yield url


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def visible_columns(page: Page) -> list[str]:
    """The columns of the first section that are shown."""
    columns = page.locator(".columns").first.locator("[data-column]:visible")
    found: list[str] = columns.evaluate_all("all => all.map(each => each.dataset.column)")
    return found


# --- Wherever it stands


@pytest.mark.parametrize("place", [*PREFIXES, "file"])
def test_every_link_leads_to_a_page_that_loads_whole(
    place: str, url: str, folder: Path, page: Page
) -> None:
    root = f"{folder.as_uri()}/" if place == "file" else f"{url}{place}"
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    # Chromium gives up loading the icon when it goes to the next page.
    page.on(
        "requestfailed",
        lambda request: (
            None if request.url.endswith("icon.svg") else wrong.append(f"failed: {request.url}")
        ),
    )
    page.on(
        "request",
        lambda request: None if request.url.startswith(root) else wrong.append(request.url),
    )
    entered = f"{root}index.html" if place == "file" else root
    seen, waiting = {entered}, [entered]
    while waiting:
        answer = page.goto(waiting.pop(), wait_until="load")
        assert answer is None or answer.ok, page.url
        assert page.evaluate("[...document.styleSheets].every(sheet => sheet.href)")
        assert page.evaluate("getComputedStyle(document.querySelector('.bar')).display") == "flex"
        links = page.evaluate("[...document.links].map(link => [link.href, link.download])")
        for href, download in links:
            target = urldefrag(href)[0].partition("?")[0]
            assert target.startswith(root), (page.url, href)
            if target not in seen and not download and not target.endswith((".json", ".gz")):
                seen.add(target)
                waiting.append(target)
    assert wrong == []
    reached = {address.removeprefix(root) for address in seen}
    pages = {file.relative_to(folder).as_posix() for file in folder.rglob("*.html")}
    assert reached - {""} == pages


# --- For everybody

EACH_TEMPLATE = (
    "index.html",
    "side-by-side.html",
    "pairs.html",
    f"{NAMES[0]}-vs-{NAMES[1]}.html",
    "figures.html",
    "figures-capacity.html",
    "deploy.html",
    "sources.html",
    f"src/{NAMES[0]}_app/pyproject.toml.html",
)


REPEATED = [".row:nth-of-type(n+3)", ".diff:nth-of-type(n+3)", ".code span:nth-child(n+80)"]
"""What is like the parts before it; with it, axe takes minutes."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme: str, url: str, browser: Browser) -> None:
    width = WIDTHS["a desktop" if scheme == "light" else "a telephone"]
    context = browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 900},
    )
    page = context.new_page()
    for address in EACH_TEMPLATE:
        page.goto(f"{url}/{address}")
        assert violations(page, {"exclude": REPEATED}) == set(), address
    context.close()


def test_no_page_is_wider_than_its_window(url: str, folder: Path, browser: Browser) -> None:
    every = [*(file.name for file in sorted(folder.glob("*.html"))), EACH_TEMPLATE[-1]]
    for name, width in WIDTHS.items():
        context = browser.new_context(viewport={"width": width, "height": 900})
        page = context.new_page()
        for address in every if name == "a telephone" else EACH_TEMPLATE:
            page.goto(f"{url}/{address}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (address, name)
        context.close()


def test_no_part_of_a_chart_is_outside_its_page(url: str, folder: Path, page: Page) -> None:
    for name, width in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 900})
        for file in sorted(folder.glob("figures-*.html")):
            page.goto(f"{url}/{file.name}")
            outside = page.evaluate(
                """[...document.querySelectorAll(".chart *")].filter(each => {
                const at = each.getBoundingClientRect();
                return at.left < 0 || at.right > document.documentElement.clientWidth
                || at.right > each.closest("section").getBoundingClientRect().right; }).length"""
            )
            assert outside == 0, (file.name, name)


def test_what_scrolls_sideways_can_be_reached_with_the_keyboard(
    url: str, folder: Path, browser: Browser
) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 700})
    page = context.new_page()
    for file in sorted(folder.glob("*.html")):
        page.goto(f"{url}/{file.name}")
        unreachable = page.evaluate(
            """[...document.querySelectorAll("main *")].filter(each =>
            ["auto", "scroll"].includes(getComputedStyle(each).overflowX)
            && each.scrollWidth > each.clientWidth && each.tabIndex < 0).length"""
        )
        assert unreachable == 0, file.name
    context.close()


def test_without_javascript_all_columns_show_and_the_checkboxes_work(
    url: str, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{url}/side-by-side.html?with={NAMES[0]},{NAMES[1]}#live")
    for name in NAMES:
        expect(page.locator(f"[data-column={name}]").first).to_be_visible()
    page.locator(f"#with-{NAMES[0]}").uncheck()
    expect(page.locator(f"[data-column={NAMES[0]}]").first).to_be_hidden()
    expect(page.locator(f"[data-column={NAMES[1]}]").first).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
    page.goto(f"{url}/index.html")
    expect(page.get_by_role("row").filter(has_text="Lines of the application")).to_be_visible()
    context.close()


def test_printed_every_column_and_no_control_is_on_paper(url: str, page: Page) -> None:
    page.goto(f"{url}/side-by-side.html")
    page.emulate_media(media="print")
    assert visible_columns(page) == NAMES
    expect(page.locator(".switch")).to_be_hidden()
    expect(page.get_by_role("navigation").first).to_be_hidden()
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) <= 0


def test_the_keyboard_alone_chooses_columns(url: str, page: Page) -> None:
    page.goto(f"{url}/side-by-side.html")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    box = page.get_by_role("checkbox", name=APPLICATIONS[0].title)
    for _ in range(40):
        if box.evaluate("box => box === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(box).to_be_focused()
    outline = box.evaluate("box => getComputedStyle(box).outlineWidth")
    assert outline == "3px"
    page.keyboard.press("Space")
    assert visible_columns(page) == NAMES[1:]


# --- Side by side


def test_the_address_chooses_the_columns_and_the_section(url: str, page: Page) -> None:
    page.goto(f"{url}/side-by-side.html?with={NAMES[1]},{NAMES[2]}#greetings")
    assert visible_columns(page) == NAMES[1:3]
    expect(page.locator("#greetings")).to_be_in_viewport()
    page.reload()
    assert visible_columns(page) == NAMES[1:3]
    expect(page.locator("#greetings")).to_be_in_viewport()


def test_a_choice_is_in_the_address_and_back_undoes_it(url: str, page: Page) -> None:
    page.goto(f"{url}/side-by-side.html#live")
    page.get_by_role("checkbox", name=APPLICATIONS[0].title).uncheck()
    assert page.url == f"{url}/side-by-side.html?with={','.join(NAMES[1:])}#live"
    page.get_by_role("checkbox", name=APPLICATIONS[1].title).uncheck()
    assert visible_columns(page) == NAMES[2:]
    page.go_back()
    assert visible_columns(page) == NAMES[1:]
    page.get_by_role("link", name="Pairs", exact=True).click()
    page.go_back()
    assert visible_columns(page) == NAMES[1:]
    page.get_by_role("checkbox", name=APPLICATIONS[0].title).check()
    assert page.url == f"{url}/side-by-side.html#live"


def test_at_least_two_columns_stay(url: str, page: Page) -> None:
    page.goto(f"{url}/side-by-side.html?with={NAMES[0]},{NAMES[1]}")
    page.locator(f"#with-{NAMES[0]}").click()
    assert visible_columns(page) == NAMES[:2]
    expect(page.get_by_role("status")).to_have_text("At least 2 columns stay.")


@pytest.mark.parametrize("query", ["?with=", "?with=flask,<b>", "?with=quart", "?other=1"])
def test_an_address_that_names_fewer_than_two_shows_all(url: str, page: Page, query: str) -> None:
    page.goto(f"{url}/side-by-side.html{query}")
    assert visible_columns(page) == NAMES


def test_a_section_is_copied_without_its_line_numbers(
    url: str, context: BrowserContext, page: Page
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
    page.goto(f"{url}/side-by-side.html")
    application = APPLICATIONS[1]
    section = application.section("Greetings")
    page.get_by_role("button", name=f"Copy Greetings in {application.title}").click()
    expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "\n".join([*section.lines, ""])
    selected = page.evaluate(
        """name => { const code = document.querySelector(`[aria-labelledby=greetings]
        [data-column=${name}] pre`); getSelection().selectAllChildren(code);
        return getSelection().toString(); }""",
        application.name,
    )
    kept = [line for line in selected.splitlines() if line.strip()]
    assert kept == [line for line in section.lines if line.strip()]


def test_each_section_leads_to_its_line_in_the_source(url: str, page: Page) -> None:
    for application in APPLICATIONS:
        section = application.section("Live")
        page.goto(f"{url}/side-by-side.html#live")
        column = page.locator(f"[aria-labelledby=live] [data-column={application.name}]")
        column.get_by_role("link", name=f"lines, from {section.first}").click()
        line = page.locator(f"#L{section.first}")
        expect(line).to_be_in_viewport()
        assert line.inner_text().rstrip("\n") == section.lines[0]


def test_the_contracts_sentences_stand_beside_the_section(url: str, page: Page) -> None:
    page.goto(f"{url}/side-by-side.html")
    for heading in HEADINGS:
        section = page.locator(f"[aria-labelledby={slug(heading)}]")
        expect(section.get_by_text("What it must do")).to_be_visible()
        assert section.locator(".must li").count() >= 1


# --- The questions of those who choose


def row(page: Page, title: str) -> dict[str, str]:
    """A row of the decision table, by framework."""
    cells = page.locator(".decision tr", has=page.get_by_role("rowheader", name=title)).first
    texts = cells.get_by_role("cell").all_inner_texts()
    return dict(zip(NAMES, texts, strict=True))


@pytest.fixture
def front(url: str, page: Page) -> Page:
    page.goto(f"{url}/")
    return page


def answer(front: Page, question: str) -> str:
    """Follows a question of the front page to its evidence, and returns its short answer."""
    link = front.locator(".questions dt", has_text=question)
    told: str = link.locator("+ dd").inner_text()
    link.get_by_role("link").click()
    evidence = front.url.rpartition("#")[2]
    expect(front.locator(f'[id="{evidence}"]')).to_be_in_viewport()
    return told


def test_which_needs_least_code(front: Page) -> None:
    counted = {name: int(text) for name, text in row(front, "Lines of the application").items()}
    assert counted == {application.name: application.size for application in APPLICATIONS}
    least = min(APPLICATIONS, key=lambda application: application.size)
    advice = front.locator(".advice li", has_text=re.compile(rf"^{least.title} if"))
    expect(advice).to_contain_text(f"you want the least code ({least.size} lines)")
    assert answer(front, "Which needs the least code?").startswith(
        f"{least.title} {least.size} lines"
    )
    advice.get_by_role("link", name="least code").click()
    expect(front.get_by_role("heading", level=1)).to_have_text(least.path)


def test_which_is_fastest_by_how_much_and_whether_that_is_certain(front: Page) -> None:
    places = {name: text.splitlines() for name, text in row(front, "Requests per second").items()}
    title = next(each.title for each in APPLICATIONS if each.name == fastest())
    told = answer(front, "Which is the fastest, by how much, and is that certain?")
    assert re.fullmatch(
        rf"{title}: [\d,]+ requests/s, 1\.\d+ to 1\.\d+ times the next. That is decided.", told
    )
    assert places[fastest()][-1] == "place 1"
    assert places[fastest()][-2].endswith(" times the next")
    assert [name for name, lines in places.items() if "place 1" in lines] == [fastest()]
    assert len(row(front, "Processor time of a request")) == len(NAMES)
    for text in row(front, "Processor time of a request").values():
        assert text.endswith("undecided")
    advice = front.locator(".advice li", has_text=re.compile(rf"^{title} if"))
    advice.get_by_role("link", name="throughput counts").click()
    figure = front.locator("section.figure", has_text="/greetings requests/s")
    expect(figure.locator("svg.chart")).to_be_visible()
    shown = figure.get_by_role("row").filter(has_text=f"{title}, matched")
    expect(shown).to_contain_text(re.compile(r"\d\.\d\d \(\d\.\d\d to \d\.\d\d\)"))
    figure.get_by_text(re.compile(r"^\d+ differences are decided$")).click()
    expect(figure.get_by_text(re.compile(rf" times {title}, matched\.$")).first).to_be_visible()
    front.get_by_role("link", name="All figures").click()
    conclusions = front.locator("#conclusions + details")
    conclusions.locator("summary").click()
    expect(conclusions.get_by_text(f"{fastest()} matched").first).to_be_visible()
    assert NEAR not in conclusions.inner_text()


def test_which_ends_a_query_when_its_client_leaves(front: Page) -> None:
    told = row(front, "A client that leaves ends its query")
    for application in APPLICATIONS:
        reason = application.waivers.get("STORE-7")
        assert told[application.name].split("\n") == (["no", reason] if reason else ["yes"])
    ends = [each.title for each in APPLICATIONS if "STORE-7" not in each.waivers]
    assert answer(front, "Which ends a query when its client leaves?") == f"{' and '.join(ends)}."
    front.get_by_role("cell").filter(has_text=re.compile("^yes$")).get_by_role("link").first.click()
    expect(front.locator("main")).to_contain_text("STORE-7")


def test_what_happens_if_code_blocks(front: Page) -> None:
    told = answer(front, "What if my code blocks: pandas, requests, a model?")
    assert re.search(
        r"makes others wait [\d,]+ to [\d,]+ ms; in a thread, [\d.]+ to [\d.]+ ms", told
    )
    for name, text in row(front, "Code that blocks").items():
        assert "thread" in text, name


def test_how_each_does_websockets(front: Page) -> None:
    answer(front, "How does each do websockets?")
    assert front.url.endswith("/side-by-side.html#live")
    for name in NAMES:
        column = front.locator(f"[aria-labelledby=live] [data-column={name}]")
        expect(column.locator("pre")).to_contain_text("websocket")
        expect(column.locator("pre").first).to_be_in_viewport()


def test_what_an_upgrade_changed_last_year(front: Page) -> None:
    recorded = json.loads((RESULTS / "upgrades.json").read_text("utf-8"))
    assert recorded
    told = answer(front, "What did upgrades change in the last year?")
    total = sum(len(app["releases"]) for app in recorded["apps"].values())
    assert re.match(rf"(No case|Some cases) of .*; \d+ of {total} releases are tested\.", told)
    for application in APPLICATIONS:
        changes = front.locator(".changes > li", has_text=application.title)
        expect(changes.first).to_contain_text(re.compile(r"changed|after|Fewer than two releases"))


def test_what_one_types_to_deploy(front: Page) -> None:
    assert answer(front, "What do I type to deploy one?").startswith(
        "One command, such as make deploy-"
    )
    for name in NAMES:
        expect(front.get_by_text(f"make deploy-{name}", exact=True)).to_be_visible()

"""The pages of the contract and of the upgrades: what a reader finds, with and without scripts."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from comparison.site.assets import assets
from comparison.site.contract_result import answer_lines, read_cases, request_text
from comparison.site.model import Site
from comparison.site.pages import contract, upgrade
from comparison.site.rendering import Renderer
from tests.axe import violations

LIMIT = 300_000


@cache
def rendered() -> dict[str, str]:
    site = Site()
    pages = [*contract.pages(site), *upgrade.pages(site)]
    renderer = Renderer(site, pages)
    return {page.address: renderer.render(page) for page in pages}


@cache
def committed() -> Any:
    return Site().result("contract.json")


def test_no_page_is_larger_than_300_kilobytes() -> None:
    for address, text in rendered().items():
        assert len(text.encode()) < LIMIT, address


def test_every_case_of_every_app_leads_to_its_requests_and_answers() -> None:
    overview = rendered()["contract.html"]
    for case in committed()["cases"]:
        assert f'id="{case["id"]}"' in overview
        page = rendered()[f"contract/{case['id']}.html"]
        for app in committed()["apps"]:
            assert f'href="contract/{case["id"]}.html#{app}"' in overview
            assert f'<tr id="{app}"' in page


def test_a_waiver_stands_with_its_reason_in_both_pages() -> None:
    waived = [row for row in committed()["cells"] if row["outcome"] == "waived"]
    assert waived
    for row in waived:
        reason = row["reason"].replace('"', "&#34;").replace("'", "&#39;")
        assert reason in rendered()["contract.html"]
        assert reason in rendered()[f"contract/{row['case']}.html"]


def two_apps(one: str, other: str, *, server: str = "uvicorn") -> Any:
    """A result in which two apps answered one request."""
    cell = {"case": "A-1", "server": server, "store": "json", "outcome": "pass", "mounts": 1}
    return {
        "apps": {"x": {"title": "X"}, "y": {"title": "Y"}},
        "cases": [{"id": "A-1", "level": "MUST", "sentence": "It is.", "parts": ["main"]}],
        "cells": [{**cell, "app": "x"}, {**cell, "app": "y"}],
        "exchanges": [
            {
                "case": "A-1",
                "part": "main",
                "server": server,
                "store": "json",
                "request": "r",
                "answers": {"x": ["a"], "y": ["b" if one != other else "a"]},
            }
        ],
        "requests": {"r": {"method": "GET", "target": "/x", "mount": "bare"}},
        "answers": {
            "a": {"status": 200, "headers": [["server", "s"]], "body": one},
            "b": {"status": 200, "headers": [["server", "s"]], "body": other},
        },
    }


def test_only_lines_that_another_answer_lacks_are_marked() -> None:
    (case,) = read_cases(two_apps("same\none", "same\nother"))
    (exchange,) = case.parts[0].exchanges
    ((_, answers),) = exchange.answers
    marked = {line.text for each in answers for line in each.lines if line.differs}
    assert marked == {"one", "other"}
    assert exchange.differs


def test_equal_answers_are_shown_once_with_both_names() -> None:
    (case,) = read_cases(two_apps("same", "same"))
    (exchange,) = case.parts[0].exchanges
    ((_, (only,)),) = exchange.answers
    assert list(only.apps) == ["X", "Y"]
    assert not exchange.differs


def test_a_request_and_an_answer_are_written_as_they_were_sent() -> None:
    request = {
        "method": "GET",
        "target": "/live",
        "headers": [["Origin", "null"]],
        "mount": "content, included",
        "trust": False,
    }
    assert request_text(request) == (
        "GET /live; Origin: null; mount content, included; Connect's headers not trusted"
    )
    assert answer_lines(None) == ["not read: the client left"]
    assert answer_lines({"status": 101, "messages": [["sent", "{}"]]}) == ["101", "sent: {}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "contract").mkdir()
    for address, text in rendered().items():
        (folder / address).write_text(text, encoding="utf-8")
    for address, content in assets(Site()).items():
        (folder / address).write_bytes(content)
    return folder


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


def visible(page: Page) -> list[str | None]:
    rows = page.locator("[data-filtered]:visible")
    return [row.get_attribute("id") for row in rows.all()]


def test_the_filter_shows_the_rows_with_every_word_and_keeps_them_in_the_address(
    page: Page, folder: Path
) -> None:
    page.goto(f"file://{folder}/contract.html")
    everything = visible(page)
    assert everything == [case["id"] for case in committed()["cases"]]
    page.get_by_label("Filter").fill("live handshake")
    found = visible(page)
    assert found
    assert len(found) < len(everything)
    assert all(re.fullmatch(r"LIVE-\d+", f"{id}") for id in found)
    expect(page.get_by_role("status")).to_have_text(f"{len(found)} of {len(everything)}")
    assert page.url.endswith("?filter=live+handshake")
    page.reload()
    assert visible(page) == found
    page.get_by_label("Filter").fill("")
    assert page.url.endswith("/contract.html")


def test_without_scripts_every_case_shows_and_no_box(browser: Browser, folder: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"file://{folder}/contract.html?filter=LIVE")
        assert len(visible(page)) == len(committed()["cases"])
        assert not page.locator(".filter").is_visible()


def test_the_answers_open_and_close_with_the_keyboard(page: Page, folder: Path) -> None:
    page.goto(f"file://{folder}/contract/GREETINGS-1.html")
    answer = page.locator(".answer").first
    was = answer.is_visible()
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    expect(answer).to_be_visible(visible=not was)
    page.keyboard.press("Enter")
    expect(answer).to_be_visible(visible=was)


@pytest.mark.parametrize("address", ["contract.html", "contract/HTTP-4.html", "upgrade.html"])
def test_axe_finds_nothing(page: Page, folder: Path, address: str) -> None:
    page.goto(f"file://{folder}/{address}")
    assert violations(page) == set()


def test_a_page_is_not_wider_than_a_small_screen(page: Page, folder: Path) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    for address in (
        "contract.html",
        "contract/HTTP-4.html",
        "contract/PAGES-2.html",
        "upgrade.html",
    ):
        page.goto(f"file://{folder}/{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, address

"""Renders pages with Jinja. A name that a template does not know fails the build."""

import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from comparison.site.applications import slug
from comparison.site.contract_cases import Contract
from comparison.site.model import Page, Site

_MARKDOWN = MarkdownIt("commonmark", {"html": False})
_WHOLE = re.compile(r"\b(?:[A-Z]{4,}-\d+|\d{4}-\d\d-\d\d)\b")
"""Case IDs and dates, which are not divided at the end of a line."""
_CALL = re.compile(r"(<code>[^<]{12,})\(")
"""A long call, which may be divided before its arguments."""
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


def markdown(text: str) -> Markup:
    """Returns one paragraph of Markdown as HTML, without the paragraph's own element.

    Links keep their text only: their addresses are relative to the repository.
    """
    html = _MARKDOWN.renderInline(_LINK.sub(r"\1", text))
    html = _WHOLE.sub(r'<span class="whole">\g<0></span>', html)
    return Markup(_CALL.sub(r"\1(<wbr>", html))


_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def spelled(number: int) -> str:
    """Returns a small number as a word."""
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)


def indentation(line: str) -> int:
    """Returns the number of spaces at the beginning, at most 24, for which there are rules."""
    return min(len(line) - len(line.lstrip(" ")), 24) // 2 * 2


class Renderer:
    """Renders the pages of one site."""

    def __init__(self, site: Site, pages: Sequence[Page]) -> None:
        self._navigation = sorted(
            (page for page in pages if page.label), key=lambda page: page.position
        )
        self._environment = Environment(
            loader=FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        case_address = Contract.of(site).address
        self._environment.globals |= {"site": site, "case_address": case_address}
        self._environment.filters |= {
            "markdown": markdown,
            "indentation": indentation,
            "slug": slug,
            "spelled": spelled,
        }

    def render(self, page: Page) -> str:
        """Returns the HTML of a page."""
        return self._environment.get_template(page.template).render(
            page=page, root=page.root, navigation=self._navigation, **page.context
        )

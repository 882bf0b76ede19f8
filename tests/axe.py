"""What axe-core finds wrong with a page for people who see, hear or move differently."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# The whole of WCAG 2.2 AA that a program can check, and axe's own advice.
_AXE = Axe()


def violations(page: Page, context: dict[str, list[str]] | None = None) -> set[tuple[str, str]]:
    """The rule and the element, as a selector, of each violation.

    `context`: as axe has it, `{"include": [selector]}` or `{"exclude": [selector]}`.
    """
    found = _AXE.run(page, context).response["violations"]
    return {(each["id"], str(node["target"])) for each in found for node in each["nodes"]}

"""Writes the site: renders the pages, checks every link, and replaces the folder at once."""

import shutil
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from posixpath import dirname, join, normpath
from tempfile import mkdtemp
from urllib.parse import unquote, urlsplit

from comparison.site.assets import assets
from comparison.site.model import File, Page, Site
from comparison.site.pages import find_pages
from comparison.site.rendering import Renderer
from tooling.errors import UsageError


def build(site: Site, folder: Path) -> None:
    """Replaces `folder` by the site. Raises `UsageError`, and leaves the folder as it was."""
    files = render(site)
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        new.chmod(0o755)
        for address, content in files.items():
            file = new / address
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        if folder.exists():
            old = Path(mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
            folder.replace(old)
            shutil.rmtree(old)
        new.replace(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def render(site: Site) -> dict[str, bytes]:
    """Returns the content of every file by its address. Raises `UsageError`."""
    found = list(find_pages(site))
    pages = [each for each in found if isinstance(each, Page)]
    renderer = Renderer(site, pages)
    html = {page.address: renderer.render(page) for page in pages}
    others = assets(site) | {each.address: each.content for each in found if isinstance(each, File)}
    _check_links(html, others)
    return others | {address: text.encode() for address, text in html.items()}


class _Links(HTMLParser):
    """The anchors of a page, and the addresses that it leads to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        outside = "data-outside" in dict(attrs)
        for name, value in attrs:
            if name == "id" and value:
                if value in self.anchors:
                    raise UsageError(f"The anchor {value} occurs twice.")
                self.anchors.add(value)
            elif name in ("href", "src") and value is not None and not outside:
                self.targets.append(value)


def _check_links(html: dict[str, str], others: Iterable[str]) -> None:
    """Raises `UsageError` if a link between pages leads nowhere or is not relative."""
    known = {address: _parse(address, text) for address, text in html.items()}
    files = set(others)
    for address, links in known.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                raise UsageError(f"{address}: {target} leads out of the site.")
            path = normpath(join(dirname(address), unquote(parts.path))) if parts.path else address
            if path in files:
                continue
            if parts.path.startswith("/") or path not in known:
                raise UsageError(f"{address}: {target} leads nowhere.")
            if parts.fragment and unquote(parts.fragment) not in known[path].anchors:
                raise UsageError(f"{address}: {path} has no anchor {parts.fragment}.")


def _parse(address: str, text: str) -> _Links:
    try:
        return _Links(text)
    except UsageError as error:
        raise UsageError(f"{address}: {error}") from None

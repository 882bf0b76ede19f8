"""Writes the site: renders the pages, checks every link, and replaces the folder at once."""

import re
import shutil
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from posixpath import dirname, join, normpath
from tempfile import mkdtemp
from urllib.parse import unquote, urlsplit

from comparison.site.assets import assets
from comparison.site.model import File, Page, Site
from comparison.site.pages import find_pages
from comparison.site.rendering import Renderer
from deploy.contents import RECORD
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
            # Without its record, rsconnect would make new content at the next deployment.
            if (folder / RECORD).is_dir():
                shutil.copytree(folder / RECORD, new / RECORD)
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


@dataclass(frozen=True)
class _Links:
    """The anchors of a page, and the addresses that it leads to."""

    anchors: list[str]
    targets: list[str]


_TAG = re.compile(r"<[a-z][^<>]*>")
_ATTRIBUTE = re.compile(r' (id|href|src)="([^"]*)"')


def _links(html: str) -> _Links:
    """Finds links in HTML that Jinja wrote: in text, `<` is always escaped."""
    tags = [tag for tag in _TAG.findall(html) if "data-outside" not in tag]
    found = [attribute for tag in tags for attribute in _ATTRIBUTE.findall(tag)]
    return _Links(
        [value for name, value in found if name == "id"],
        [unescape(value) for name, value in found if name != "id"],
    )


def _check_links(html: dict[str, str], others: Collection[str]) -> None:
    """Raises `UsageError` if an anchor occurs twice, or a link leads nowhere or is not relative."""
    known = {address: _links(text) for address, text in html.items()}
    for address, links in known.items():
        for anchor, times in Counter(links.anchors).items():
            if times > 1:
                raise UsageError(f"{address}: the anchor {anchor} occurs {times} times.")
    anchors = {address: set(links.anchors) for address, links in known.items()}
    for address, links in known.items():
        for target in set(links.targets):
            if (why := _broken(address, target, anchors, others)) is not None:
                raise UsageError(f"{address}: {why}.")


def _broken(
    address: str, target: str, anchors: Mapping[str, set[str]], others: Collection[str]
) -> str | None:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or parts.path.startswith("/"):
        return f"{target} is not relative"
    path = normpath(join(dirname(address), unquote(parts.path))) if parts.path else address
    if path in others:
        return None
    if path not in anchors:
        return f"{target} leads nowhere"
    if parts.fragment and unquote(parts.fragment) not in anchors[path]:
        return f"{path} has no anchor {parts.fragment}"
    return None

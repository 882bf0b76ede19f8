"""The pages of the site. Every module of this package is found; there is no other list.

A module defines one function:

    def pages(site: Site) -> Iterable[Page | File]

It yields pages and other files, such as a result to download. A page has a template of
`comparison/site/templates/` and its values. A page with a `label` appears in the navigation, sorted
by `position`. Pages link to each other with relative addresses that begin with `{{ root }}`; the
build fails if a link leads nowhere, so that no address and no anchor is renamed by accident.

Anchors that other pages rely on: `contract.html#<case ID>`, `src/<path>.html#L<line>`,
`side-by-side.html#<section>`.
"""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from comparison.site.model import File, Page, Site


def find_pages(site: Site) -> Iterator[Page | File]:
    """Yields the pages and files of every module, in the order of the modules' names."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        yield from import_module(f"{__name__}.{module.name}").pages(site)

"""The pages of the site. Every module of this package is found; there is no other list.

A module defines one function:

    def pages(site: Site) -> Iterable[Page]

It yields pages, each with a template of `comparison/site/templates/` and its values. A page with a
`label` appears in the navigation, sorted by `position`. Pages link to each other with relative
addresses that begin with `{{ root }}`; the build fails if a link leads nowhere, so that an address
or an anchor cannot be renamed by accident.

Anchors that other pages rely on: `contract.html#<case ID>`, `src/<path>.html#L<line>`,
`side-by-side.html#<section>`.
"""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from comparison.site.model import Page, Site


def find_pages(site: Site) -> Iterator[Page]:
    """Yields the pages of every module, in the order of the modules' names."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        yield from import_module(f"{__name__}.{module.name}").pages(site)

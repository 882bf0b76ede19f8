"""The files beside the pages: scripts, the icon, and stylesheets with the colours of the apps."""

from pathlib import Path

from comparison.site.model import Site
from tooling.stylesheets import SHARED, tokens

_OWN = Path(__file__).with_name("static")


def assets(site: Site) -> dict[str, bytes]:
    """Returns the files by address."""
    files = {file.name: file.read_bytes() for file in sorted(_OWN.iterdir())}
    colours = tokens()
    columns = "".join(_column(application.name) for application in site.applications)
    return files | {
        "icon.svg": SHARED.with_name("icon.svg").read_bytes(),
        "site.css": colours.encode() + b"\n" + files["site.css"],
        "columns.css": columns.encode(),
    }


def _column(name: str) -> str:
    """Hides a framework's column while its checkbox is not checked."""
    return f"body:has(#with-{name}:not(:checked)) [data-column={name}] {{\n  display: none;\n}}\n"

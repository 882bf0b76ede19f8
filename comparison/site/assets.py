"""The files beside the pages: scripts, the icon, and stylesheets with the colours of the apps."""

from pathlib import Path

from comparison.site.model import Site
from tooling.errors import UsageError
from tooling.frameworks import ROOT

_SHARED = ROOT / "shared" / "static"
_OWN = Path(__file__).with_name("static")


def assets(site: Site) -> dict[str, bytes]:
    """Returns the files by address."""
    files = {file.name: file.read_bytes() for file in sorted(_OWN.iterdir())}
    colours = tokens(_SHARED / "styles.css")
    columns = "".join(_column(application.name) for application in site.applications)
    return files | {
        "icon.svg": (_SHARED / "icon.svg").read_bytes(),
        "site.css": colours.encode() + b"\n" + files["site.css"],
        "columns.css": columns.encode(),
    }


def tokens(stylesheet: Path) -> str:
    """Returns the first rule, `:root { ... }`, in which the custom properties are defined."""
    text = stylesheet.read_text(encoding="utf-8")
    rule, end, _ = text.partition("\n}\n")
    if not rule.startswith(":root {") or not end:
        raise UsageError(f"{stylesheet} does not begin with the rule of :root.")
    return rule + end


def _column(name: str) -> str:
    """Hides a framework's column while its checkbox is not checked."""
    return f"body:has(#with-{name}:not(:checked)) [data-column={name}] {{\n  display: none;\n}}\n"

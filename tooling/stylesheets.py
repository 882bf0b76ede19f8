"""The colours that the pages of the apps, the dashboard and the comparison site have in common."""

from pathlib import Path

from tooling.errors import UsageError
from tooling.frameworks import ROOT

SHARED = ROOT / "shared" / "static" / "styles.css"


def tokens(stylesheet: Path = SHARED) -> str:
    """Returns the first rule, `:root { ... }`, which defines the custom properties.

    Raises `UsageError` if the stylesheet begins with anything else.
    """
    rule, end, _ = stylesheet.read_text(encoding="utf-8").partition("\n}\n")
    if not rule.startswith(":root {") or not end:
        raise UsageError(f"{stylesheet} does not begin with the rule of :root.")
    return rule + end

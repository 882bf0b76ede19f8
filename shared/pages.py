"""Where the pages lie, and the headers that go with every HTML answer."""

from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"

# Everything from this origin and nothing inline; `data:` is for the icons in Swagger UI's stylesheet.
# There is no frame-ancestors and no X-Frame-Options on purpose: Connect shows content in a frame.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

DEFAULT_NAME = "Posit"
MAX_NAME = 100
"""Of the name on the about page, in characters."""

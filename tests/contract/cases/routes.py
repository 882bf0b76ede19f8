"""What the general cases request. The module of a resource adds its own addresses."""

READ_ONLY = ["/", "/about", "/hello", "/docs", "/openapi.json", "/static/styles.css"]
"""Answered 200 to GET and HEAD, and 405 to every other method."""

REFUSED = ["/nope"]
"""Answered with a problem."""

UNKNOWN = [
    "/nope",
    "/hello/",
    "/about/",
    "/docs/",
    "/openapi.json/",
    "/index.html",
    "/favicon.ico",
    "/static",
    "/.env",
    "/nope?name=x",
    "/caf%C3%A9",
    "/a%20b",
    "/redoc",
    "/docs/oauth2-redirect",
]
"""Answered 404."""

ENCODED = [
    ("/he%61lth", "/health"),
    ("/static/styles%2ecss", "/static/styles.css"),
    ("/about?%6eame=Ada", "/about?name=Ada"),
]
"""An address with an encoded letter, and the same without."""

ALIKE = ["/", "/about", "/docs", "/openapi.json", "/nope"]
"""Answered the same, byte for byte, when a hostile prefix is ignored."""

REVALIDATED = ["/health"]
"""May change at any time."""

LINKED = ["about", "docs"]
"""The links of the index page."""

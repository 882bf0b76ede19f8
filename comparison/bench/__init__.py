"""`make bench`: measures the applications of this repository against a bare ASGI application."""

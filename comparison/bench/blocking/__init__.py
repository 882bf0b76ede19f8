"""One small application for each framework, in which a request calls a blocking function.

Each module is named as the framework's folder without `_app`, and has the ASGI application `app`:

- `GET /quick` answers at once;
- `GET /blocking/mistake` calls `time.sleep` for `SECONDS` in a coroutine;
- `GET /blocking/recommended` calls it in the way that the framework's documentation recommends,
  which the module's docstring names.

Every answer is the last segment of the path, as text.
"""

SECONDS = 1.0
"""How long the function blocks."""

"""One small application for each framework, with the same route twice: checked, and not checked.

Each module is named as the framework's folder without `_app`, and has the ASGI application `app`:

- `GET /unchecked/<lang>?limit=<number>` takes what comes, and answers the first rows of `ROWS`;
- `GET /checked/<lang>?limit=<number>` answers the same. It refuses a `lang` that does not match
  `LANG`, and a `limit` out of 1 to `MOST`, and checks every row that it answers against a type.

FastAPI checks by itself. The other frameworks check at most single parameters; they use msgspec, as
this repository's applications do. Both routes encode with the framework's own JSON.
"""

LANG = r"^[a-z]{2,8}$"
MOST = 100
ROWS = [{"lang": f"x-{number}", "text": "Hello"} for number in range(MOST)]

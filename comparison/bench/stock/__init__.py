"""The small application as each framework's own documentation writes it, with nothing configured.

Each module is named as the framework's folder without `_app`, has the ASGI application `app`, and
imports nothing of ours: `GET /greetings`, `GET /greetings/<lang>` and `GET /hello`.
"""

"""The same answers as constant bytes, in the least that each framework needs to send them.

Each module is named as the framework's folder without `_app`, and has the ASGI application `app`,
without middleware, and `layered`, the same behind the layers of `shared/` that the matched
application has. The bytes are those of the control. The ratio of the matched application to `app`
is what it costs on top of its framework; `layered` shows how much of it `shared/` costs.
"""

"""The same answers as constant bytes, in the least that each framework needs to send them.

Each module is named as the framework's folder without `_app`, and has the ASGI application `app`,
without middleware. The bytes are those of the control. The ratio of the matched application to this
one is what the application costs on top of its framework.
"""

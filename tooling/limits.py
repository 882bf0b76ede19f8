"""What the servers of the applications must limit, because the applications cannot."""

MAX_MESSAGE_BYTES = 4 * 1024
"""`MAX_MESSAGE` in shared/live.py."""

WEBSOCKETS_VARIABLES = {"WEBSOCKETS_MAX_LINE_LENGTH": f"{64 * 1024}"}
"""Environment variables: the size limit, in bytes, of a line of a handshake under uvicorn.

After a longer line uvicorn answers nothing and keeps the connection. The default is 8 KiB, and
cookies may be longer: https://github.com/python-websockets/websockets/issues/1471.
"""

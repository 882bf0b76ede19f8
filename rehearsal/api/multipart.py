"""Reads `multipart/form-data` (RFC 7578) from a file without taking it into memory."""

import mmap
import re
from email.message import Message
from pathlib import Path


class MultipartError(ValueError):
    """The body is not what its Content-Type announces."""


def boundary_of(content_type: str) -> bytes | None:
    """The boundary, or `None` where the type is another one."""
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/form-data" or not boundary:
        return None
    return boundary.encode()


def parts(body: Path, boundary: bytes) -> dict[str, tuple[int, int]]:
    """Where in the file each named part's content begins and ends. Raises `MultipartError`."""
    found: dict[str, tuple[int, int]] = {}
    delimiter = b"\r\n--" + boundary
    with body.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[: len(delimiter) - 2] != delimiter[2:]:
            raise MultipartError
        position = len(delimiter) - 2
        while data[position : position + 2] == b"\r\n":
            head_end = data.find(b"\r\n\r\n", position)
            end = data.find(delimiter, head_end)
            if head_end < 0 or end < 0 or head_end - position > 8192:
                raise MultipartError
            name = re.search(rb'[;\s]name="([^"]*)"', data[position:head_end])
            if name is None:
                raise MultipartError
            found[name[1].decode("utf-8", "replace")] = (head_end + 4, end)
            position = end + len(delimiter)
        if data[position : position + 2] != b"--":
            raise MultipartError
    return found

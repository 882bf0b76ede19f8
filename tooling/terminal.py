"""Text from other programs, for a terminal."""

import re

# Control characters except tab and line feed: C0, delete, C1 (ECMA-48).
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Returns the text with control characters escaped, so that it cannot control a terminal."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)

"""Options that several commands have."""

import argparse
from collections.abc import Mapping


def port(text: str) -> int:
    """A number from 0 to 65535. Raises `ArgumentTypeError`."""
    if not (text.isascii() and text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"PORT must be a number from 0 to 65535, not {text!r}.")
    return int(text)


def port_of(environ: Mapping[str, str], default: int) -> int:
    """`PORT`, which hosts of development environments set; the default where that is no port."""
    try:
        return port(environ.get("PORT", ""))
    except argparse.ArgumentTypeError:
        return default

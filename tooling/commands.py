"""Common code of the command lines of this repository."""

import signal
import sys
from collections.abc import Callable, Mapping

from tooling.errors import UsageError, os_error_message


def exit_code(name: str, command: Callable[[], object]) -> int:
    """Runs the command. Returns 0, 1 after an error (printed as one line), or 130 after Ctrl-C."""
    try:
        command()
    except (UsageError, OSError) as error:
        message = os_error_message(error) if isinstance(error, OSError) else str(error)
        print(f"{name}: {message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def end_as_after_an_interrupt() -> None:
    """Makes SIGTERM, and SIGHUP of a terminal that is closed, clean up as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt


def port(text: str) -> int:
    """Parses a number from 0 to 65535. Raises `UsageError`."""
    if not (text.isascii() and text.isdecimal() and int(text) < 65536):
        raise UsageError(f"PORT must be a number from 0 to 65535, not {text!r}.")
    return int(text)


def port_of(environ: Mapping[str, str], default: str) -> str:
    """Returns `PORT`, which hosts of development environments set, or the default if not valid."""
    try:
        return f"{port(environ.get('PORT', ''))}"
    except UsageError:
        return default

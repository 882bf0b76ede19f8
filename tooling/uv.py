"""Calls uv with no configuration except that of the package index.

Building a distribution runs its author's code. A configuration file beside that distribution could
change what other content receives from the same cache. `python -m tooling.uv ...` calls uv in this
way.
"""

import os
import re
import sys
from pathlib import Path

from uv import find_uv_bin

from tooling.package_index import index_variables

# Not HOME, because the user's folder contains credentials.
_HANDED_ON = re.compile(r"PATH|LANG|LC_.*|TMPDIR|(UV|PIP|SSL)_.*|NETRC|(?i:.*_proxy)")


def uv_command(*arguments: str | Path) -> list[str]:
    """Returns a uv command line that reads only the configuration in `UV_CONFIG_FILE`."""
    return [find_uv_bin(), "--no-config", *map(str, arguments)]


def uv_variables(home: Path, cache: Path) -> dict[str, str]:
    """Returns all environment variables of uv and of the programs that it runs.

    - `home`: an empty folder that replaces the user's own.
    - `cache`: the folder for downloads, unless `UV_CACHE_DIR` names another.
    """
    ours = {name: value for name, value in os.environ.items() if _HANDED_ON.fullmatch(name)}
    ours |= index_variables(os.environ)
    defaults = {
        "UV_CACHE_DIR": str(cache),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_SYSTEM_CERTS": "1",  # As pip: a company's authority is only in the system's store.
    }
    return {**defaults, **ours, "HOME": str(home), "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}


def main() -> None:
    """Replaces this process with uv and the arguments of this command; does not return."""
    command = uv_command(*sys.argv[1:])
    os.execve(command[0], command, {**os.environ, **index_variables(os.environ)})


if __name__ == "__main__":
    main()

"""How uv is called: with nothing of ours in its environment, and no configuration but that of the
index.

Building a distribution runs code of whoever uploaded it, and a configuration that is found beside
it would decide what other content gets from the same cache. `python -m tooling.uv ...` calls it in
this way.
"""

import os
import re
import sys
from pathlib import Path

from uv import find_uv_bin

from tooling.package_index import index_variables

# HOME is not among them: credentials lie there. Those for an index are handed on one by one.
_HANDED_ON = re.compile(r"PATH|LANG|LC_.*|TMPDIR|(UV|PIP|SSL)_.*|NETRC|(?i:.*_proxy)")


def uv_command(*arguments: str | Path) -> list[str]:
    """`uv` with these arguments; it reads no configuration but the file that `UV_CONFIG_FILE`
    names.
    """
    return [find_uv_bin(), "--no-config", *map(str, arguments)]


def uv_variables(home: Path, cache: Path) -> dict[str, str]:
    """All that uv, and what it runs, find in their environment.

    - `home`: an empty folder, in the place of the user's own.
    - `cache`: where downloads are kept unless `UV_CACHE_DIR` says otherwise.
    """
    ours = {name: value for name, value in os.environ.items() if _HANDED_ON.fullmatch(name)}
    ours |= index_variables(os.environ)
    defaults = {
        "UV_CACHE_DIR": str(cache),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_SYSTEM_CERTS": "1",  # As pip does: a company's authority is in the system's store only.
    }
    return {**defaults, **ours, "HOME": str(home), "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}


def main() -> None:
    """Becomes uv, with the arguments of this command; does not return."""
    command = uv_command(*sys.argv[1:])
    os.execve(command[0], command, {**os.environ, **index_variables(os.environ)})


if __name__ == "__main__":
    main()

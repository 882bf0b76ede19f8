"""`python -m deploy.new_project FRAMEWORK --dest DEST --name NAME [--rehearsal 1]`.

`make new-<name>` calls it.
"""

import argparse
import sys
from collections.abc import Sequence

from deploy.new_project.project import make_project
from tooling.commands import end_as_after_an_interrupt, exit_code
from tooling.frameworks import find_framework


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 after an error, which is printed as one line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.new_project", description=__doc__)
    parser.add_argument("framework")
    parser.add_argument("--dest", default="")
    parser.add_argument("--name", default="")
    parser.add_argument("--rehearsal", default="")
    chosen = parser.parse_args(arguments)
    end_as_after_an_interrupt()
    return exit_code(
        "make",
        lambda: print(
            make_project(
                find_framework(chosen.framework), chosen.dest, chosen.name, chosen.rehearsal
            )
        ),
    )


if __name__ == "__main__":
    sys.exit(main())

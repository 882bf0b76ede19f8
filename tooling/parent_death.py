"""Becomes the command it is given, after tying its life to that of the process that started it.

Run as a script, by path: `python -I launch.py <parent's pid> <command> [argument ...]`. A
`preexec_fn` would do the same inside the parent's fork, but is unsafe in a process with threads,
and says so from 3.12 on.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    parent = int(sys.argv[1])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("The process that asked for this one has gone.")
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()

"""Executes a command that Linux kills when its parent process ends (PR_SET_PDEATHSIG).

Run as a script, by its path: `python -I parent_death.py <parent's pid> <command> [argument ...]`. A
`preexec_fn` would do the same in the parent's fork. It is unsafe in a process with threads; Python
warns of this from 3.12 on.
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
        sys.exit("The parent process has ended.")
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()

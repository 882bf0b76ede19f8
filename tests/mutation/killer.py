"""Runs one stage of the suite on an app in this process, until something fails."""

import asyncio
import os
from pathlib import PurePosixPath
from typing import Literal

from tests.mutation import by_contract, by_tests

Stage = Literal["own tests", "contract", "tests"]
"""What is run: the tests of the changed module, the cases of the contract, all other tests."""


def own_tests(file: str) -> str | None:
    """Returns the file with the tests of that file of `shared/` by itself, if there is one."""
    name = f"tests/shared/test_{PurePosixPath(file).name}"
    return name if name in by_tests.SHARED_TESTS else None


def judge(framework_name: str, stage: Stage, file: str | None) -> str | None:
    """Returns what failed first; None if nothing did. The mutant must be installed before.

    `file`: what is changed, if anything: a module of `shared/` has tests of its own.
    """
    _silence()
    if stage == "contract":
        return by_contract.first_failure(framework_name)
    own = own_tests(file) if file and stage == "own tests" else None
    shared = file is None or file.startswith("shared/")
    tests = [*by_tests.APP_TESTS, *(by_tests.SHARED_TESTS if shared else ())]
    return by_tests.first_failure(framework_name, [own] if own else tests)


def _silence() -> None:
    """What the app writes is not of interest."""
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(null, descriptor)
    asyncio.set_event_loop(None)

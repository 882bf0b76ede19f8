"""Runs the contract suite on an app in this process until something fails.

It runs the parts as `test_contract` does, without pytest, which would take longer than the parts.
As in `pyproject.toml`, warnings are errors.
"""

import asyncio
import gc
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal
from unittest.mock import patch

import pytest

MOUNTS = ("bare", "content, included", "content, header, stripped")
"""One mount of each kind: no prefix, a prefix in the scope, a prefix in Connect's header."""

SLOWEST = "MOUNT-2"
"""The case that takes as long as all others together."""

PATIENCE = 3.0
"""The seconds that a message of the app may take, instead of 10: most mutants answer at once."""

UNIT_TESTS = tuple(
    f"tests/shared/test_{name}.py"
    for name in (
        "connect",
        "events",
        "files",
        "greetings",
        "lifespan",
        "postgresql_url",
        "security",
        "stores",
    )
)
"""The tests of `shared/` that need no database."""

DOCUMENT_TESTS = ("tests/contract/test_documents.py",)
"""The tests of what DOCS-3 ignores: an app generates it, or serves the contract."""

Stage = Literal["own tests", "contract", "tests"]
"""What is run: the tests of the changed module, the cases of the contract, all other tests."""


@dataclass(frozen=True)
class Verdict:
    """`by`: what failed first; None if nothing did."""

    by: str | None


def own_tests(file: str) -> str | None:
    """Returns the file with the tests of that file of `shared/` by itself, if there is one."""
    name = f"tests/shared/test_{PurePosixPath(file).name}"
    return name if name in UNIT_TESTS else None


def judge(framework_name: str, stage: Stage, file: str | None) -> Verdict:
    """Runs one stage of the suite on one app. The changed module must be installed before.

    `file`: what is changed, if anything: a module of `shared/` has tests of its own.
    """
    _silence()
    if stage == "own tests" and file and (own := own_tests(file)):
        return _run_pytest(framework_name, [own])
    if stage != "contract":
        shared = file is None or file.startswith("shared/")
        return _run_pytest(framework_name, [*DOCUMENT_TESTS, *(UNIT_TESTS if shared else ())])
    unraisable: list[str] = []
    sys.unraisablehook = lambda raised: unraisable.append(repr(raised.exc_value))
    warnings.simplefilter("error")
    by = _first_failure(framework_name)
    if by is None:
        gc.collect()
        by = f"warning: {unraisable[0]}" if unraisable else None
    return Verdict(by)


def _first_failure(name: str) -> str | None:
    # The modules may be the changed ones, so that they are imported here.
    try:
        from tests.contract import cases, faults, in_process  # noqa: F401
        from tests.contract.apps import RunningApps
        from tests.contract.registry import CASES
        from tests.contract.subjects import subjects_of
        from tooling.frameworks import find_framework

        framework = find_framework(name)
        faults.install()
        apps = RunningApps()
    except Exception as error:
        return f"import: {error!r}"
    # A case that takes long is run last.
    cases_in_order = sorted(CASES.values(), key=lambda case: case.id == SLOWEST)
    parts = [part for case in cases_in_order for part in case.parts]
    receive = in_process.Conversation.receive

    def impatient(self: Any, seconds: float) -> Any:
        return receive(self, min(seconds, PATIENCE))

    with (
        patch.object(in_process, "_SECONDS", PATIENCE),
        patch.object(in_process.Conversation, "receive", impatient),
    ):
        for subject in subjects_of(framework, "in process"):
            if subject.mount.id not in MOUNTS:
                continue
            try:
                client = apps.client(subject)
            except Exception as error:
                return f"start: {error!r}"
            for part in parts:
                if not subject.takes(part):
                    continue
                failed = False
                try:
                    part.check(client)
                except Exception:
                    failed = True
                if failed != (part.case_id in subject.waivers):
                    return f"{part.id} on {subject.mount.id}"
        try:
            apps.close()
        except Exception as error:
            return f"stop: {error!r}"
    return None


def _run_pytest(name: str, files: Sequence[str]) -> Verdict:
    class First:
        failed: str | None = None

        def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
            items[:] = [item for item in items if _can_kill(item, name)]

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed and self.failed is None:
                self.failed = report.nodeid

    first = First()
    # Plugins and assertions that explain themselves would take longer than the tests.
    arguments = ["-x", "-q", "--assert=plain", "-p", "no:hypothesispytest", "-p", "no:anyio"]
    arguments += ["-o", "cache_dir=build/mutation-pytest", "--app", name]
    code = pytest.main([*arguments, *files], plugins=[first])
    # A test failed, or its module could not be imported. Anything else says nothing of the mutant.
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise RuntimeError(f"pytest ended with {code!r}")
    return Verdict(None if code == pytest.ExitCode.OK else first.failed or "pytest: import")


def _can_kill(item: pytest.Item, name: str) -> bool:
    """Whether the test is of the changed code: not of another app, a process or a database."""
    if {"framework", "cluster"} & set(getattr(item, "fixturenames", ())):
        return False
    values = getattr(item, "callspec", None)
    return values is None or getattr(values.params.get("document"), "name", name) == name


def _silence() -> None:
    """What the app writes is not of interest."""
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(null, descriptor)
    asyncio.set_event_loop(None)

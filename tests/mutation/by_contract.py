"""Runs the cases of the contract on an app in this process until one fails.

It runs the parts as `test_contract` does, without pytest, which would take longer than the parts.
As in `pyproject.toml`, warnings are errors.
"""

import gc
import sys
import warnings
from typing import Any
from unittest.mock import patch

MOUNTS = ("bare", "content, included", "content, header, stripped")
"""One mount of each kind: no prefix, a prefix in the scope, a prefix in Connect's header."""

SLOWEST = "MOUNT-2"
"""The case that takes as long as all others together."""

PATIENCE = 3.0
"""The seconds that a message of the app may take, instead of 10: most mutants answer at once."""


def first_failure(name: str) -> str | None:
    """Returns the part that fails on the app of that framework; None if none does."""
    unraisable: list[str] = []
    sys.unraisablehook = lambda raised: unraisable.append(repr(raised.exc_value))
    warnings.simplefilter("error")
    by = _first_part(name)
    if by is None:
        gc.collect()
        by = f"warning: {unraisable[0]}" if unraisable else None
    return by


def _first_part(name: str) -> str | None:
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

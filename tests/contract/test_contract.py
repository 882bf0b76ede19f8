"""Every case, on every app, on every server, through every mount."""

from dataclasses import replace
from typing import Any

import pytest

from rehearsal.frameworks import find_frameworks
from tests.contract.apps import RunningApps
from tests.contract.client import Client
from tests.contract.registry import Case, Level
from tests.contract.report import Result, result, shown, shown_answer
from tests.contract.subjects import Subject

LAST = 10
"""So many exchanges of a failed case are kept."""


def test_contract(
    case: Case, subject: Subject, client: Client, apps: RunningApps, recorded: list[Result]
) -> None:
    deployed = subject.server == "deployed"
    missing = case.needs - client.capabilities
    if deployed and missing:
        reason = f"not to be seen from outside, since it {' and '.join(sorted(missing))}"
        recorded.append(result(case.id, subject, "skipped", reason=reason))
        pytest.skip(reason)
    waiver = subject.waivers.get(case.id)
    if subject.framework is None and case.level is Level.SHOULD:
        waiver = "which framework it is, and so what it does of its own accord, is not known"
    try:
        case.check(client)
    except Exception as error:
        if waiver:
            recorded.append(
                result(case.id, subject, "waived", reason=waiver, observed=client.observations)
            )
            # Without a traceback, which nobody reads and which takes longer than the case.
            raise pytest.xfail.Exception(waiver, pytrace=False) from None
        failure = {"error": str(error) or repr(error), **replayed(client, apps)}
        recorded.append(
            result(case.id, subject, "fail", failure=failure, observed=client.observations)
        )
        raise
    # What stands in front of a deployed app may mend what the framework does.
    if waiver and not deployed:
        failure = {"error": f"It passes, though {subject.id} has a waiver for it: {waiver}"}
        recorded.append(
            result(case.id, subject, "fail", failure=failure, observed=client.observations)
        )
        pytest.fail(failure["error"])
    recorded.append(result(case.id, subject, "pass", observed=client.observations))


def replayed(client: Client, apps: RunningApps) -> dict[str, Any]:
    """The last exchanges, and what every app answers in process to the last request, reached the same way."""
    if not client.exchanges:
        return {}
    last = client.exchanges[-1]
    found = {"exchanges": [shown(exchange) for exchange in client.exchanges[-LAST:]]}
    if last.answer is not None and last.answer.status == 101:
        return found
    answers = {}
    for framework in find_frameworks():
        other = replace(apps.in_process(framework, last.mount), trust=last.trust)
        asked = last.request
        answers[framework.name] = shown_answer(
            other.request(asked.method, asked.target, asked.headers)
        )
    return found | {"answers": answers}

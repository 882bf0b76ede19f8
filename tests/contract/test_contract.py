"""Runs every part of every case on every subject."""

from dataclasses import replace
from typing import Any

import pytest

from tests.contract.apps import RunningApps
from tests.contract.canonical_exchanges import canonical_exchanges
from tests.contract.client import Client
from tests.contract.registry import CASES, Level, Part
from tests.contract.report import Outcome, Result, answer_json, exchange_json, result
from tests.contract.subjects import Subject
from tooling.frameworks import find_frameworks, is_installed

LAST = 10
"""How many exchanges of a failed case the report keeps."""


def test_contract(
    part: Part, subject: Subject, client: Client, apps: RunningApps, recorded: list[Result]
) -> None:
    def record(outcome: Outcome, **more: Any) -> None:
        seen = canonical_exchanges(client.exchanges) if example else []
        observed = client.observations
        recorded.append(result(part, subject, outcome, observed=observed, exchanges=seen, **more))

    deployed = subject.server == "deployed"
    example = subject.is_example and not deployed
    missing = part.needs - client.capabilities
    if deployed and missing:
        reason = f"A client of this app cannot {' or '.join(sorted(missing))}."
        record("skipped", reason=reason)
        pytest.skip(reason)
    waiver = subject.waivers.get(part.case_id)
    if subject.framework is None and CASES[part.case_id].level is Level.SHOULD:
        waiver = "The framework of the app is unknown, and with it its waivers."
    try:
        part.check(client)
    except Exception as error:
        if waiver:
            record("waived", reason=waiver)
            # Nobody reads the traceback, and formatting it takes longer than the case.
            raise pytest.xfail.Exception(waiver, pytrace=False) from None
        record("fail", failure={"error": str(error) or repr(error), **replayed(client, apps)})
        raise
    # A server in front of a deployed app may correct what the framework does.
    if waiver and not deployed:
        message = f"The case passes, but {subject.id} has a waiver for it: {waiver}"
        record("fail", failure={"error": message})
        pytest.fail(message)
    record("pass")


def replayed(client: Client, apps: RunningApps) -> dict[str, Any]:
    """The last exchanges, and the answers of every app, in process, to the last request."""
    if not client.exchanges:
        return {}
    last = client.exchanges[-1]
    found = {"exchanges": [exchange_json(exchange) for exchange in client.exchanges[-LAST:]]}
    if last.answer is not None and last.answer.status == 101:
        return found
    answers = {}
    for framework in filter(is_installed, find_frameworks()):
        other = replace(apps.in_process(framework, last.mount), trust=last.trust)
        asked = last.request
        answers[framework.name] = answer_json(
            other.request(asked.method, asked.target, asked.headers)
        )
    return found | {"answers": answers}

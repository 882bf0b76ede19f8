"""Every case, on every app, on every server, through every mount."""

from typing import Any

import pytest

from rehearsal.frameworks import find_frameworks
from tests.contract.in_process import InProcessClient
from tests.contract.model import Case, Client
from tests.contract.report import Result, result, shown, shown_answer
from tests.contract.sockets import DeployedClient, SocketClient
from tests.contract.targets import Hosts, Target


def test_contract(
    case: Case, target: Target, client: Client, hosts: Hosts, recorded: list[Result]
) -> None:
    assert isinstance(client, InProcessClient | SocketClient | DeployedClient)
    missing = case.needs - client.powers
    if missing and target.framework is None:
        reason = f"not to be seen from outside: it {', '.join(sorted(missing))}"
        recorded.append(result(case.id, target, "skipped", reason=reason))
        pytest.skip(reason)
    waiver = target.waivers.get(case.id)
    try:
        case.check(client)
    except Exception as error:
        if waiver:
            recorded.append(
                result(case.id, target, "waived", reason=waiver, observed=client.observations)
            )
            pytest.xfail(waiver)
        failure = {"error": str(error) or repr(error), **replayed(client, target, hosts)}
        recorded.append(
            result(case.id, target, "fail", failure=failure, observed=client.observations)
        )
        raise
    if waiver:
        failure = {"error": f"It passes, though {target.id} has a waiver for it: {waiver}"}
        recorded.append(
            result(case.id, target, "fail", failure=failure, observed=client.observations)
        )
        pytest.fail(failure["error"])
    recorded.append(result(case.id, target, "pass", observed=client.observations))


def replayed(client: Any, target: Target, hosts: Hosts) -> dict[str, Any]:
    """The last request and its answer, and what every app answers to it in process, on the same mount."""
    if not client.exchanges:
        return {}
    request, answer = client.exchanges[-1]
    answers = {}
    for framework in find_frameworks():
        other = hosts.client(Target("in process", target.mount, framework))
        other.request(request.method, request.target, request.headers)
        answers[framework.name] = shown_answer(other.exchanges[-1][1])
    return {"request": shown(request), "answer": shown_answer(answer), "answers": answers}

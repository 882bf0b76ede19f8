"""The comparison can fail: an unnamed difference is reported, and so is an error of a server."""

from typing import Any

from tests.contract.vocabulary import BARE, Request
from tests.differential.generated import Asked
from tests.differential.judged import judge

HEALTH = Asked(Request("GET", "/health"), BARE)
BREW = Asked(Request("BREW", "/health"), BARE)


def answers(**others: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {name: {"status": 200, "body": ""} for name in ("fastapi", "quart", "falcon", "sanic")}
    return found | others


def test_equal_answers_do_not_differ() -> None:
    verdict = judge(HEALTH, answers())
    assert not verdict.unknown
    assert not verdict.known


def test_a_difference_is_reported_with_all_answers() -> None:
    other = {"status": 200, "body": "x", "vary": ["a"]}
    unknown = judge(HEALTH, answers(sanic=other)).unknown
    assert unknown.keys() == {"body", "vary"}
    assert unknown["body"] == {"fastapi": "", "quart": "", "falcon": "", "sanic": "x"}


def test_only_the_framework_and_the_answer_that_are_named_may_differ() -> None:
    refused = {"status": 400, "body": ""}
    verdict = judge(BREW, answers(falcon=refused))
    assert (verdict.unknown, verdict.known) == ({}, {"HTTP-7"})
    assert judge(BREW, answers(sanic=refused)).unknown
    assert judge(BREW, answers(falcon={"status": 404, "body": ""})).unknown
    assert judge(HEALTH, answers(falcon=refused)).unknown


def test_an_error_is_never_alike() -> None:
    error = {"status": 500, "body": ""}
    assert judge(HEALTH, dict.fromkeys(answers(), error)).unknown


def test_a_transfer_coding_that_a_server_does_not_implement_is_no_error() -> None:
    refused = {"status": 501, "body": ""}
    assert not judge(HEALTH, dict.fromkeys(answers(), refused)).unknown


def test_answers_of_one_known_status_have_to_be_equal() -> None:
    options = Asked(Request("OPTIONS", "/health"), BARE)
    refused = {"status": 405, "body": "no"}
    verdict = judge(options, answers(fastapi=refused, sanic=refused))
    assert (verdict.unknown, verdict.known) == ({}, {"HTTP-4"})
    unknown = judge(options, answers(fastapi=refused, sanic=refused | {"body": "No"})).unknown
    assert unknown == {"body": {"fastapi": "no", "sanic": "No"}}

"""The OpenAPI documents of all apps have the same prose and references, which DOCS-3 ignores."""

from typing import Any

import pytest

from shared.openapi import load_openapi
from tests.contract.apps import RunningApps
from tests.contract.canonical import METHODS
from tests.contract.vocabulary import BARE
from tooling.frameworks import Framework, find_frameworks

CONTRACT = load_openapi()


@pytest.fixture(params=find_frameworks(), ids=lambda framework: framework.name)
def document(request: pytest.FixtureRequest, apps: RunningApps) -> dict[str, Any]:
    framework: Framework = request.param
    client = apps.in_process(framework, BARE)
    served: dict[str, Any] = client.request("GET", "/openapi.json").json()
    return served


def summaries(document: dict[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    return {
        f"{method} {path}": (operation.get("summary"), operation.get("description"))
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def descriptions(document: dict[str, Any]) -> dict[str, str | None]:
    """The texts of the document, of each parameter and of each refusal.

    Those of the successful answers are left out: a framework may write its own.
    """
    found = {key: document["info"].get(key) for key in ("title", "description")}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for parameter in operation.get("parameters", ()):
                place = f"{method} {path} {parameter['in']} {parameter['name']}"
                found[place] = parameter.get("description")
            for status, response in operation["responses"].items():
                if status >= "400":
                    name = response.get("$ref", "").rpartition("/")[2]
                    described = document["components"]["responses"][name] if name else response
                    found[f"{method} {path} {status}"] = described["description"]
    return found


def references(node: Any) -> list[str]:
    match node:
        case {"$ref": str(pointer)}:
            return [pointer]
        case dict():
            return [pointer for value in node.values() for pointer in references(value)]
        case list():
            return [pointer for item in node for pointer in references(item)]
    return []


def without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """Pydantic adds a title to every schema, derived from its name."""
    properties = {
        name: {key: value for key, value in member.items() if key != "title"}
        for name, member in schema["properties"].items()
    }
    return {k: v for k, v in schema.items() if k != "title"} | {"properties": properties}


def test_every_operation_has_the_summary_of_the_contract(document: dict[str, Any]) -> None:
    assert summaries(document) == summaries(CONTRACT)


def test_every_description_is_that_of_the_contract(document: dict[str, Any]) -> None:
    assert descriptions(document) == descriptions(CONTRACT)


def test_a_problem_is_one_schema_that_every_refusal_refers_to(document: dict[str, Any]) -> None:
    problem = without_titles(document["components"]["schemas"]["ProblemDetails"])
    assert problem == CONTRACT["components"]["schemas"]["ProblemDetails"]
    inlined = [
        response
        for item in document["paths"].values()
        for operation in item.values()
        for status, response in operation["responses"].items()
        if status >= "400"
        and "$ref" not in response
        and references(response) != ["#/components/schemas/ProblemDetails"]
    ]
    assert inlined == []

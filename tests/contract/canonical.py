"""OpenAPI documents in a form in which two that ask for the same are equal."""

from typing import Any

METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})

PROSE = frozenset({"description", "summary", "title", "example", "examples", "externalDocs"})


def canonical(document: dict[str, Any]) -> dict[str, Any]:
    """What the document asks of requests and answers.

    `$ref` is inlined and what it pointed to dropped; so are prose, `operationId`, `tags` and `servers`.
    Parameters are ordered by place and name; lists whose order means nothing are sorted.

    Raises `KeyError` for a `$ref` that points nowhere.
    """
    return {
        "openapi": document["openapi"].rsplit(".", 1)[0],
        "version": document["info"]["version"],
        "paths": {
            path: {
                method: _operation(document, operation, item.get("parameters", []))
                for method, operation in item.items()
                if method in METHODS
            }
            for path, item in document["paths"].items()
        },
    }


def _operation(
    document: dict[str, Any], operation: dict[str, Any], shared: list[Any]
) -> dict[str, Any]:
    parameters = [_inlined(document, p) for p in (*shared, *operation.get("parameters", []))]
    for parameter in parameters:
        parameter.setdefault("required", False)
    return {
        "parameters": sorted(parameters, key=lambda p: (p["in"], p["name"])),
        "requestBody": _inlined(document, operation.get("requestBody")),
        "responses": {
            status: {
                media_type: _inlined(document, content["schema"])
                for media_type, content in _inlined(document, response).get("content", {}).items()
            }
            for status, response in operation["responses"].items()
        },
    }


def _inlined(document: dict[str, Any], node: Any) -> Any:
    match node:
        case {"$ref": str(pointer)}:
            target: Any = document
            for key in pointer.removeprefix("#/").split("/"):
                target = target[key.replace("~1", "/").replace("~0", "~")]
            return _inlined(document, target)
        case dict():
            return {
                # The names under `properties` are names, even where they read `title` or `description`.
                key: {name: _inlined(document, schema) for name, schema in value.items()}
                if key == "properties"
                else sorted(value)
                if key in ("required", "enum", "type") and isinstance(value, list)
                else _inlined(document, value)
                for key, value in node.items()
                if key not in PROSE
            }
        case list():
            return [_inlined(document, item) for item in node]
    return node

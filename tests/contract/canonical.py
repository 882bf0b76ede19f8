"""A canonical form of OpenAPI documents: equal if the documents specify the same."""

from typing import Any

METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})

PROSE = frozenset({"description", "summary", "title", "example", "examples", "externalDocs"})


def canonical(document: dict[str, Any]) -> dict[str, Any]:
    """What the document specifies for requests and answers.

    `$ref` is inlined. `components`, prose, `operationId`, `tags` and `servers` are dropped.
    Parameters are sorted by `in` and `name`; lists whose order has no meaning are sorted.

    Raises `KeyError` for a `$ref` that does not resolve.
    """
    kept = _inlined(document, {k: v for k, v in document.items() if k not in ("info", "paths")})
    return {
        **{
            k: v
            for k, v in kept.items()
            if k not in ("components", "servers", "tags") and k[:2] != "x-"
        },
        "openapi": document["openapi"].rsplit(".", 1)[0],
        "version": document["info"]["version"],
        "paths": {
            path: {
                key: _operation(document, value) if key in METHODS else _inlined(document, value)
                for key, value in item.items()
            }
            for path, item in document["paths"].items()
        },
    }


def _operation(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    kept = _inlined(
        document,
        {k: v for k, v in operation.items() if k not in ("operationId", "tags", "servers")},
    )
    parameters = [{"required": False, **parameter} for parameter in kept.get("parameters", [])]
    return {**kept, "parameters": sorted(parameters, key=lambda p: (p["in"], p["name"]))}


def _inlined(document: dict[str, Any], node: Any) -> Any:
    match node:
        case {"$ref": str(pointer)}:
            target: Any = document
            for key in pointer.removeprefix("#/").split("/"):
                target = target[key.replace("~1", "/").replace("~0", "~")]
            return _inlined(document, target)
        case dict():
            return {
                # A key of `properties` is the name of a property, also if it is `title`.
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

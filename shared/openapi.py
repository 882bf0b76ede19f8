"""The contract as an OpenAPI document, for the apps that generate none."""

from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent / "openapi.yaml"


def load_openapi() -> dict[str, Any]:
    """Returns the OpenAPI 3.1 document of the contract.

    It has no `servers`, because they depend on the mount of each request.
    """
    document: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return document

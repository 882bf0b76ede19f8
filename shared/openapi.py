"""The contract as an OpenAPI document, for the apps that generate none."""

from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent / "openapi.yaml"


def load_openapi() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the contract, without `servers`, which depend on the request's
    mount.
    """
    document: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return document

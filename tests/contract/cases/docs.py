"""DOCS: the API's documentation, as pages and as an OpenAPI document."""

import yaml

from tests.contract.canonical import canonical
from tests.contract.cases import expect
from tests.contract.client import Client
from tests.contract.registry import VERSION, must, part
from tooling.frameworks import ROOT

ASSETS = {
    "docs.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "swagger-ui/swagger-ui.css": "text/css",
}


@must("DOCS-1", "GET /docs is Swagger UI 5, with nothing from any other host.")
def the_documentation_is_self_hosted(client: Client) -> None:
    mount = expect.address(client, "/", "./")
    answer = client.request("GET", "/docs")
    assert answer.status == 200
    page = answer.html()
    document = page.by_id("swagger-ui").attributes["data-document"]
    assert expect.address(client, "/docs", document) == f"{mount}openapi.json"
    for link in page.links():
        assert expect.address(client, "/docs", link).startswith(mount)


@part("DOCS-1", "its files")
def the_files_of_the_documentation_are_served(client: Client) -> None:
    for name, media_type in ASSETS.items():
        asset = client.request("GET", f"/static/{name}")
        assert (asset.status, (asset.header("content-type") or "").split(";")[0]) == (
            200,
            media_type,
        )
    bundle = client.request("GET", "/static/swagger-ui/swagger-ui-bundle.js")
    assert bundle.status == 200
    assert (bundle.header("content-type") or "").split(";")[0].endswith("/javascript")
    assert b"SwaggerUIBundle" in bundle.body


@must("DOCS-2", "GET /openapi.json is OpenAPI 3.1 whose first server is the mount of the request.")
def the_openapi_document_names_the_mount(client: Client) -> None:
    document = expect.json_of(client.request("GET", "/openapi.json"))
    assert isinstance(document, dict)
    assert document["openapi"].startswith("3.1.")
    assert document.get("servers", [{"url": "/"}])[0]["url"] == (client.mount.prefix or "/")


@must(
    "DOCS-3",
    "The OpenAPI document asks for what shared/openapi.yaml asks for, no more and no less.",
)
def the_openapi_document_equals_the_contract(client: Client) -> None:
    contract = yaml.safe_load((ROOT / "shared" / "openapi.yaml").read_text(encoding="utf-8"))
    assert contract["x-contract-version"] == VERSION
    document = expect.json_of(client.request("GET", "/openapi.json"))
    assert isinstance(document, dict)
    assert canonical(document) == canonical(contract)

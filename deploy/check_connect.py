"""`make check-connect`: what a licensed Connect server says of this repository, in one report.

Deploys every app, the site and a probe as drafts of new content, runs the contract at each app,
compares our inferred statements about Connect with what the probe is told, and removes the content
again, also when interrupted. The report contains no key, no address and no name.
"""

import argparse
import json
import os
import secrets
import shutil
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from deploy.contents import RECORD
from deploy.rsconnect import Target, deployed_url, find_target, run, without_credentials
from deploy.staging import stage
from deploy.statements import Statement, statements_of
from deploy.verdict import run_contract
from tooling.commands import end_as_after_an_interrupt, exit_code
from tooling.errors import UsageError
from tooling.frameworks import find_frameworks

FOLDER = {"more/index.html": "<h1>More</h1>\n"}
"""The comparison site has no folder with an index.html, which a statement is about."""


class Server:
    """The calls of Connect's API that rsconnect has no command for, and visits of content."""

    def __init__(self, target: Target, environ: Mapping[str, str]) -> None:
        if target.api_key is None:
            raise UsageError("check-connect needs an API key: export CONNECT_API_KEY.")
        self.url = target.url.rstrip("/")
        certificates = environ.get("CONNECT_CA_CERTIFICATE") or None
        self._client = httpx.Client(
            headers={"Authorization": f"Key {target.api_key}"},
            verify=ssl.create_default_context(cafile=certificates),
            timeout=60,
        )

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Raises `UsageError` if the server does not answer, or answers with an error."""
        answer = self.visit(f"{self.url}/__api__{path}", method, **more)
        if answer.status_code == 401:
            raise UsageError(f"The API key is not valid at {self.url}: use another one.")
        if answer.status_code == 403:
            raise UsageError(
                f"The owner of the API key may not do this at {self.url} ({method} {path}):"
                " use the key of a publisher."
            )
        is_json = "json" in answer.headers.get("content-type", "")
        if answer.is_error or (answer.content and not is_json):
            raise UsageError(
                f"{self.url} answers {method} /__api__{path} not as Connect does (status"
                f" {answer.status_code}): is this the server's address?"
            )
        return answer

    def visit(self, url: str, method: str = "GET", **more: Any) -> httpx.Response:
        try:
            return self._client.request(method, url, **more)
        except httpx.HTTPError as error:
            raise UsageError(f"{self.url} does not answer: {error}.") from None

    @contextmanager
    def content(self, name: str) -> Iterator[str]:
        """Yields the GUID of new content of that name, and deletes it afterwards."""
        try:
            yield self.call("POST", "/v1/content", json={"name": name}).json()["guid"]
        finally:
            # By name, because an interrupt may have come before the answer with the GUID.
            for found in self.call("GET", "/v1/content", params={"name": name}).json():
                if found["name"] == name:  # A server that ignores the filter lists all content.
                    self.call("DELETE", f"/v1/content/{found['guid']}")


def check(server: Server, target: Target, environ: Mapping[str, str]) -> dict[str, Any]:
    """Returns the report. Deletes the content, also after an exception. Raises `UsageError`."""
    frameworks = find_frameworks()
    version = server.call("GET", "/server_settings").json().get("version") or "not told"
    report: dict[str, Any] = {"connect": version, "contract": {}}
    site = frameworks[0].folder.parent / "build" / "site"
    with tempfile.TemporaryDirectory() as scratch:
        for framework in frameworks:
            bundle = Path(scratch, framework.name)
            shutil.copytree(stage(framework), bundle, ignore=shutil.ignore_patterns(RECORD))
            command = ["fastapi", "--entrypoint", framework.entrypoint]
            with _draft(server, target, environ, bundle, command) as url:
                code, output = run_contract(framework, url, target, environ)
            failed = [line for line in output.splitlines() if line.startswith(("MUST ", "SHOULD "))]
            report["contract"][framework.name] = _verdict(code, failed)
        probe, pages = Path(scratch, "probe"), Path(scratch, "site")
        _write(
            probe, {"app.py": Path(__file__).with_name("probe_app.py").read_text(encoding="utf-8")}
        )
        _write(probe, {"requirements.txt": "uvicorn\n"})
        if (site / "index.html").is_file():
            shutil.copytree(site, pages)
            _write(pages, FOLDER)
        else:
            _write(pages, {"index.html": "<h1>Pages</h1>\n", **FOLDER})
        fastapi = ["fastapi", "--entrypoint", "app:app"]
        with (
            _draft(server, target, environ, probe, fastapi) as probe_url,
            _draft(server, target, environ, pages, ["html"]) as pages_url,
        ):
            statements = statements_of(server.visit, probe_url, pages_url, pages)
        report["statements"] = [vars(statement) for statement in statements]
    return report


def _verdict(code: int, failed: Sequence[str]) -> str | list[str]:
    """The case IDs with their sentences; nothing of the records, which may contain names."""
    if code not in (0, 1):
        return "could not be run"
    return [line.partition(" fails")[0] for line in failed] if code else "kept"


@contextmanager
def _draft(
    server: Server, target: Target, environ: Mapping[str, str], folder: Path, command: list[str]
) -> Iterator[str]:
    """Yields the address of a folder that is deployed as a draft of new content."""
    with server.content(f"contract-check-{secrets.token_hex(4)}-{folder.name}") as guid:
        named = ["--name", target.saved_as] if target.saved_as is not None else []
        rsconnect = str(Path(sys.executable).with_name("rsconnect"))
        code, output = run(
            [rsconnect, "deploy", *command, *named, "--app-id", guid, "--draft", str(folder)],
            target.variables(environ) | without_credentials(folder, environ),
            target.api_key,
        )
        if code:
            raise UsageError(f"rsconnect did not deploy {folder.name}; see its output above.")
        yield deployed_url(folder, target, output)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def check_connect(environ: Mapping[str, str], saved_as: str | None) -> None:
    """Writes `build/check-connect.json`, and prints the verdicts. Raises `UsageError`."""
    target = find_target(environ, find_frameworks()[0].name, saved_as)
    end_as_after_an_interrupt()
    with closing(Server(target, environ)) as server:
        report = check(server, target, environ)
    text = json.dumps(report, indent=1) + "\n"
    file = find_frameworks()[0].folder.parent / "build" / "check-connect.json"
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)
    for name, verdict in report["contract"].items():
        print(f"{name}: {verdict if isinstance(verdict, str) else '; '.join(verdict)}")
    for statement in (Statement(**told) for told in report["statements"]):
        print(f"{statement.verdict:<10} {statement.sentence}")
    print(f"Please attach {file} to a report. It contains no key, no address and no name.")


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.check_connect", description=__doc__)
    parser.add_argument("--server", help="a server that `rsconnect add` saved under this name")
    options = parser.parse_args(arguments)
    return exit_code("check-connect", lambda: check_connect(environ, options.server))


if __name__ == "__main__":
    sys.exit(main())

"""The real rsconnect-python against the rehearsal, as its users run it."""

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rehearsal.running import MIRROR, Running, answered

RSCONNECT = Path(sys.executable).with_name("rsconnect")
PYPROJECT = """
[project]
name = "mirror"
version = "1"
requires-python = ">=3.11"

[tool.rsconnect]
app_mode = "python-fastapi"
entrypoint = "main:app"
title = "The mirror"
requirements_file = "requirements.txt"
"""


@dataclass
class Cli:
    """rsconnect with a home of its own, and a folder to deploy."""

    it: Running
    home: Path
    app: Path
    server_in_environment: bool = True

    def __call__(
        self, *arguments: str, key: str | None = None, code: int = 0, version: str = ""
    ) -> str:
        """Run it; gives all its output. `version` is the server's in place of what it says."""
        environment = {
            "PATH": os.pathsep.join((str(RSCONNECT.parent), os.environ["PATH"])),
            "HOME": str(self.home),
            "RSCONNECT_DISABLE_VERSION_CHECK": "1",
            "NO_COLOR": "1",
            "CONNECT_SERVER_VERSION": version,
        }
        if self.server_in_environment:
            environment["CONNECT_SERVER"] = self.it.url
            environment["CONNECT_API_KEY"] = key or self.it.user("publisher").api_key
        done = subprocess.run(
            [str(RSCONNECT), *arguments],
            cwd=self.home,  # `rsconnect content build` writes to the working directory.
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == code, done.stdout
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)

    def deploy(self, *flags: str, key: str | None = None, code: int = 0, version: str = "") -> str:
        command = ("deploy", "fastapi", "--entrypoint", "main:app", *flags, str(self.app))
        return self(*command, key=key, code=code, version=version)

    @property
    def guid(self) -> str:
        """Of the content that was deployed last, from rsconnect's own record."""
        (record,) = (self.app / "rsconnect-python").glob("*.json")
        guid: str = json.loads(record.read_text())[self.it.url]["app_guid"]
        return guid

    def version(self, path: str = "") -> str:
        mirror = answered(self.it.get(f"/content/{self.guid}/{path}told", "publisher"))
        version: str = mirror["version"]
        return version

    def change(self, version: str) -> None:
        (self.app / "main.py").write_bytes(MIRROR.replace(b"%s", version.encode()))


@pytest.fixture
def cli(rehearsed: Running, tmp_path: Path) -> Cli:
    app = tmp_path / tmp_path.name[-40:]
    app.mkdir()
    (app / "requirements.txt").write_text("")
    (app / "pyproject.toml").write_text(PYPROJECT)
    (app / "data").mkdir()
    (app / "data" / "größe.txt").write_text("data")
    cli = Cli(rehearsed, tmp_path / "home", app)
    cli.home.mkdir()
    cli.change("one")
    return cli


def test_a_server_is_added_and_its_details_are_shown(cli: Cli) -> None:
    key = cli.it.user("publisher").api_key
    cli.server_in_environment = False
    assert "Added Connect server" in cli(
        "add", "--name", "here", "--server", cli.it.url, "--api-key", key
    )
    assert "2026.07.0" in cli("details", "--name", "here")
    assert "here" in cli("list")


def test_a_wrong_key_is_said_to_be_wrong(cli: Cli) -> None:
    for output in (
        cli("add", "--name", "x", "--server", cli.it.url, "--api-key", "wrong", code=1),
        cli.deploy(key="wrong", code=1),
    ):
        assert "API key" in output
        assert "not valid" in output


def test_an_app_is_deployed_checked_as_a_draft_and_activated(cli: Cli) -> None:
    output = cli.deploy()
    assert "Launching main:app" in output
    assert "Verifying deployed content" in output
    assert "Activating deployed content" in output
    assert cli.version() == "one"


def test_a_second_deployment_updates_the_same_content(cli: Cli) -> None:
    cli.deploy("--title", "Seen twice")
    first = cli.guid
    cli.change("two")
    cli.deploy()
    assert cli.guid == first
    assert cli.version() == "two"
    listed = json.loads(cli("content", "search", "--title-contains", "Seen twice"))
    assert [item["guid"] for item in listed] == [first]


def test_a_project_file_says_what_to_deploy(cli: Cli) -> None:
    cli("deploy", "pyproject", str(cli.app))
    assert cli.version() == "one"
    assert answered(cli.it.api().get(f"/v1/content/{cli.guid}"))["title"] == "The mirror"


def test_a_manifest_is_deployed(cli: Cli) -> None:
    cli("write-manifest", "fastapi", "--entrypoint", "main:app", str(cli.app))
    cli("deploy", "manifest", str(cli.app / "manifest.json"))
    listed = cli.it.rehearsal.state.contents()
    assert answered(cli.it.get(f"/content/{listed[0].guid}/told"))["version"] == "one"


def test_a_manifest_is_deployed_whose_checksum_is_of_requirements_without_indentation(
    cli: Cli,
) -> None:
    """`uv pip compile` indents comments; `write-manifest` computes the checksum without that."""
    (cli.app / "requirements.txt").write_text("# of a lock\n    # via -r in\n    #   rsconnect\n")
    cli("write-manifest", "fastapi", "--entrypoint", "main:app", str(cli.app))
    cli("deploy", "manifest", str(cli.app / "manifest.json"))


def test_preflight_has_nothing_to_warn_of(cli: Cli) -> None:
    output = cli("preflight", str(cli.app))
    report = json.loads(output[output.index("{") :])
    # Quarto is looked for on this machine.
    warnings = [warning for warning in report["warnings"] if "Quarto" not in warning]
    assert (report["status"], warnings) == ("ok", [])


def test_a_draft_is_not_activated(cli: Cli) -> None:
    cli.deploy()
    cli.change("two")
    output = cli.deploy("--draft")
    assert cli.version() == "one"
    draft = output.partition("/draft/")[2].split()[0]
    assert cli.version(f"_bundle{draft}/") == "two"


def test_a_deployment_without_check_is_activated_at_once(cli: Cli) -> None:
    assert "Verifying deployed content" not in cli.deploy("--no-verify")
    assert cli.version() == "one"


def test_content_is_named_by_its_guid_or_its_number(cli: Cli) -> None:
    cli.deploy()
    guid = cli.guid
    number = answered(cli.it.api().get(f"/v1/content/{guid}"))["id"]
    for app_id, version in ((guid, "two"), (number, "three")):
        cli.change(version)
        cli.deploy("--app-id", app_id)
        assert cli.version() == version


def test_environment_variables_reach_the_app(cli: Cli) -> None:
    cli.deploy("-E", "GREETING=hello there", "-E", "OTHER=1")
    mirror = answered(cli.it.get(f"/content/{cli.guid}/told"))
    assert mirror["environment"]["GREETING"] == "hello there"
    assert mirror["environment"]["OTHER"] == "1"


def test_a_bundle_with_git_metadata_goes_up_as_a_form(cli: Cli) -> None:
    cli.deploy("--metadata", "source=somewhere")
    (bundle,) = cli.it.api().get(f"/v1/content/{cli.guid}/bundles").json()
    assert bundle["metadata"]["source"] == "somewhere"


def test_content_is_described_and_its_bundle_downloaded(cli: Cli, tmp_path: Path) -> None:
    cli.deploy()
    (described,) = json.loads(cli("content", "describe", "--guid", cli.guid))
    assert described["app_mode"] == "python-fastapi"
    target = tmp_path / "down.tar.gz"
    cli("content", "download-bundle", "--guid", cli.guid, "--output", str(target))
    with tarfile.open(fileobj=io.BytesIO(target.read_bytes())) as bundle:
        assert {"main.py", "manifest.json", "data/größe.txt"} <= set(bundle.getnames())


def spoil_requirements(cli: Cli) -> None:
    (cli.app / "requirements.txt").write_text("no-such-distribution-anywhere==1\n")


def spoil_code(cli: Cli) -> None:
    (cli.app / "main.py").write_text("import no_such_module\n")


def ask_for_old_python(cli: Cli) -> None:
    (cli.app / "pyproject.toml").write_text(PYPROJECT.replace(">=3.11", ">=3.8,<3.9"))


@pytest.mark.parametrize(
    ("spoil", "flags", "sentence"),
    [
        (spoil_requirements, (), "The requirements could not be installed"),
        (spoil_code, (), "The app did not start"),
        (ask_for_old_python, (), "Cannot find compatible environment"),
        (None, ("--entrypoint", "nothing:app"), "the bundle has no module nothing"),
    ],
)
def test_what_cannot_run_ends_in_one_sentence_and_the_old_version_serves(
    cli: Cli, spoil: Callable[[Cli], None] | None, flags: tuple[str, ...], sentence: str
) -> None:
    cli.deploy()
    if spoil:
        spoil(cli)
    output = cli.deploy(*flags, code=1)
    (line,) = [line for line in output.splitlines() if "Error from Connect server" in line]
    assert sentence in line
    assert cli.version() == "one"


def test_a_full_disk_ends_in_one_sentence_and_the_old_version_serves(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.deploy()
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'error: No space left on device (os error 28)'\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setattr("tooling.uv.find_uv_bin", lambda: str(uv))
    (cli.app / "requirements.txt").write_text(f"# new, so that uv is asked: {tmp_path}\n")
    cli.change("two")
    active = answered(cli.it.api().get(f"/v1/content/{cli.guid}"))["bundle_id"]
    output = cli.deploy(code=1)
    (line,) = [line for line in output.splitlines() if "Error from Connect server" in line]
    assert "No space left on the rehearsal's disk." in line
    assert answered(cli.it.api().get(f"/v1/content/{cli.guid}"))["bundle_id"] == active
    assert cli.version() == "one"


def test_a_server_of_before_drafts_is_deployed_to_in_one_step(cli: Cli) -> None:
    output = cli.deploy(version="2025.01.0")
    assert "Verifying deployed content" in output
    assert "Activating deployed content" not in output
    assert cli.version() == "one"


def test_a_folder_of_pages_is_deployed_and_updated(cli: Cli, tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "more").mkdir(parents=True)
    (site / "index.html").write_text('<a href="more/index.html">more</a>')
    (site / "more" / "index.html").write_text("one")
    output = cli("deploy", "html", "--title", "Pages", str(site))
    assert "Verifying deployed content" in output
    (item,) = json.loads(cli("content", "search", "--title-contains", "Pages"))
    assert item["app_mode"] == "static"
    assert "more/index.html" in cli.it.get(f"/content/{item['guid']}/").text
    (site / "more" / "index.html").write_text("two")
    cli("deploy", "html", "--app-id", item["id"], str(site))
    assert cli.it.get(f"/content/{item['guid']}/more/").text == "two"
    assert "app_mode" not in cli("deploy", "html", "--app-id", item["guid"], "--draft", str(site))

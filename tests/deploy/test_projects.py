"""What every app's project must state, so that every way and every server deploys the same."""

import platform
import re

import pytest
from packaging.specifiers import SpecifierSet

from tooling.frameworks import Framework, find_frameworks

each_framework = pytest.mark.parametrize(
    "framework", find_frameworks(), ids=lambda framework: framework.name
)
PIN = re.compile(r"[A-Za-z0-9._-]+(\[[A-Za-z0-9._,-]+\])?==[^\s;]+\s*(;.*)?")


@each_framework
def test_rsconnects_two_commands_deploy_the_same(framework: Framework) -> None:
    table = framework.pyproject["tool"]["rsconnect"]
    assert table["app_mode"] == "python-fastapi"
    assert table["entrypoint"] == framework.entrypoint
    # Its default is pyproject.toml: the server would resolve the lower bounds anew.
    assert table["requirements_file"] == "requirements.txt"


@each_framework
def test_the_project_states_the_pythons_that_it_accepts(framework: Framework) -> None:
    """Without it a server takes the version that rsconnect happens to run with."""
    assert platform.python_version() in SpecifierSet(
        framework.pyproject["project"]["requires-python"]
    )


@each_framework
def test_every_requirement_is_a_pin(framework: Framework) -> None:
    """Only a pin means the same on every server."""
    for file in framework.folder.glob("requirements*.txt"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if requirement := line.partition("#")[0].strip():
                assert PIN.fullmatch(requirement), f"{file.name}: {requirement}"

"""README's examples for CI: their syntax, and that they call what there is.

The keys are those of GitHub's workflow syntax and of GitLab's CI/CD YAML syntax reference.
"""

import re
import subprocess
from typing import Any

import pytest
import yaml

from deploy.rsconnect import CONNECTION, IDENTITY
from tooling.frameworks import ROOT, find_frameworks

README = (ROOT / "README.md").read_text(encoding="utf-8")
GITHUB, GITLAB = (
    yaml.load(fence, yaml.BaseLoader)  # It leaves `on` a word, as GitHub does.
    for fence in re.findall(r"^```yaml\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
)


def scripts() -> dict[str, str]:
    steps = [step for job in GITHUB["jobs"].values() for step in job["steps"]]
    runs = [step["run"] for step in steps if "run" in step]
    return {
        "GitHub": "\n".join(runs),
        "GitLab": "\n".join(line for job in GITLAB.values() for line in job["script"]),
    }


def known(mapping: dict[str, Any], *keys: str) -> bool:
    return set(mapping) <= set(keys)


def test_the_github_workflow_has_the_keys_of_one() -> None:
    assert known(GITHUB, "name", "on", "permissions", "env", "jobs", "concurrency", "defaults")
    assert known(GITHUB["on"], "push", "pull_request", "workflow_dispatch", "schedule")
    # Without this permission, GitHub gives the job no identity token.
    assert GITHUB["permissions"]["id-token"] == "write"
    for job in GITHUB["jobs"].values():
        assert known(
            job, "runs-on", "env", "steps", "needs", "if", "permissions", "timeout-minutes"
        )
        for step in job["steps"]:
            assert known(step, "name", "uses", "with", "run", "env", "if", "id", "shell")
            assert ("uses" in step) != ("run" in step)
            assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@v[0-9]+", step["uses"])


def test_the_gitlab_job_has_the_keys_of_one() -> None:
    for job in GITLAB.values():
        assert known(job, "image", "rules", "id_tokens", "variables", "script", "stage", "needs")
        assert all(known(rule, "if", "when", "changes") for rule in job["rules"])
        for token in job["id_tokens"].values():
            assert token["aud"] == job["variables"]["CONNECT_SERVER"]


@pytest.mark.parametrize("host", ["GitHub", "GitLab"])
def test_its_commands_are_shell_and_targets_of_make(host: str) -> None:
    script = scripts()[host]
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    targets = re.findall(r"\bmake ([\w-]+)", script)
    assert targets
    assert set(targets) <= {f"deploy-{framework.name}" for framework in find_frameworks()}


def test_its_variables_are_those_that_a_deployment_reads() -> None:
    (github,), (gitlab,) = GITHUB["jobs"].values(), GITLAB.values()
    read = {*CONNECTION, *IDENTITY, "RSCONNECT_FLAGS"}
    assert {*github["env"], *gitlab["variables"], *gitlab["id_tokens"]} <= read
    assert set(re.findall(r"\bCONNECT_[A-Z_]+", scripts()["GitHub"])) <= read

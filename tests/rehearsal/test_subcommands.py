"""Every subcommand of rsconnect: it works against the rehearsal, or is refused in one sentence.

README's table lists them. A new version of rsconnect with another subcommand fails here.
"""

import json
import re
from collections.abc import Iterator

import click
from rsconnect.main import cli as rsconnect

from tests.endurance import COUNTS
from tests.rehearsal.test_git import repository_of
from tests.rehearsal.test_rsconnect import Cli
from tests.rehearsal.test_rsconnect import cli as cli
from tooling.frameworks import ROOT

NONE = "00000000-0000-0000-0000-000000000000"
NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def subcommands(group: click.Group, *path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from subcommands(command, *path, name)
        else:
            yield " ".join((*path, name))


def table() -> dict[str, str]:
    """The rows of README's table: each subcommand, and what becomes of it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("### What rsconnect can do here")[2].partition("\n#")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {
        command: outcome.strip()
        for commands, outcome in rows
        for command in re.findall("`([^`]+)`", commands)
    }


def test_the_table_lists_every_subcommand_once() -> None:
    # `rsconnect add` and its like are older names of `rsconnect server add`.
    older = {"add", "list", "details", "remove", "bootstrap"}
    assert sorted(table()) == sorted(set(subcommands(rsconnect)) - older)


# The subcommand, its arguments, and what its output contains. They run in this order; {guid} is of
# content that was deployed before.
WORK = [
    ("server add", "--name here --server {url} --api-key {key}", "Added Connect server"),
    ("server set-default", "--name here", "here"),
    ("server list", "", "here"),
    ("server details", "--name here", "APIs: allowed"),
    ("server remove", "--name here", "Removed"),
    ("info", "{app}", "{guid}"),
    ("preflight", "{app}", '"status": "ok"'),
    ("write-manifest fastapi", "--overwrite --entrypoint main:app {app}", "Creating manifest"),
    ("write-manifest pyproject", "--overwrite {app}", "Creating manifest"),
    ("deploy manifest", "{app}/manifest.json", "Direct content URL"),
    ("deploy pyproject", "--app-id {guid} {app}", "Direct content URL"),
    ("deploy fastapi", "--app-id {guid} --entrypoint main:app {app}", "Direct content URL"),
    ("deploy html", "--new {site}", "Direct content URL"),
    ("content search", "", "{guid}"),
    ("content describe", "--guid {guid}", "{guid}"),
    ("content download-bundle", "--guid {guid} --output {site}/down.tar.gz", ""),
    ("deploy bundle", "--new {site}/down.tar.gz", "Direct content URL"),
    ("deploy git", "--new -r {repository} -b main -d one", "Direct content URL"),
    ("content repository show", "--guid {git}", "{repository}"),
    ("content repository redeploy", "--guid {git}", "Deployment task started"),
    ("content repository delete", "--guid {git} --force", "Removing git repository"),
    ("content build add", "--guid {guid}", "Added"),
    ("content build ls", "", "NEEDS_BUILD"),
    ("content build run", "", "Success = 1"),
    ("content build history", "--guid {guid}", "task_id"),
    ("content build logs", "--guid {guid}", "environment for these requirements"),
    ("content build rm", "--guid {guid}", "Removed"),
]
_HAS = "which Connect has"
REFUSED = [
    ("content get-lockfile", "--guid {guid} --output {site}/lock", _HAS),
    ("content venv", "--guid {guid} {site}/venv", _HAS),
    ("system caches list", "", _HAS),
    ("system caches delete", "--language Python --version 3.11", _HAS),
    ("environment list", "", _HAS),
    ("environment show", NONE, _HAS),
    ("environment add", "image", _HAS),
    ("environment edit", f"{NONE} --title x", _HAS),
    ("environment remove", NONE, _HAS),
    ("integration list", "", _HAS),
    ("integration show", NONE, _HAS),
    ("integration edit", f"{NONE} --description x", _HAS),
    ("integration remove", NONE, _HAS),
    ("integration templates list", "", _HAS),
    ("integration templates show", "x", _HAS),
    ("deploy api", "--new --entrypoint main:app {app}", "kind Python API (python-api)"),
    ("deploy flask", "--new --entrypoint main:app {app}", "kind Python API (python-api)"),
    ("deploy dash", "--new --entrypoint main:app {app}", "kind Dash Application"),
    ("deploy streamlit", "--new --entrypoint main:app {app}", "kind Streamlit Application"),
    ("deploy bokeh", "--new --entrypoint main:app {app}", "kind Bokeh Application"),
    ("deploy shiny", "--new --entrypoint main:app {app}", "kind Python Shiny Application"),
    ("deploy gradio", "--new --entrypoint main:app {app}", "kind Gradio Application"),
    ("deploy panel", "--new --entrypoint main:app {app}", "kind Panel Application"),
    ("deploy notebook", "--new {app}/n.ipynb", "kind Jupyter Notebook (jupyter-static)"),
    ("deploy voila", "--new {app}/n.ipynb", "kind Jupyter Voila Application"),
    ("deploy nodejs", "--new {app}", "kind Node.js application"),
    ("deploy tensorflow", "--new {site}", "kind TensorFlow Model"),
]
SAMPLE = (
    "server add",
    "server details",
    "environment list",
    "deploy dash",
    "deploy notebook",
)
"""What `make test-all` tries; `make soak` tries all, which takes a minute."""


def test_the_rows_of_the_table_are_tried() -> None:
    outcomes = table()
    works, refused = ({row[0] for row in rows} for rows in (WORK, REFUSED))
    assert {c for c, outcome in outcomes.items() if outcome == "works"} == works
    assert {c for c, outcome in outcomes.items() if outcome.startswith("refused")} == refused


def test_a_subcommand_does_what_the_table_says(cli: Cli) -> None:
    cli.deploy()
    site = cli.home / "site"
    (site / "1").mkdir(parents=True)
    (site / "index.html").write_text("<h1>Pages</h1>")
    (site / "1" / "saved_model.pb").write_text("")
    (cli.app / "n.ipynb").write_text(json.dumps(NOTEBOOK))
    for name in ("package.json", "package-lock.json"):
        package = {"name": "x", "version": "1", "main": "index.js", "packages": {}}
        (cli.app / name).write_text(json.dumps(package | {"lockfileVersion": 3}))
    (cli.app / "index.js").write_text("")
    values = {
        "repository": repository_of(cli),
        "url": cli.it.url,
        "key": cli.it.user("publisher").api_key,
        "guid": cli.guid,
        "app": str(cli.app),
        "site": str(site),
    }
    rows = [(*row, 0) for row in WORK] + [(*row, 1) for row in REFUSED]
    for command, arguments, sentence, code in rows:
        if command in SAMPLE or COUNTS.everything:
            # rsconnect takes a saved server or one in the environment, not both.
            cli.server_in_environment = "--name here" not in arguments
            if command == "content repository show":
                values["git"] = cli.it.rehearsal.state.contents()[0].guid
            words = [*command.split(), *(word.format(**values) for word in arguments.split())]
            assert sentence.format(**values) in cli(*words, code=code), command

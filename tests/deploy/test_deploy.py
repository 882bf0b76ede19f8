"""Deploying: the real rsconnect against a fake server, and what may keep it from that."""

import gzip
import io
import json
import os
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rsconnect.metadata import ServerStore, config_dirname

from deploy import rsconnect, verdict
from deploy.__main__ import main
from deploy.staging import stage
from tests.deploy.fake_connect import KEY, FakeConnect, fake_connect
from tests.deploy.tiny import BUNDLED, replace, write
from tooling.frameworks import Framework

# The contract in miniature: the address answers 200 to whoever has the key.
CONTRACT = {
    "tests/contract/conftest.py": """
def pytest_addoption(parser):
    parser.addoption("--url")
    parser.addoption("--app")
""",
    "tests/contract/test_contract.py": """
import json, os, pathlib
import httpx

def test_PAGES_1(request):
    print("as", os.environ.get("API_KEY"))
    url = request.config.getoption("--url")
    assert request.config.getoption("--app") == "tiny"
    told = {"url": url, "environment": dict(os.environ)}
    pathlib.Path("told.json").write_text(json.dumps(told))
    key = os.environ.get("API_KEY")
    headers = {"Authorization": f"Key {key}"} if key else {}
    assert httpx.get(url, headers=headers, trust_env=False).status_code == 200
""",
}


@pytest.fixture
def connect(tree: Path) -> Iterator[FakeConnect]:
    for path, text in CONTRACT.items():
        write(tree / path, text)
    with fake_connect() as fake:
        yield fake


@pytest.fixture
def unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what comes after: the bundle is staged, and trusted."""
    monkeypatch.setattr(rsconnect, "verify", lambda *_: None)


@pytest.fixture
def checked(unverified: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """For tests of what comes before the contract: the addresses that it would have been run
    against.
    """
    urls: list[str] = []

    def record(framework: Framework, url: str, target: rsconnect.Target, *_: object) -> None:
        urls.append(url)

    monkeypatch.setattr("deploy.__main__.check_contract", record)
    return urls


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Every command line that a process was started with."""
    started: list[Sequence[str]] = []

    class Recorded(subprocess.Popen[Any]):
        def __init__(self, args: Any, **keywords: Any) -> None:
            started.append(args)
            super().__init__(args, **keywords)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    return started


def run(
    connect: FakeConnect, flags: str = "", *, options: Sequence[str] = (), **environ: str
) -> int:
    """`make deploy-tiny` with a server and its key in the environment."""
    settings = {"CONNECT_SERVER": connect.url, "CONNECT_API_KEY": KEY, "RSCONNECT_FLAGS": flags}
    return main(["deploy", "tiny", *options], {**os.environ, **settings, **environ})


def told(tree: Path) -> dict[str, Any]:
    """What the contract run was given."""
    given: dict[str, Any] = json.loads((tree / "told.json").read_text())
    return given


# --- A deployment


@pytest.mark.parametrize("by_file", [False, True], ids=["a variable", "a file"])
def test_an_identity_token_of_ci_replaces_the_key(
    tree: Path, connect: FakeConnect, checked: list[str], by_file: bool
) -> None:
    connect.identity_token = "t0ken-of-the-job"
    (tree / "token").write_text("t0ken-of-the-job\n")
    token = (
        {"CONNECT_IDENTITY_TOKEN_FILE": str(tree / "token")}
        if by_file
        else {"CONNECT_IDENTITY_TOKEN": "t0ken-of-the-job"}
    )
    assert run(connect, CONNECT_API_KEY="", **token) == 0
    assert len(connect.uploads) == len(checked) == 1


@pytest.mark.usefixtures("checked")
def test_a_token_that_the_server_does_not_know_ends_in_one_line_without_it(
    connect: FakeConnect, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(connect, CONNECT_API_KEY="", CONNECT_IDENTITY_TOKEN="another-t0ken") == 1
    said = capfd.readouterr()
    assert said.err.startswith(
        "deploy: The identity token was not exchanged for a key: Connect did"
    )
    assert "another-t0ken" not in said.out + said.err
    assert connect.uploads == []


def test_a_server_without_a_fitting_python_is_named_before_anything_is_installed(
    connect: FakeConnect, capfd: pytest.CaptureFixture[str]
) -> None:
    connect.pythons = ["3.9.18", "3.10.13"]
    assert run(connect) == 1
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == (
        f"deploy: {connect.url} has no Python that fits the project's requires-python '>=3.11':"
        " it has 3.9.18, 3.10.13. Nothing was uploaded.\n"
    )
    assert connect.uploads == []
    assert connect.content == {}
    connect.pythons.append("3.12.1")
    assert run(connect) == 0


def test_the_whole_way_from_the_repository_to_a_checked_deployment(
    tree: Path,
    connect: FakeConnect,
    commands: list[Sequence[str]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(connect) == 0

    ((guid, upload),) = connect.uploads
    assert connect.content[guid]["title"] == "Greetings in Tiny"
    assert connect.active == {guid: "1"}
    with tarfile.open(fileobj=io.BytesIO(upload)) as tar:
        assert sorted(tar.getnames()) == sorted([*BUNDLED, "manifest.json"])
        manifest = json.load(tar.extractfile("manifest.json") or io.BytesIO())
    assert manifest["metadata"] == {"appmode": "python-fastapi", "entrypoint": "tiny_app.app:app"}
    assert manifest["environment"] == {"python": {"requires": ">=3.11"}}

    url = f"{connect.url}/content/{guid}/"
    said = capfd.readouterr()
    assert "Building the environment ..." in said.out
    assert f"Checking the contract at {url} ..." in said.out
    assert "1 passed" in said.out
    assert said.out.splitlines()[-1] == f"Tiny is deployed and keeps the contract: {url}"
    assert told(tree)["url"] == url
    assert told(tree)["environment"]["API_KEY"] == KEY
    assert "CONNECT_API_KEY" not in told(tree)["environment"]

    (rsconnect,) = (command for command in commands if "deploy" in command)
    assert rsconnect[0] == str(Path(sys.executable).with_name("rsconnect"))
    assert KEY not in said.out + said.err
    assert KEY not in repr(commands)
    (tree / "told.json").unlink()
    holding = [
        file for file in tree.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()
    ]
    assert holding == []


@pytest.mark.usefixtures("checked")
def test_a_second_deployment_updates_the_same_content(tree: Path, connect: FakeConnect) -> None:
    assert run(connect) == 0
    (guid,) = connect.content
    connect.content[guid]["title"] = "As its owner calls it"
    replace(tree / "shared/static/styles.css", "red", "tan")
    assert run(connect) == 0
    # The same server, as Connect itself spells such addresses.
    assert run(connect, CONNECT_SERVER=f"{connect.url}/") == 0

    assert list(connect.content) == [guid]
    assert connect.content[guid]["title"] == "As its owner calls it"
    assert connect.active == {guid: "3"}
    with tarfile.open(fileobj=io.BytesIO(connect.uploads[1][1])) as tar:
        assert sorted(tar.getnames()) == sorted([*BUNDLED, "manifest.json"])
        assert b"tan" in (tar.extractfile("shared/static/styles.css") or io.BytesIO()).read()


@pytest.mark.usefixtures("checked")
def test_two_servers_have_content_of_their_own(connect: FakeConnect) -> None:
    with fake_connect() as other:
        assert [run(connect), run(other), run(connect)] == [0, 0, 0]
        assert len(connect.content) == len(other.content) == 1


def test_a_draft_is_checked_at_its_own_address(connect: FakeConnect, checked: list[str]) -> None:
    flags = ["", "--draft", "--draft --quiet", "--quiet"]
    assert [run(connect, flag) for flag in flags] == [0, 0, 0, 0]
    (guid,) = connect.content
    url = f"{connect.url}/content/{guid}/"
    assert checked == [url, f"{url}_bundle2/", f"{url}_bundle3/", url]
    assert connect.active == {guid: "4"}


def test_a_server_without_drafts_is_deployed_to_as_well(
    connect: FakeConnect, checked: list[str]
) -> None:
    connect.version = "2024.01.0"
    assert run(connect) == 0
    (guid,) = connect.content
    assert checked == [f"{connect.url}/content/{guid}/"]


@pytest.mark.usefixtures("unverified")
def test_a_saved_server_is_named_and_its_key_goes_to_the_contract_alone(
    tree: Path,
    connect: FakeConnect,
    commands: list[Sequence[str]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    ServerStore(config_dirname()).set("work", connect.url, KEY)
    # A key for another server must not go to this one.
    assert (
        run(
            connect,
            options=("--server", "work"),
            CONNECT_SERVER="http://x.example",
            CONNECT_API_KEY="other",
        )
        == 0
    )
    assert told(tree)["environment"]["API_KEY"] == KEY
    (rsconnect,) = (command for command in commands if "deploy" in command)
    assert rsconnect[rsconnect.index("--name") + 1] == "work"
    said = capfd.readouterr()
    assert KEY not in said.out + said.err + repr(commands)
    # The same content as without the name.
    assert run(connect) == 0
    assert len(connect.content) == 1


@pytest.mark.usefixtures("checked")
def test_flags_reach_rsconnect_as_a_shell_would_split_them(connect: FakeConnect) -> None:
    assert run(connect, "--title 'Two words' -v --no-metadata") == 0
    (content,) = connect.content.values()
    assert content["title"] == "Two words"
    with gzip.open(io.BytesIO(connect.uploads[0][1])) as upload:  # no metadata: no form around it
        assert upload.read(1)


def test_both_commands_of_rsconnect_deploy_the_same_from_a_bundle(
    tiny: Framework, connect: FakeConnect
) -> None:
    bundle = stage(tiny)
    target = rsconnect.Target(connect.url, KEY, None)
    program = str(Path(sys.executable).with_name("rsconnect"))
    for command in (
        [program, "deploy", "fastapi", "--entrypoint", "tiny_app.app:app", str(bundle)],
        [program, "deploy", "pyproject", "--new", str(bundle)],
    ):
        assert rsconnect.run(command, target.variables(os.environ), KEY)[0] == 0
    (_, one), (_, other) = connect.uploads
    assert unpacked(one) == unpacked(other)


def unpacked(upload: bytes) -> list[tuple[str, int, float, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(upload)) as tar:
        return [
            (
                member.name,
                member.mode,
                member.mtime,
                (tar.extractfile(member) or io.BytesIO()).read(),
            )
            for member in tar
        ]


# --- A deployment that does not do


@pytest.mark.usefixtures("unverified")
def test_an_app_that_answers_404_everywhere_fails_though_rsconnect_is_content(
    connect: FakeConnect, capfd: pytest.CaptureFixture[str]
) -> None:
    connect.answer = 404
    assert run(connect) == 1
    said = capfd.readouterr()
    assert "Deployment completed successfully." in said.out
    assert "tests/contract/test_contract.py:" in said.out
    assert "test_PAGES_1" in said.out
    assert "as ***" in said.out
    assert KEY not in said.out
    assert said.err.startswith("deploy: The app at http://127.0.0.1:")
    assert "does not keep the contract" in said.err


@pytest.mark.usefixtures("unverified")
def test_a_contract_that_cannot_be_run_is_no_success(
    tree: Path, connect: FakeConnect, capfd: pytest.CaptureFixture[str]
) -> None:
    (tree / "tests/contract/conftest.py").unlink()
    assert run(connect) == 1
    assert "The contract could not be checked at http://127" in capfd.readouterr().err


def test_a_wrong_key_is_said_so_before_anything_is_installed(
    connect: FakeConnect, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(connect, CONNECT_API_KEY="wr0ng-key") == 1
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == "deploy: The specified API key is not valid. Nothing was uploaded.\n"
    assert connect.content == {}


@pytest.mark.usefixtures("checked")
def test_the_key_of_a_viewer_is_said_to_be_denied(
    connect: FakeConnect, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(connect) == 0
    connect.may_publish = False
    capfd.readouterr()
    assert run(connect) == 1
    assert capfd.readouterr().err.startswith(
        "deploy: The server does not have this content, or denies access."
    )


@pytest.mark.usefixtures("checked")
def test_content_that_was_deleted_on_the_server_can_be_made_anew(
    connect: FakeConnect, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(connect) == 0
    connect.content.clear()
    capfd.readouterr()
    assert run(connect) == 1
    assert capfd.readouterr().err == (
        "deploy: The server does not have this content, or denies access."
        " To make new content instead: make deploy-tiny RSCONNECT_FLAGS=--new\n"
    )
    assert run(connect, "--new") == 0
    assert run(connect) == 0
    (guid,) = connect.content
    assert connect.content[guid]["title"] == "Greetings in Tiny"
    assert [upload[0] for upload in connect.uploads[1:]] == [guid, guid]


@pytest.mark.usefixtures("unverified")
def test_a_failed_build_on_the_server_is_not_checked(
    tree: Path, connect: FakeConnect, capfd: pytest.CaptureFixture[str]
) -> None:
    connect.task_code = 1
    assert run(connect) == 1
    assert "Task exited with status 1." in capfd.readouterr().out
    assert connect.active == {}
    assert not (tree / "told.json").exists()


def test_a_server_that_is_not_there_is_said_so_before_anything_is_installed(
    connect: FakeConnect, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(connect, CONNECT_SERVER="http://127.0.0.1:1") == 1
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == (
        "deploy: Could not connect to http://127.0.0.1:1 (ConnectionRefusedError). Nothing was"
        " uploaded.\n"
    )


def test_a_bundle_that_does_not_start_is_not_sent(
    tree: Path, connect: FakeConnect, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tree / "tiny_app/app.py", "api = None\n")
    assert run(connect) == 1
    assert capfd.readouterr().err == (
        "deploy: tiny_app.app:app does not start from its bundle:"
        ' Attribute "app" not found in module "tiny_app.app".\n'
    )
    assert connect.content == {}


# --- Settings


NAMED = {"CONNECT_SERVER": "http://x.example", "CONNECT_API_KEY": KEY}


def refusal(
    arguments: list[str], environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> str:
    assert main(arguments, environ) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


def test_without_settings_it_says_which_and_how_to_get_them(
    tiny: Framework, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refusal(["deploy", "tiny"], {}, capsys)
    assert message.splitlines()[0] == (
        "deploy: No server to deploy to: SERVER is not set, nor CONNECT_SERVER and CONNECT_API_KEY."
    )
    assert "rsconnect add" in message
    assert "make deploy-tiny SERVER=work" in message
    assert "export CONNECT_SERVER=" in message


def test_a_server_without_a_key_is_told_what_is_missing(
    tiny: Framework, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refusal(["deploy", "tiny"], {"CONNECT_SERVER": "http://x.example"}, capsys)
    assert message.startswith(
        "deploy: No server to deploy to: SERVER is not set, nor CONNECT_API_KEY."
    )


def test_an_unknown_server_is_told_which_there_are(
    tiny: Framework, capsys: pytest.CaptureFixture[str]
) -> None:
    ServerStore(config_dirname()).set("work", "http://x.example", KEY)
    message = refusal(["deploy", "tiny", "--server", "wrok"], {}, capsys)
    assert message.startswith("deploy: rsconnect has no server saved as wrok; there are: work.")


def test_a_saved_account_elsewhere_is_not_a_connect_server(
    tiny: Framework, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ServerStore(config_dirname())
    store.set("cloud", "https://x.example", account_name="ada", token="t", secret="s")
    message = refusal(["deploy", "tiny", "--server", "cloud"], {}, capsys)
    assert message == "deploy: The server that rsconnect saved as cloud is not a Connect server.\n"


def test_an_unreadable_list_of_servers_is_said_so(
    tiny: Framework, capsys: pytest.CaptureFixture[str]
) -> None:
    write(Path(config_dirname()) / "servers.json", "{")
    message = refusal(["deploy", "tiny", "--server", "work"], {}, capsys)
    assert message.startswith("deploy: rsconnect's list of servers, in ")


@pytest.mark.parametrize("server", ["connect.example.org", "ftp://x.example", "http:///x"])
def test_a_server_that_is_no_address_is_refused(
    tiny: Framework, capsys: pytest.CaptureFixture[str], server: str
) -> None:
    message = refusal(
        ["deploy", "tiny"], {"CONNECT_SERVER": server, "CONNECT_API_KEY": KEY}, capsys
    )
    assert message == f"deploy: CONNECT_SERVER must be an http(s) address, not {server!r}.\n"


@pytest.mark.parametrize("flag", [f"-k {KEY}", f"-k{KEY}", f"--api-key={KEY}", f"-vNk {KEY}"])
def test_a_key_among_the_flags_is_refused_and_not_repeated(
    tiny: Framework, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    message = refusal(["deploy", "tiny"], NAMED | {"RSCONNECT_FLAGS": flag}, capsys)
    assert message.startswith("deploy: RSCONNECT_FLAGS must not contain an API key")
    assert KEY not in message


@pytest.mark.parametrize("flag", ["-n work", "--name=work", "--server http://x", "-vs http://x"])
def test_a_server_among_the_flags_is_refused(
    tiny: Framework, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    message = refusal(["deploy", "tiny"], NAMED | {"RSCONNECT_FLAGS": flag}, capsys)
    assert message.startswith("deploy: RSCONNECT_FLAGS must not name a server")


@pytest.mark.parametrize("flags", ["-E KEY=-k", "--no-verify", "--new", "-N", "-a 1-k", "--draft"])
def test_other_flags_are_taken(flags: str) -> None:
    assert rsconnect.find_flags({"RSCONNECT_FLAGS": flags}) == shlex.split(flags)


def test_flags_with_an_open_quote_are_refused(
    tiny: Framework, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {
        "CONNECT_SERVER": "http://x.example",
        "CONNECT_API_KEY": KEY,
        "RSCONNECT_FLAGS": "'",
    }
    message = refusal(["deploy", "tiny"], settings, capsys)
    assert message == "deploy: RSCONNECT_FLAGS cannot be split into flags: No closing quotation.\n"


def test_an_unknown_framework_is_told_which_there_are(
    tiny: Framework, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refusal(["deploy", "nosuch"], {}, capsys)
    assert message == "deploy: There is no nosuch_app/ here; there are: tiny.\n"


def test_what_rsconnect_trusts_the_contract_trusts(
    tiny: Framework, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, str] = {}

    def record(
        command: Sequence[str], environment: dict[str, str], secret: str | None, cwd: Path
    ) -> tuple[int, str]:
        given.update(environment)
        return 0, ""

    monkeypatch.setattr(verdict, "run", record)
    target = rsconnect.Target("https://x.example", None, "work")
    environ = {"CONNECT_CA_CERTIFICATE": "/ca.pem", "API_KEY": "another server's"}
    verdict.check_contract(tiny, "https://x.example/content/1/", target, environ)
    del given["PYTHONUNBUFFERED"]
    assert given == {"CONNECT_CA_CERTIFICATE": "/ca.pem", "SSL_CERT_FILE": "/ca.pem"}


# --- The key


@pytest.mark.parametrize("size", range(1, 12))
def test_a_key_is_hidden_wherever_the_output_is_cut(size: int) -> None:
    text = b"Key abcabd, abcab abcabdabcabd. abca"
    chunks = [text[start : start + size] for start in range(0, len(text), size)]
    assert b"".join(rsconnect.hide(b"abcabd", chunks)) == b"Key ***, abcab ******. abca"


def test_output_is_passed_on_before_its_line_ends() -> None:
    chunks = rsconnect.hide(b"key", iter([b"Deploying ... k", b"ept"]))
    assert next(chunks) == b"Deploying ... "

"""The pytest plugin that compares the canonical result with the committed one.

A run of the whole contract (`make contract-check`, `make test-all`) fails if they differ; with
`--record` it replaces the committed one. A run of a part of it, or one in which a case failed,
compares nothing.
"""

import pytest

from tests.contract import canonical_result
from tests.contract.plugin import RESULTS, SUBJECTS, parts_of_subjects

DIFFERENCES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract")
    group.addoption("--record", action="store_true", help="replace the committed result")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workeroutput") and session.config.stash[RESULTS]:
        compare(session)


def compare(session: pytest.Session) -> None:
    """Compares the canonical result with the committed one, or replaces that."""
    config = session.config
    found, subjects = config.stash[RESULTS], config.stash[SUBJECTS]
    everything = not any(map(config.getoption, ("--app", "--server", "--url")))
    results = canonical_result.complete(found, parts_of_subjects(config))
    if not everything or results is None:
        if config.getoption("--record"):
            _fail(session, ["Nothing is recorded: it needs the whole suite, without a failure."])
        return
    document = canonical_result.document_of(results, subjects)
    if config.getoption("--record"):
        canonical_result.write(document)
        return
    try:
        committed = canonical_result.read()
        if committed["python"] != canonical_result.PYTHON:
            config.stash[DIFFERENCES] = [canonical_result.not_compared(committed)]
            return
        differing = canonical_result.differences(committed, document)
    except (OSError, ValueError, KeyError) as error:
        differing = [f"it cannot be read: {error!r}"]
    if differing:
        _fail(session, canonical_result.message(differing))


def _fail(session: pytest.Session, lines: list[str]) -> None:
    session.config.stash[DIFFERENCES] = lines
    session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash.get(DIFFERENCES, []):
        terminalreporter.write_line(line, red=True)

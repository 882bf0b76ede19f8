"""The applications can be read side by side: same headings, same names, little code, no hidden
imports.
"""

import ast
import io
import re
import sys
import tokenize
from importlib.metadata import packages_distributions

import pytest

from tooling.frameworks import ROOT, Framework, find_frameworks

HEADINGS = [
    "Start-up and shutdown",
    "Greetings",
    "Hello",
    "Live",
    "Health",
    "Pages",
    "Documentation",
    "Refusals",
    "The application",
]

MAX_LINES_OF_CODE = 200

HANDLERS = {
    "get_about",
    "get_docs",
    "get_greeting",
    "get_greetings",
    "get_health",
    "get_hello",
    "get_index",
    "get_openapi",
    "get_static",
    "get_user",
    "on_http_error",
    "on_problem",
    "on_unavailable",
    "stream_greetings",
    "talk",
}

ABSENT = {
    # StaticFiles is mounted.
    "fastapi": {"get_static"},
}

ADDITIONAL = {
    # Two dependencies; FastAPI's own validation errors; unexpected errors, which the other two log
    # and turn into an HTTP error of their own.
    "fastapi": {"get_store", "get_events", "on_invalid", "on_error"},
    "sanic": {"on_error"},
}

# Falcon fixes the names of responders: on_, the HTTP method, and a suffix where a class has
# several.
RESPONDERS = {
    "Documentation.on_get_docs": "get_docs",
    "Documentation.on_get_openapi": "get_openapi",
    "Greetings.on_get_greeting": "get_greeting",
    "Greetings.on_get_greetings": "get_greetings",
    "Greetings.on_get_stream": "stream_greetings",
    "Health.on_get": "get_health",
    "Hello.on_get": "get_hello",
    "Live.on_websocket": "talk",
    "Pages.on_get_about": "get_about",
    "Pages.on_get_index": "get_index",
    "Static.on_get": "get_static",
    "Static.on_head": None,
}

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

each_app = pytest.mark.parametrize("framework", find_frameworks(), ids=lambda f: f.name)


def source(framework: Framework) -> str:
    return (framework.folder / "app.py").read_text(encoding="utf-8")


def lines_of_code(text: str) -> int:
    """The lines that hold more than a comment or a docstring."""
    neither = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines = {
        number
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in neither and token.string
        for number in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def handlers(text: str) -> set[str]:
    """The names of the handlers in a module; of Falcon's responders, the names that the others
    have.
    """
    names: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, FUNCTIONS) and re.match(r"(get|stream|on)_|talk$", node.name):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, FUNCTIONS) and method.name.startswith("on_"):
                    name = RESPONDERS[f"{node.name}.{method.name}"]
                    names |= {name} if name else set()
    return names


def imported(text: str) -> set[str]:
    """The top-level packages that a module imports, without the standard library's."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert node.level == 0, "a relative import"
            names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names


@each_app
def test_an_app_has_the_nine_headings_in_their_order(framework: Framework) -> None:
    assert re.findall(r"^# --- (.*)$", source(framework), re.MULTILINE) == HEADINGS


@each_app
def test_an_app_ends_with_the_four_layers_around_it(framework: Framework) -> None:
    last = ast.unparse(ast.parse(source(framework)).body[-1])
    assert re.fullmatch(
        r"app = connect\.Mount\(Lifespan\(Security\(Files\(\w+\), websockets={'/live'}\)\),"
        r" path='(included|stripped)'\)",
        last,
    )


@each_app
def test_an_app_has_at_most_200_lines_of_code(framework: Framework) -> None:
    assert lines_of_code(source(framework)) <= MAX_LINES_OF_CODE


@each_app
def test_handlers_have_the_same_names_in_every_app(framework: Framework) -> None:
    absent, additional = (table.get(framework.name, set()) for table in (ABSENT, ADDITIONAL))
    assert handlers(source(framework)) == HANDLERS - absent | additional


@each_app
def test_a_websocket_is_called_websocket(framework: Framework) -> None:
    named = {
        argument.arg
        for argument in ast.walk(ast.parse(source(framework)))
        if isinstance(argument, ast.arg)
        and isinstance(argument.annotation, ast.Name)
        and argument.annotation.id.lower() == "websocket"
    }
    assert named <= {"websocket"}


@each_app
def test_an_app_imports_only_shared_and_what_its_requirements_install(framework: Framework) -> None:
    lock = (framework.folder / "requirements.txt").read_text(encoding="utf-8")
    installed = set(re.findall(r"^([a-z0-9._-]+)(?:\[.*?\])?==", lock, re.MULTILINE))
    distributions = packages_distributions()
    foreign = {
        name
        for name in imported(source(framework)) - {"shared"}
        if not installed & {distribution.lower() for distribution in distributions.get(name, [])}
    }
    assert not foreign


def test_shared_imports_no_framework_and_no_app() -> None:
    packages = {framework.contract["distribution"] for framework in find_frameworks()}
    packages |= {framework.folder.name for framework in find_frameworks()}
    for module in (ROOT / "shared").glob("*.py"):
        assert not imported(module.read_text(encoding="utf-8")) & packages, module.name


def test_lines_of_code_are_neither_blank_nor_comments_nor_docstrings() -> None:
    text = (
        '"""Of the module.\n\n"""\n\nx = 1  # a comment\n# another\ny = """\n\n"""\n"""Of y."""\n'
    )
    assert lines_of_code(text) == 4

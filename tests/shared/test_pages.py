"""The files and the links of the pages, by themselves."""

import os
from pathlib import Path

import pytest

from shared import pages
from shared.pages import LACKS_SLASH, STATIC, links, static_file


@pytest.mark.parametrize("path", ["styles.css", "swagger-ui/swagger-ui.css"])
def test_a_file_is_found_below_static(path: str) -> None:
    assert static_file(path) == STATIC / path


@pytest.mark.parametrize(
    "path",
    [
        "nothing.css",
        "swagger-ui",
        "styles.css/x",
        "styles.css\0",
        "x" * 300,
        # These are no names of a file, though a path may have them.
        "",
        "/styles.css",
        "styles.css/",
        "swagger-ui//swagger-ui.css",
        "./styles.css",
        "swagger-ui/./swagger-ui.css",
        "swagger-ui/../styles.css",
        "../greetings.json",
    ],
)
def test_anything_else_is_no_file(path: str) -> None:
    assert static_file(path) is None


def test_a_link_that_leads_outside_and_a_pipe_are_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    static = tmp_path / "static"
    static.mkdir()
    (tmp_path / "outside").touch()
    (static / "file").touch()
    (static / "inward").symlink_to("file")
    (static / "outward").symlink_to(tmp_path / "outside")
    os.mkfifo(static / "pipe")
    monkeypatch.setattr(pages, "STATIC", static.resolve())
    assert static_file("inward") == static.resolve() / "file"
    assert static_file("outward") is None
    assert static_file("pipe") is None


@pytest.mark.parametrize(
    ("landing_page", "root_path", "lacks_slash", "root", "landing"),
    [
        (None, "", False, ".", None),
        ("", "", False, ".", None),
        ("/", "", False, ".", "./"),
        ("/apps", "", False, ".", "./apps"),
        ("/apps", "/content/1b2c", False, ".", "./../../apps"),
        # A browser resolves these against /content/.
        (None, "/content/1b2c", True, "1b2c", None),
        ("/apps", "/content/1b2c", True, "1b2c", "1b2c/../../apps"),
        ("https://h.example/apps", "/content/1b2c", False, ".", "https://h.example/apps"),
    ],
)
def test_links_are_relative_to_the_page(
    landing_page: str | None,
    root_path: str,
    lacks_slash: bool,
    root: str,
    landing: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LANDING_PAGE", raising=False)
    if landing_page is not None:
        monkeypatch.setenv("LANDING_PAGE", landing_page)
    scope = {"root_path": root_path} | ({LACKS_SLASH: True} if lacks_slash else {})
    assert links(scope) == {"root": root, "landing": landing}

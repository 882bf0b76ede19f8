"""The package indexes that the user has configured for uv or pip, as environment variables of uv.

This project calls uv without its configuration files (see `tooling/uv.py`), so that uv would not
find a company's mirror that such a file names. This module imports only the standard library,
because `make setup` uses it before anything is installed.
"""

import configparser
import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tooling.errors import UsageError

_NAMED_FOR_UV = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")


def index_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns variables to add to `environ` before uv is called without configuration files.

    An index that is configured for uv is used; without one, the index that is configured for pip.
    uv reads passwords from the file that `NETRC` names, else from `~/.netrc`. Raises `UsageError`
    for a file that cannot be parsed.
    """
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    found = {} if environ.get("UV_CONFIG_FILE") else _of_uv(home, environ)
    if not any(environ.get(name) or name in found for name in _NAMED_FOR_UV):
        found |= _of_pip(home, environ)
    if (home / ".netrc").is_file():
        found["NETRC"] = str(home / ".netrc")
    return {name: value for name, value in found.items() if not environ.get(name)}


def pip_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the same index and certificates for pip, which installs uv if it is missing."""
    index = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or ""
    named, _, url = index.partition("=")
    certificates = environ.get("PIP_CERT") or environ.get("SSL_CERT_FILE") or ""
    return _present(PIP_INDEX_URL=named if "://" in named else url, PIP_CERT=certificates)


def _of_uv(home: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Reads the system's file, then the user's: https://docs.astral.sh/uv/concepts/configuration-files/"""
    settings: dict[str, Any] = {}
    system = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    user = environ.get("XDG_CONFIG_HOME") or home / ".config"
    for folder in ("/etc", *reversed(system), user):
        file = Path(folder) / "uv" / "uv.toml"
        if file.is_file():
            try:
                read = tomllib.loads(file.read_text(encoding="utf-8"))
            except ValueError as error:
                raise UsageError(f"{file} is not TOML: {error}.") from None
            settings |= read | read.get("pip", {})
    indexes = [index for index in settings.get("index", []) if not index.get("explicit")]
    default = [_named(index) for index in indexes if index.get("default")]
    others = [_named(index) for index in indexes if not index.get("default")]
    return _present(
        UV_DEFAULT_INDEX=default[0] if default else settings.get("index-url"),
        UV_INDEX=" ".join(others + settings.get("extra-index-url", [])),
        UV_INDEX_STRATEGY=settings.get("index-strategy"),
        UV_KEYRING_PROVIDER=settings.get("keyring-provider"),
        UV_INSECURE_HOST=" ".join(settings.get("allow-insecure-host", [])),
    )


def _named(index: Mapping[str, Any]) -> str:
    # The name selects the variables with its password: UV_INDEX_<NAME>_USERNAME,
    # UV_INDEX_<NAME>_PASSWORD.
    return f"{index['name']}={index['url']}" if "name" in index else f"{index['url']}"


def _of_pip(home: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Reads the files, then `PIP_*`: https://pip.pypa.io/en/stable/topics/configuration/"""
    parser = configparser.RawConfigParser()
    try:
        parser.read(_files_of_pip(home, environ), encoding="utf-8")
    except configparser.Error as error:
        raise UsageError(f"{error}".replace("\n", " ")) from None

    def setting(name: str) -> str:
        variable = environ.get(f"PIP_{name.upper().replace('-', '_')}")
        of_command = parser.get("install", name, fallback=None)
        return variable or of_command or parser.get("global", name, fallback=None) or ""

    others = " ".join(setting("extra-index-url").split())
    return _present(
        UV_DEFAULT_INDEX=setting("index-url"),
        UV_INDEX=others,
        # pip installs the best version of all its indexes.
        UV_INDEX_STRATEGY="unsafe-best-match" if others else "",
        SSL_CERT_FILE=setting("cert"),
    )


def _files_of_pip(home: Path, environ: Mapping[str, str]) -> list[Path]:
    """Returns the files that pip reads if they exist. The last one wins."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip"
    if sys.platform == "darwin":
        system = [Path("/Library/Application Support/pip")]
        library = home / "Library" / "Application Support" / "pip"
        user = library if library.is_dir() else user
    else:
        folders = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
        system = [*(Path(folder) / "pip" for folder in folders), Path("/etc")]
    files = [folder / "pip.conf" for folder in (*system, home / ".pip", user)]
    return [*files, Path(named)] if named else files


def _present(**variables: str | None) -> dict[str, str]:
    return {name: value for name, value in variables.items() if value}

"""What `GREETINGS_URL` may be: checks it, and names its database without any secret.

libpq reads the URL, so that every parameter has the meaning that it has for `psql`. Source:
https://www.postgresql.org/docs/current/libpq-connect.html.
"""

import os
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from shared.errors import ConfigurationError

_NO_URL = (
    "GREETINGS_URL is not an address such as postgresql://user:password@host:5432/database;"
    " characters like @ / ? # % & in a password have to be percent-encoded."
)

# libpq reads these only while it connects. By then a wrong number looks like an absent database.
_NUMBERS = (
    "connect_timeout",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "tcp_user_timeout",
)


def address(url: str) -> str:
    """Returns `host:port/database` of a URL, for messages: without user and password.

    Raises `ConfigurationError` if it is not the URL of a database.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError(_NO_URL) from None
    # Only the text after the @ is shown. With a second @, it could contain part of the password.
    _, at, server = parts.netloc.rpartition("@")
    if parts.scheme not in ("postgresql", "postgres") or url.count("@") != len(at):
        raise ConfigurationError(_at_sign(parts.query) or _NO_URL)
    return server + parts.path


def parameters(url: str) -> dict[str, str]:
    """Returns the connection parameters in a URL. No connection is opened.

    Raises `ConfigurationError`, which names the parameter that libpq does not take, and never a
    password.
    """
    address(url)
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.ProgrammingError:
        # The message may quote a part of the password.
        raise ConfigurationError(_unknown(url) or _NO_URL) from None
    except ValueError:
        raise ConfigurationError(_NO_URL) from None  # An invalid byte, or NUL.
    given = {**_hosts(given), **given}
    options = _effective(given)
    for name in _NUMBERS:
        if re.fullmatch(r"\s*[+-]?[0-9]{1,9}\s*", options.get(name, "0")) is None:
            raise ConfigurationError(f"GREETINGS_URL: {name} must be a whole number.")
    for host in options["host"].split(","):
        try:
            host.startswith("/") or host.encode("idna")  # As the resolver does.
        except UnicodeError:
            raise ConfigurationError("GREETINGS_URL: host is not a host name.") from None
    _check_root_certificate(options)
    if "sslcert" not in options and not _readable_home():
        # libpq looks for a client's certificate there, and does not connect if it may not.
        given.setdefault("sslcertmode", "disable")
    return given


def _at_sign(query: str) -> str | None:
    """Returns a sentence that names the first parameter with an @ that is not encoded, if any."""
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        # Any other name could be a part of the password.
        if "@" in value and name.encode() in (o.keyword for o in pq.Conninfo.get_defaults()):
            return f"GREETINGS_URL: the @ in {name} has to be written as %40."
    return None


def _unknown(url: str) -> str | None:
    """Returns a sentence that names the first parameter that libpq does not know, if any."""
    options = {option.keyword.decode(): option for option in pq.Conninfo.get_defaults()}
    for pair in urlsplit(url).query.split("&"):
        name = unquote(pair.partition("=")[0])
        if name in options and options[name].dispchar == b"*":
            return None  # What follows a password may be the rest of it.
        # libpq takes `ssl=true` for JDBC's sake.
        if name not in options and name != "ssl":
            if re.fullmatch("[A-Za-z_]{1,40}", name) is None:
                return None
            return f"GREETINGS_URL: there is no parameter {name} that PostgreSQL's libpq knows."
    return None


def _effective(given: Mapping[str, str]) -> dict[str, str]:
    """Returns the parameters with those from the environment and from a service file.

    Raises `ConfigurationError` for a value that libpq refuses.
    """
    names, addresses = (given.get(name, "").split(",") for name in ("host", "hostaddr"))
    if given.get("host") and given.get("hostaddr") and len(names) != len(addresses):
        raise ConfigurationError("GREETINGS_URL: host and hostaddr must have as many entries.")
    # libpq checks most values when it begins to connect, before it resolves or contacts a host.
    # There is no server at this address, so that it always stops there.
    hosts = max(len(names), len(addresses))
    probe = {**given, "host": ",".join([os.devnull] * hosts), "hostaddr": ""}
    if probe.get("gssencmode") == "require":
        del probe["gssencmode"]  # It is refused for a Unix socket.
    try:
        connection = pq.PGconn.connect_start(make_conninfo(**probe).encode())
    except (psycopg.Error, ValueError):
        raise ConfigurationError(_NO_URL) from None
    try:
        # libpq is not translated here: Python does not set the locale of messages.
        said = connection.get_error_message("utf-8")
        if "connection to server" not in said:
            raise ConfigurationError(f"GREETINGS_URL: {' '.join(said.split())}.")
        effective = {
            option.keyword.decode(): option.val.decode(errors="replace")
            for option in connection.info
            if option.val is not None
        }
        return {**effective, **{name: given.get(name, "") for name in ("host", "hostaddr")}}
    finally:
        connection.finish()


def _hosts(given: Mapping[str, str]) -> dict[str, str]:
    """Returns the hosts with those from the environment and from a service file.

    psycopg resolves host names and waits for each host itself, but does not read service files.
    """
    # This value is refused after the file has been read, and before a host is contacted.
    stopped = {**given, "target_session_attrs": "none"}
    connection = pq.PGconn.connect_start(make_conninfo(**stopped).encode())
    try:
        return {
            name: option.val.decode(errors="replace")
            for option in connection.info
            if (name := option.keyword.decode()) in ("host", "hostaddr", "port", "connect_timeout")
            and option.val
        }
    finally:
        connection.finish()


def _check_root_certificate(options: Mapping[str, str]) -> None:
    """Raises `ConfigurationError` if a file is needed to verify the server, and cannot be read.

    libpq notices this after the server has agreed to TLS, and then it looks like a server that
    cannot be reached.
    """
    file = options.get("sslrootcert") or os.path.expanduser("~/.postgresql/root.crt")
    host = options["hostaddr"] or options["host"]
    local = not host or host.startswith(("/", "@"))  # TLS is not used on a Unix socket.
    verified = options.get("sslmode", "").startswith("verify-")
    if verified and not local and file != "system" and not os.access(file, os.R_OK):
        raise ConfigurationError(
            f"GREETINGS_URL: sslmode={options['sslmode']} needs the file that sslrootcert names,"
            f" and {file} cannot be read."
        )


def _readable_home() -> bool:
    try:
        os.stat(os.path.expanduser("~/.postgresql/postgresql.crt"))
    except PermissionError:
        return False
    except OSError:
        pass  # It is not there, which is no error.
    return True

"""Which store the greetings come from: the one place that reads `GREETINGS_URL`."""

import os

from shared.greetings import FILE, GreetingsError, JSONStore, Store, read_greetings


async def open_store() -> Store:
    """The store that `GREETINGS_URL` names: unset, `greetings.json`; `postgresql://...`, that database.

    A database that does not answer is no error here: the store asks it anew for every request. Raises
    `GreetingsError`, which is meant to stop the start-up, for what no request can mend.
    """
    url = os.environ.get("GREETINGS_URL")
    if not url:
        return JSONStore(read_greetings(FILE))
    if not url.startswith(("postgresql://", "postgres://")):
        # Without the value: a scheme that is misspelt may stand before a password.
        raise GreetingsError(
            "GREETINGS_URL must begin with postgresql://, or be unset for greetings.json."
        )
    # Not above: the driver is loaded, and has to be installed, only where there is a database.
    try:
        from shared.postgresql import PostgreSQLStore, Settings
    except ModuleNotFoundError as error:
        raise GreetingsError(
            f"GREETINGS_URL needs the package {error.name}: install requirements-postgres.txt,"
            " or stage the bundle with STORE=postgres."
        ) from None
    return await PostgreSQLStore.open(url, Settings.from_environment())

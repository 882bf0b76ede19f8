"""Chooses the store: the one module that reads `GREETINGS_URL`."""

import os

from shared.greetings import FILE, GreetingsError, JSONStore, Store, read_greetings


async def open_store() -> Store:
    """Opens the store that `GREETINGS_URL` names: unset, `greetings.json`; `postgresql://...`, that
    database.

    A database that does not answer is no error here: the store tries again at every request. Raises
    `GreetingsError` for a configuration error, which is meant to stop the start-up.
    """
    url = os.environ.get("GREETINGS_URL")
    if not url:
        return JSONStore(read_greetings(FILE))
    if not url.startswith(("postgresql://", "postgres://")):
        # The message omits the value, which may contain a password.
        raise GreetingsError(
            "GREETINGS_URL must begin with postgresql://, or be unset for greetings.json."
        )
    # Imported here: the driver needs to be installed only where a database is used.
    try:
        from shared.postgresql import PostgreSQLStore, Settings
    except ModuleNotFoundError as error:
        raise GreetingsError(
            f"GREETINGS_URL needs the package {error.name}: install requirements-postgres.txt,"
            " or stage the bundle with STORE=postgres."
        ) from None
    return await PostgreSQLStore.open(url, Settings.from_environment())

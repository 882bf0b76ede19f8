"""Opens the configured store. No other module of the apps reads `GREETINGS_URL`."""

import os

from shared.errors import ConfigurationError
from shared.greetings import FILE, JSONStore, Store, read_greetings


async def open_store() -> Store:
    """Opens the store that `GREETINGS_URL` names: `greetings.json` if unset, else that database.

    A database that does not answer is not an error here, because the store retries at every
    request. Raises `ConfigurationError` for a configuration error, which stops the start-up.
    """
    url = os.environ.get("GREETINGS_URL")
    if not url:
        return JSONStore(read_greetings(FILE))
    if not url.startswith(("postgresql://", "postgres://")):
        # The message omits the value, which may contain a password.
        raise ConfigurationError(
            "GREETINGS_URL must begin with postgresql://, or be unset for greetings.json."
        )
    # Imported here, because the driver is installed only if a database is used.
    try:
        from shared.postgresql import PoolSettings
        from shared.postgresql_greetings import PostgreSQLStore
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"GREETINGS_URL needs the package {error.name}: install the requirements with the"
            " database driver (for a bundle: STORE=postgres)."
        ) from None
    return await PostgreSQLStore.open(url, PoolSettings.from_environment())

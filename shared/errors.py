"""The errors that a store raises."""


class ConfigurationError(Exception):
    """A file or a setting cannot be used. The message names it, and the position if it is known."""


class UnavailableError(Exception):
    """The store does not answer now. The same request may succeed a second later."""

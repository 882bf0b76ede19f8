"""The cases, one module a capability, in the order of the contract."""

from tests.contract.cases import greetings, hello, pages, docs, http, mount  # noqa: F401, I001
from tests.contract.cases import store, health, life, live, stream  # noqa: F401

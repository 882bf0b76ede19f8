"""The cases of the contract, in its order: one module for each group of IDs."""

from tests.contract.cases import greetings, hello, pages, docs, http, mount  # noqa: F401, I001
from tests.contract.cases import store, health, life, live, stream, caches  # noqa: F401
from tests.contract.registry import sort_cases

sort_cases()

"""The reasons "Choose X if ..." that need no measurement: what one framework alone does.

README and the site both give them, in the same words.
"""

from collections.abc import Sequence

from tooling.frameworks import Framework

WORDS = {
    "validation": "parameters are to be validated {}",
    "openapi": "the OpenAPI document is to be {}",
}
"""The words in `[tool.contract.words]` that are a reason if no other framework has them."""

CASES = {
    "STORE-7": "a query has to end when its client leaves",
    "GREETINGS-5": "an encoded slash has to stay inside a path parameter",
    "HTTP-4": "OPTIONS has to list the methods of a route",
}
"""The cases of the contract that are a reason if one framework alone fulfils them."""


def reasons(framework: Framework, frameworks: Sequence[Framework]) -> dict[str, str]:
    """Returns what continues "Choose X if ", by its member of `WORDS` or `CASES`."""
    others = [each for each in frameworks if each.name != framework.name]
    found = {}
    for key, text in WORDS.items():
        own = _words(framework).get(key)
        if own and others and own not in [_words(each).get(key) for each in others]:
            found[key] = text.format(own)
    for case_id, text in CASES.items():
        alone = all(case_id in _waivers(each) for each in others)
        if others and alone and case_id not in _waivers(framework):
            found[case_id] = f"{text} ({case_id})"
    return found


def _words(framework: Framework) -> dict[str, str]:
    words: dict[str, str] = framework.contract.get("words", {})
    return words


def _waivers(framework: Framework) -> dict[str, str]:
    waivers: dict[str, str] = framework.contract.get("waivers", {})
    return waivers

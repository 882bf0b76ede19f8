"""The contract: case by app by server, and a page for each case with requests and answers."""

from collections.abc import Iterable

from comparison.site.contract_cases import source_of
from comparison.site.contract_result import groups_of, read_cases
from comparison.site.model import Page, Site


def pages(site: Site) -> Iterable[Page]:
    document = site.result("contract.json")
    if document is None:
        return
    cases = read_cases(document)
    context = {"document": document, "apps": document["apps"]}
    yield Page(
        "contract.html",
        "The contract",
        "contract.html",
        context | {"groups": groups_of(cases), "number": len(cases)},
        label="The contract",
        position=40,
    )
    for case in cases:
        source = source_of(case.id)
        yield Page(
            case.address, case.id, "contract_case.html", context | {"case": case, "source": source}
        )

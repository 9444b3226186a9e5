"""The file policy.yaml: what it refuses, as problems with their places, and what has to be right around it."""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from keyferry.cli.check.documents import Document
from keyferry.cli.check.problems import Problem
from keyferry.cli.check.references import Named
from keyferry.mapping.catalog import Catalog
from keyferry.policy.judge import Refusal, list_refusals
from keyferry.policy.rules import Policy

FILE = "policy.yaml"
CLUSTERS = "clusters.yaml"


def misplaced(documents: Iterable[Document], folder: Path) -> Iterator[Problem]:
    """Yield which documents could give rights to whoever wrote them: those of the policy stand in two files alone."""
    governed = (folder / FILE).is_file()
    policies = []
    for document in documents:
        kind, place = document.get("kind"), Path(document.file)
        if kind == "Policy" and place == folder / FILE:
            policies.append(document)
        elif kind == "Policy":
            yield document.problem(("kind",), f"a policy stands in {folder / FILE} alone; move its rules there")
        elif kind == "Clusters" and governed and place != folder / CLUSTERS:
            message = f"where there is a policy, clusters stand in {folder / CLUSTERS} alone; move them there"
            yield document.problem(("kind",), message)
    for document in policies[1:]:
        yield document.problem(("kind",), "a second policy; make one of both")
    if governed and not policies:
        message = "holds no policy, and nothing would be refused; write its rules, or take the file away"
        yield Problem(str(folder / FILE), 1, 1, message)


def refused(catalog: Catalog, found: Iterable[Named], document: Document, policy: Policy) -> Iterator[Problem]:
    """Yield what the policy of a document does not allow."""
    rules_for = cache(policy.rules_for)
    folder = Path(document.file).parent
    for each in found:
        mapping = catalog.mappings[each.name]
        rules = rules_for(Path(each.document.file).relative_to(folder).as_posix())
        for refusal in list_refusals(mapping, catalog.clusters_of(mapping), rules):
            yield each.document.problem(refusal.path, _message(refusal, document))


def _message(refusal: Refusal, document: Document) -> str:
    said = [f"rule {document.place(('rules', number))} {what}" for number, what in refusal.reasons]
    if not said:
        return f"{refusal.request} in {document.file}; move it where one is, or have a rule written"
    rules = "; ".join(said)
    return f"{refusal.request}, and the policy refuses that: {rules}. Keep to what is allowed, or have it changed"

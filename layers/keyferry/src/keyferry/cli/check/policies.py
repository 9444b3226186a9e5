"""The files policy.yaml and stack.yaml: whether they stand where they must, and what the rules refuse."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from keyferry.cli.check.documents import Definition, Document
from keyferry.cli.check.problems import Problem
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from keyferry.mapping.verdict import Verdict
from keyferry.policy.judge import Refusal, list_allowed_types, list_refusals
from keyferry.policy.prefixes import list_prefixes
from keyferry.policy.rules import Policy, Rule

FILE = "policy.yaml"
CLUSTERS = "clusters.yaml"
_MAX_POLICY_BYTES = 1024 * 1024
"""How much is read of a policy in a folder above: as much as a mapping file may have."""
STACK = "stack.yaml"


def list_above(folder: Path) -> Iterator[Problem]:
    """Yield a policy in a folder above, which would have no say in the mappings of this folder.

    Files of other programs have that name too: this one's begin with apiVersion: keyferry.dev/v1.
    """
    for parent in dict.fromkeys([*folder.absolute().parents, *folder.resolve().parents]):
        file = parent / FILE
        if _is_of_keyferry(file):
            message = f"{file} is a policy, and would refuse nothing here; say --mappings {parent}, with all mappings"
            yield Problem(str(folder), 1, 1, message)


def _is_of_keyferry(file: Path) -> bool:
    """Return whether a file, which anybody may have put there, says that it is one of Keyferry's."""
    try:
        if not file.is_file():  # a pipe never ends
            return False
        with file.open("rb") as content:
            return b"keyferry.dev/" in content.read(_MAX_POLICY_BYTES)
    except OSError:  # a file that nobody here may read is none of this repository
        return False


def list_misplaced(documents: Iterable[Document], folder: Path) -> Iterator[Problem]:
    """Yield the policies, clusters and names of the stack that are not in their own files of the folder.

    They give rights. Who may change these files decides about them, and nobody else.
    """
    has_policy = (folder / FILE).is_file()
    policies, stacks = [], []
    for document in documents:
        kind, file = document.get("kind"), Path(document.file)
        if kind == "Policy" and file == folder / FILE:
            policies.append(document)
        elif kind == "Stack" and file == folder / STACK:
            stacks.append(document)
        elif kind == "Stack":
            yield document.problem(
                ("kind",), f"the names of the stack stand in {folder / STACK} alone; move them there"
            )
        elif kind == "Policy":
            yield document.problem(("kind",), f"a policy stands in {folder / FILE} alone; move its rules there")
        elif kind == "Clusters" and has_policy and file != folder / CLUSTERS:
            message = f"where there is a policy, clusters stand in {folder / CLUSTERS} alone; move them there"
            yield document.problem(("kind",), message)
    for document in policies[1:]:
        yield document.problem(("kind",), "a second policy; make one of both")
    for document in stacks[1:]:
        yield document.problem(("kind",), "the stack has its names already, in the document above; make one of both")
    if has_policy and not policies:
        message = "holds no policy, and nothing would be refused; write its rules, or take the file away"
        yield Problem(str(folder / FILE), 1, 1, message)


def list_refused(
    catalog: Catalog, definitions: Iterable[Definition], document: Document, policy: Policy
) -> Iterator[Problem]:
    """Yield what the policy refuses to the mappings.

    Args:
        catalog: has the mappings.
        definitions: of the mappings.
        document: of the policy.
        policy: its rules.
    """
    for definition, mapping, rules in _list_judged(catalog, definitions, document, policy):
        for refusal in list_refusals(mapping, catalog.clusters_of(mapping), rules):
            yield definition.document.problem(refusal.path, _describe(refusal, document))


def build_verdicts(
    catalog: Catalog, definitions: Iterable[Definition], document: Document, policy: Policy
) -> dict[str, Verdict]:
    """Return name of a mapping → what the policy leaves to its deliveries, for those where it does.

    Args:
        catalog: has the mappings.
        definitions: of the mappings, which the policy allows.
        document: of the policy.
        policy: its rules.
    """
    verdicts = {
        definition.name: _build_verdict(mapping, catalog.clusters_of(mapping), rules)
        for definition, mapping, rules in _list_judged(catalog, definitions, document, policy)
    }
    return {name: verdict for name, verdict in verdicts.items() if verdict != Verdict()}


def _build_verdict(mapping: SecretMapping, clusters: Sequence[Cluster], rules: Sequence[tuple[int, Rule]]) -> Verdict:
    return Verdict(
        allowed_types=list_allowed_types(mapping, clusters, rules) if mapping.spec.keeps_type else [],
        prefixes=list_prefixes(mapping, clusters, rules),
    )


def _list_judged(
    catalog: Catalog, definitions: Iterable[Definition], document: Document, policy: Policy
) -> Iterator[tuple[Definition, SecretMapping, list[tuple[int, Rule]]]]:
    """Yield each mapping with its definition and the rules for its file."""
    rules_for = cache(policy.rules_for)
    folder = Path(document.file).parent
    for definition in definitions:
        rules = rules_for(Path(definition.document.file).relative_to(folder).as_posix())
        yield definition, catalog.mappings[definition.name], rules


def _describe(refusal: Refusal, document: Document) -> str:
    reasons = [f"rule {document.locate(('rules', number))} {reason}" for number, reason in refusal.reasons]
    if not reasons:
        return f"{refusal.request} in {document.file}; move it where one is, or have a rule written"
    rules = "; ".join(reasons)
    return f"{refusal.request}, and the policy refuses that: {rules}. Keep to what is allowed, or have it changed"

"""The patterns of names that IAM grants in place of names, by the rules that say `grant: prefix`."""

from collections.abc import Iterable, Sequence

from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import Cluster
from keyferry.policy.judge import allows_alone, list_places
from keyferry.policy.rules import Rule


def list_prefixes(
    mapping: SecretMapping, clusters: Sequence[Cluster], rules: Iterable[tuple[int, Rule]]
) -> dict[str, list[str]]:
    """Return alias of a source → the patterns that cover its names.

    They are of a rule with `grant: prefix` that alone allows all that the mapping does with the source. A source
    without such a rule is left out, and one with a role, whose rights are not the pipeline's, or with `find`, which is
    granted by what its names begin with anyway.

    Args:
        mapping: the mapping, which the rules allow.
        clusters: the clusters that it writes to.
        rules: the rules for its file, each with its index in the policy.
    """
    granting = [rule for _, rule in rules if rule.grant == "prefix"]
    places = list_places(mapping, clusters)
    prefixes: dict[str, list[str]] = {}
    for alias, source in mapping.spec.sources.items():
        rule = next((each for each in granting if allows_alone(each, mapping, alias, clusters)), None)
        if rule and places and not (source.find or source.role):
            covering = (rule.sources.list_covering(source, *place) for place in places)
            prefixes[alias] = sorted({pattern for patterns in covering for pattern in patterns})
    return prefixes

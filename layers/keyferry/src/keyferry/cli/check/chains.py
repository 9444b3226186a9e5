"""Chains of roles that go in a circle: such roles could not be made, as each would have to be there first."""

from collections.abc import Iterator, Sequence

from keyferry.cli.check.documents import Definition
from keyferry.cli.check.problems import Problem
from keyferry.mapping.mapping import SecretMapping

type _Users = dict[str, dict[str, str]]
"""Role → the roles that assume it, each with the mapping and source that say so."""


def check_circles(mappings: Sequence[tuple[Definition, SecretMapping]]) -> Iterator[Problem]:
    """Yield a problem for each role that is assumed by one which it assumes itself, over all mappings.

    A role trusts the one before it in its chain, and IAM takes only principals that exist. Roles of clusters have no
    chain: the functions assume them.
    """
    users: _Users = {}
    for definition, mapping in mappings:
        for alias, source in mapping.spec.sources.items():
            for number, (user, role) in enumerate(zip(source.role, source.role[1:], strict=False), start=1):
                origin = _find_origin(users, user.arn, role.arn)
                if user.arn == role.arn:
                    message = f"{role.arn} follows itself in the chain: name it once"
                elif origin:
                    message = (
                        f"{user.arn} would assume {role.arn}, which leads to it already in {origin}; turn one around"
                    )
                else:
                    users.setdefault(role.arn, {})[user.arn] = f"mapping {mapping.name}, source {alias}"
                    continue
                yield definition.document.problem(("spec", "sources", alias, "role", number), message)


def _find_origin(users: _Users, role: str, start: str) -> str:
    """Return what says that a role is assumed by way of `start`: the last step to it; empty if nothing does."""
    pending, seen = [role], set[str]()
    while pending:
        current = pending.pop()
        seen.add(current)
        own = users.get(current, {})
        if start in own:
            return own[start]
        pending += own.keys() - seen
    return ""

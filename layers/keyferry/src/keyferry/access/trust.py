"""The roles of other accounts that the stack assumes: who assumes each, with what, and what it has to be able to do."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from keyferry.access.grants import describe_grant, list_batched, resolve
from keyferry.mapping.catalog import Catalog
from keyferry.role import Role
from keyferry.stores.grant import Grant
from keyferry.stores.source import Source

type Tags = tuple[tuple[str, str], ...]

SOURCE_READERS, CLUSTER_USERS = ("deliver", "push"), ("deliver", "reconcile", "push")
"""The roles of the stack, by the ends of their names, that read sources, and that sign in to clusters."""


@dataclass(frozen=True)
class Use:
    """One way in which a role is assumed."""

    role: str
    """The ARN of the role that is assumed."""
    users: tuple[str, ...]
    """Who assumes it: roles of the stack by the ends of their names, or the ARN of the role before it in a chain."""
    grants: tuple[Grant, ...]
    """What it has to be able to do, as the account of the role sees it."""
    external_id: str | None = None
    session_tags: Tags = ()


def list_uses(catalog: Catalog) -> list[Use]:
    """Return how the roles that sources and clusters name are assumed, sorted by role."""
    return sorted({*_list_source_uses(catalog), *_list_cluster_uses(catalog)}, key=lambda use: (use.role, repr(use)))


def _list_source_uses(catalog: Catalog) -> Iterator[Use]:
    for mapping in catalog.mappings.values():
        batched = list_batched(mapping)
        for alias, source in mapping.spec.sources.items():
            for resolved in resolve(catalog, mapping, source):
                yield from _list_chain_uses(resolved, is_batched=alias in batched)


def _list_chain_uses(source: Source, *, is_batched: bool) -> Iterator[Use]:
    places = (source, *source.replicas)
    grants = [grant for place in places for grant in place.store.get_grants(place)]
    read = tuple(map(_replace_region, [*grants, *(source.store.get_batch_grants(source) if is_batched else ())]))
    users: tuple[str, ...] = SOURCE_READERS
    for number, role in enumerate(source.role, start=1):
        following = source.role[number:]
        needed = _list_assume_grants(following[0]) if following else read
        yield Use(role.arn, users, needed, role.external_id, tuple(sorted(role.session_tags.items())))
        users = (role.arn,)


def _list_assume_grants(role: Role) -> tuple[Grant, ...]:
    actions = ("sts:AssumeRole", "sts:TagSession") if role.session_tags else ("sts:AssumeRole",)
    return tuple(Grant(action, role.arn) for action in actions)


def _list_cluster_uses(catalog: Catalog) -> Iterator[Use]:
    for cluster in catalog.clusters.values():
        for role in cluster.roles:
            grants = () if cluster.given_endpoint else (describe_grant(cluster),)
            yield Use(role.arn, CLUSTER_USERS, grants)


def _replace_region(grant: Grant) -> Grant:
    """Return a grant for the template of another account: what has no region of its own is in the stack's.

    What has no account of its own is in that of the role already: `AWS::AccountId` is the account of the template.
    """
    conditions = (replace(condition, value=_put_hub_region(condition.value)) for condition in grant.conditions)
    return replace(grant, resource=_put_hub_region(grant.resource), conditions=tuple(conditions))


def _put_hub_region(text: str) -> str:
    return text.replace("${AWS::Region}", "${HubRegion}")

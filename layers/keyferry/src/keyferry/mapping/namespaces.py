"""The namespaces of a mapping on a cluster: those that it names, and those that it selects."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from keyferry.errors import NamespaceGone, in_part
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.targets import NamespaceSelector, Selector


class NamespaceLister(Protocol):
    """The request for the namespaces of one cluster."""

    def list_namespaces(self, selector: Selector) -> list[str]:
        """Return the names of the namespaces whose labels match and that are not being deleted."""
        ...


@dataclass(frozen=True)
class Namespaces:
    """The namespaces of a mapping on a cluster."""

    names: list[str]
    """Sorted: those that the mapping names, and those that it selects."""
    unmatched: tuple[NamespaceSelector, ...] = ()
    """The selectors of the mapping that select none."""

    def list_notes(self, cluster: str) -> tuple[str, ...]:
        """Return what a report says of the selectors that select none."""
        remedy = "correct spec.namespaces, or label or create one"
        return tuple(f"no namespace of {cluster} has {selector.description}: {remedy}" for selector in self.unmatched)


@contextmanager
def in_namespace(mapping: SecretMapping, namespace: str) -> Iterator[None]:
    """Let the error of a namespace that is missing know which part of a mapping names it."""
    try:
        yield
    except NamespaceGone as error:
        error.part = mapping.spec.name_namespace(namespace)
        raise


@in_part("namespaces")
def list_target_namespaces(cluster: NamespaceLister, mapping: SecretMapping) -> Namespaces:
    """Return the namespaces of a mapping on a cluster."""
    namespaces, unmatched = set(mapping.spec.namespace_names), list[NamespaceSelector]()
    for selector in mapping.spec.namespace_selectors:
        selected = [name for name in cluster.list_namespaces(selector) if selector.matches_name(name)]
        namespaces.update(selected)
        unmatched += [] if selected else [selector]
    return Namespaces(sorted(namespaces), tuple(unmatched))

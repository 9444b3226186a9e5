"""Which labels and annotations of a Secret are harmless: those that no controller acts on.

Kubernetes keeps keys without a prefix for the user, and has controllers and tools put their own before theirs
("Labels and Selectors", Syntax and character set). So a replicator, a GitOps tool or an operator that nobody here has
heard of is kept out with all that are known: `docs/map/teams.md` has a list of these.
"""

from keyferry.formats.globs import covers

DESCRIPTIVE = frozenset(f"app.kubernetes.io/{name}" for name in ("name", "version", "component", "part-of"))
"""Recommended labels that tell people something. `instance` is not one of them: Argo CD can be set to prune by it."""
WITHOUT_PREFIX = ("owner", "OWNER", "grafana_*", "loki_*")
"""Keys on which tools act though they have no prefix: Secrets labelled `owner: helm` (in Helm 2 `OWNER: TILLER`) are
releases to Helm, and the side cars of Grafana's and Loki's charts load Secrets with the others as data sources,
dashboards and rules."""


def is_harmless(key: str) -> bool:
    """Return whether nothing is known to act on a label or annotation with this key, whatever its value."""
    if "/" in key:
        return key in DESCRIPTIVE
    return not any(covers(pattern, key) for pattern in WITHOUT_PREFIX)

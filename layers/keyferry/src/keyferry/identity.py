"""What a stack is called in the clusters: every name there that is made from its prefix.

Two stacks get along in one cluster as long as they share none of these names.
"""

from dataclasses import dataclass

from keyferry.model import PREFIX, shorten


@dataclass(frozen=True)
class Identity:
    """The names of one stack in the clusters."""

    prefix: str = "keyferry"
    """What all of them begin with, but the stamps."""
    domain: str = PREFIX
    """What the stamps begin with: the domain of an annotation."""

    @property
    def deliver(self) -> str:
        """Kubernetes group of the role of `deliver`, and the user name of its access entry."""
        return self.prefix

    @property
    def readers(self) -> str:
        """Kubernetes group of the role of `reconcile`, and the user name of its access entry."""
        return f"{self.prefix}-readers"

    @property
    def namespaces_role(self) -> str:
        """Name of the ClusterRole, and of its binding, that lists namespaces."""
        return f"{self.prefix}:namespaces"

    @property
    def admission_policy(self) -> str:
        """Name of the ValidatingAdmissionPolicy, and of its binding."""
        return f"{self.prefix}-restarts-only"

    def field_manager(self, mapping: str) -> str:
        """Return the field manager of a mapping: at most 128 bytes, as the API server allows."""
        return shorten(f"{self.prefix}:{mapping}", 128)

    def stamp_key(self, secret: str) -> str:
        """Return the annotation of pod templates that carries a Secret's restarts.

        Its name part has at most 63 characters, as the API server allows.
        """
        return f"{self.domain}/{shorten(secret, 63)}"


IDENTITY = Identity()
"""The names of the stack. There is one stack in a cluster."""


def role_name(group: str, mapping: str) -> str:
    """Return the name of the Role or ClusterRole, and of its bindings, that gives a group what a mapping needs."""
    return f"{group}:{mapping}"

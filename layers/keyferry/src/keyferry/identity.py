"""What a stack is called in the clusters: every name there that is made from its prefix.

Two stacks get along in one cluster as long as they have different prefixes: then they share none of these names.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from keyferry.model import PREFIX as DOMAIN
from keyferry.model import shorten

DEFAULT_PREFIX = "keyferry"
MAX_PREFIX_LENGTH = 40
"""How long a prefix can be: `RoleNamePrefix` in template.yaml has the same bound."""
GENERATED_LABEL = f"{DOMAIN}/generated"
"""Label of every object that is generated for a cluster. Its value is the prefix. No Secret ever has it."""


@dataclass(frozen=True)
class Identity:
    """The names of one stack in the clusters."""

    prefix: str = DEFAULT_PREFIX
    """What all of them begin with: a DNS label, so that a `:` ends it."""
    previous_prefixes: tuple[str, ...] = ()
    """Prefixes that the stack, or the one that its mappings come from, had before: what was written so is its own."""

    # A user in place of a group, as somebody who is in a group beside others has the rights of all of them. EKS takes
    # no user name that begins with system:, eks:, aws:, amazon: or iam:.

    @property
    def deliver(self) -> str:
        """Kubernetes user that the role of `deliver` signs in as."""
        return f"{self.prefix}:deliver"

    @property
    def reconcile(self) -> str:
        """Kubernetes user that the role of `reconcile` signs in as."""
        return f"{self.prefix}:reconcile"

    @property
    def push(self) -> str:
        """Kubernetes user that people sign in as who push from a terminal. It may do what `deliver` may."""
        return f"{self.prefix}:push"

    @property
    def writers(self) -> tuple[str, ...]:
        """The users that write: those that the admission policies limit."""
        return self.deliver, self.push

    @property
    def users(self) -> tuple[str, ...]:
        """All users."""
        return self.deliver, self.push, self.reconcile

    @property
    def namespaces_role(self) -> str:
        """Name of the ClusterRole, and of its binding, that lists namespaces."""
        return f"{self.prefix}:namespaces"

    def name_named_role(self, number: int) -> str:
        """Return the name of a ClusterRole, and of its binding, that reads the namespaces which mappings name.

        It tells a namespace that is missing from rights that are missing. There is one for each thousand of names.
        """
        return f"{self.prefix}:named-namespaces" + (f"-{number}" if number > 1 else "")

    @property
    def workloads_policy(self) -> str:
        """Name of the ValidatingAdmissionPolicy for workloads, and of its binding."""
        return f"{self.prefix}-workloads"

    @property
    def secrets_policy(self) -> str:
        """Name of the ValidatingAdmissionPolicy for Secrets, and of its binding."""
        return f"{self.prefix}-secrets"

    @property
    def events_policy(self) -> str:
        """Name of the ValidatingAdmissionPolicy for Kubernetes Events, and of its binding."""
        return f"{self.prefix}-events"

    @property
    def events_role(self) -> str:
        """Name of the Roles, or of the ClusterRole, and of their bindings, that let `deliver` create Events."""
        return f"{self.prefix}:events"

    @property
    def policies(self) -> tuple[str, ...]:
        """Names of all ValidatingAdmissionPolicies, and of their bindings."""
        return self.secrets_policy, self.workloads_policy, self.events_policy

    @property
    def stamp_domain(self) -> str:
        """The domain of the annotations that stamp pod templates."""
        return DOMAIN if self.prefix == DEFAULT_PREFIX else f"{self.prefix}.{DOMAIN}"

    def field_manager(self, mapping: str) -> str:
        """Return the field manager of a mapping: at most 128 bytes, as the API server allows."""
        return shorten(f"{self.prefix}:{mapping}", 128)

    def journal_name(self, mapping: str) -> str:
        """Return how the journal of a Secret names the mapping that wrote it (`keyferry.dev/mapping`)."""
        return mapping if self.prefix == DEFAULT_PREFIX else f"{self.prefix}:{mapping}"

    def stamp_key(self, secret: str) -> str:
        """Return the annotation of pod templates that carries a Secret's restarts."""
        return f"{self.stamp_domain}/{self.stamp_name(secret)}"

    def stamp_name(self, secret: str) -> str:
        """Return the name part of that annotation: at most 63 characters, as the API server allows."""
        return shorten(secret, 63)

    @cached_property
    def identities(self) -> tuple["Identity", ...]:
        """This identity, then the earlier ones."""
        return self, *map(Identity, self.previous_prefixes)

    def list_stamp_keys(self, secret: str) -> tuple[str, ...]:
        """Return the annotations that carry a Secret's restarts: the current one, then those of earlier prefixes."""
        return tuple(dict.fromkeys(identity.stamp_key(secret) for identity in self.identities))

    @property
    def previous_stamp_domains(self) -> tuple[str, ...]:
        """The domains of the stamps of earlier prefixes."""
        return tuple(identity.stamp_domain for identity in self.identities[1:])

    def list_field_managers(self, mappings: Iterable[str]) -> tuple[str, ...]:
        """Return the field managers of a mapping: the current one, then those of its earlier names and prefixes."""
        names = tuple(mappings)
        return tuple(identity.field_manager(name) for identity in self.identities for name in names)

    def list_journal_names(self, mappings: Iterable[str]) -> tuple[str, ...]:
        """Return how journals name a mapping: the current name, then those of its earlier names and prefixes."""
        names = tuple(mappings)
        return tuple(identity.journal_name(name) for identity in self.identities for name in names)


IDENTITY = Identity()
"""The names of a stack that says nothing about its prefix."""


def role_name(user: str, mapping: str) -> str:
    """Return the name of the Role or ClusterRole, and of its bindings, that gives a user what a mapping needs."""
    return f"{user}:{mapping}"

"""The types of Secrets that Kubernetes gives a meaning to, and the keys that each requires.

Keys: `ValidateSecret` in kubernetes/pkg/apis/core/validation/validation.go.
"""

from collections.abc import Iterable, Mapping

OPAQUE = "Opaque"
TLS = "kubernetes.io/tls"
DOCKER_CONFIG_JSON = "kubernetes.io/dockerconfigjson"
DOCKER_CONFIG = "kubernetes.io/dockercfg"
SSH_AUTH = "kubernetes.io/ssh-auth"

CERTIFICATE, PRIVATE_KEY, AUTHORITY = "tls.crt", "tls.key", "ca.crt"
"""Keys of a TLS Secret; the authority's is optional."""
REGISTRIES, OLD_REGISTRIES = ".dockerconfigjson", ".dockercfg"
"""Keys of Secrets that sign in to registries of images, in today's form and in the one before it."""
SSH_KEY = "ssh-privatekey"

_REQUIRED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    TLS: ((CERTIFICATE,), (PRIVATE_KEY,)),
    DOCKER_CONFIG_JSON: ((REGISTRIES,),),
    DOCKER_CONFIG: ((OLD_REGISTRIES,),),
    "kubernetes.io/basic-auth": (("username", "password"),),
    SSH_AUTH: ((SSH_KEY,),),
}
"""Type → groups of keys; a Secret of the type has at least one key of each group."""


def missing(kind: str, keys: Iterable[str]) -> str:
    """Return which keys a Secret of a type lacks, as text for a message; empty where it lacks none.

    Args:
        kind: the type of the Secret.
        keys: the keys that it has.
    """
    present = set(keys)
    lacking = [" or ".join(group) for group in _REQUIRED.get(kind, ()) if not present & set(group)]
    return " and ".join(lacking)

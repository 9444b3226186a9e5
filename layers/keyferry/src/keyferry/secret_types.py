"""The types of Secrets that Kubernetes knows, and the keys that it requires for each type.

Keys: `ValidateSecret` in kubernetes/pkg/apis/core/validation/validation.go.
"""

import difflib
from collections.abc import Iterable, Mapping

OPAQUE = "Opaque"
TLS = "kubernetes.io/tls"
DOCKER_CONFIG_JSON = "kubernetes.io/dockerconfigjson"
DOCKER_CONFIG = "kubernetes.io/dockercfg"
SSH_AUTH = "kubernetes.io/ssh-auth"
NEVER_WRITTEN = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})
"""Types whose Secrets sign somebody in to the cluster: the cluster makes and reads them itself."""

CERTIFICATE, PRIVATE_KEY, CA_CERTIFICATE = "tls.crt", "tls.key", "ca.crt"
"""Keys of a TLS Secret; `ca.crt` is optional."""
DOCKER_CONFIG_JSON_KEY, DOCKER_CONFIG_KEY = ".dockerconfigjson", ".dockercfg"
"""Keys of Secrets with credentials for image registries: of the current type, and of the legacy one."""
SSH_PRIVATE_KEY = "ssh-privatekey"

WITH_CONTENT = frozenset({TLS, SSH_AUTH, DOCKER_CONFIG_JSON, DOCKER_CONFIG})
"""Types of whose keys the content is checked (`keyferry.render.contents`)."""

_REQUIRED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    TLS: ((CERTIFICATE,), (PRIVATE_KEY,)),
    DOCKER_CONFIG_JSON: ((DOCKER_CONFIG_JSON_KEY,),),
    DOCKER_CONFIG: ((DOCKER_CONFIG_KEY,),),
    "kubernetes.io/basic-auth": (("username", "password"),),
    SSH_AUTH: ((SSH_PRIVATE_KEY,),),
}
"""Type → groups of keys. A Secret of the type needs at least one key of each group."""

_BUILT_IN = (OPAQUE, *_REQUIRED, *sorted(NEVER_WRITTEN))
_DOMAIN = "kubernetes.io"
_OTHER_NAMES = {
    "generic": OPAQUE,
    "docker-registry": DOCKER_CONFIG_JSON,
    "docker": DOCKER_CONFIG_JSON,
    "ssh-key": SSH_AUTH,
}
"""What people, and `kubectl create secret`, call a type."""


def describe_unknown_type(secret_type: str) -> str:
    """Return what is wrong with a type that is nearly a built-in one, or of their domain; empty for all others.

    Types of other domains are their owners' own, as `helm.sh/release.v1`.

    Args:
        secret_type: the type of a Secret.
    """
    if secret_type in _BUILT_IN:
        return ""
    if similar := suggest_type(secret_type):
        return f"no type of Kubernetes; did you mean {similar}?"
    domain = secret_type.lower().rpartition("/")[0]
    is_of_kubernetes = domain == _DOMAIN or domain.endswith(f".{_DOMAIN}")
    return f"no type of Kubernetes, which has {', '.join((OPAQUE, *_REQUIRED))}" if is_of_kubernetes else ""


def suggest_type(secret_type: str) -> str:
    """Return the built-in type that is meant by a type which is nearly one; empty for all others.

    Args:
        secret_type: the type of a Secret.
    """
    if secret_type in _BUILT_IN:
        return ""
    domain, _, name = secret_type.lower().rpartition("/")
    is_built_in = not domain or bool(difflib.get_close_matches(domain, (_DOMAIN, "kubernetes", "k8s.io"), cutoff=0.85))
    names = {known.lower().rpartition("/")[2]: known for known in (OPAQUE, *_REQUIRED)} | _OTHER_NAMES
    similar = difflib.get_close_matches(name, names, n=1, cutoff=0.6 if domain else 0.8) if is_built_in else []
    return names[similar[0]] if similar else ""


def describe_missing_keys(secret_type: str, keys: Iterable[str]) -> str:
    """Return the required keys that a Secret lacks, as text for a message, such as `tls.crt and tls.key`.

    Args:
        secret_type: the type of the Secret.
        keys: the keys that the Secret has.

    Returns:
        The text; empty where no key is missing.
    """
    present = set(keys)
    missing = [" or ".join(group) for group in _REQUIRED.get(secret_type, ()) if not present & set(group)]
    return " and ".join(missing)

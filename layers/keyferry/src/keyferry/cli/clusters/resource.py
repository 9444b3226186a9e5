"""The kinds of objects, as an API server serves them: names and paths alone, without what it takes to ask for them."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Resource:
    """A kind of object, as the API server serves it."""

    kind: str
    version: str
    """Group and version, as manifests have them: `v1`, `apps/v1`."""
    plural: str
    is_namespaced: bool = True

    @property
    def full_name(self) -> str:
        """The plural with its group, which kubectl takes for no other: `roles.rbac.authorization.k8s.io`."""
        group, _, version = self.version.rpartition("/")
        return f"{self.plural}.{group}" if version and group else self.plural

    def build_path(self, namespace: str | None = None, name: str = "") -> str:
        """Return the path of an object, or of all in a namespace, or in all of them."""
        base = f"/apis/{self.version}" if "/" in self.version else f"/api/{self.version}"
        inside = ("namespaces", quote(namespace, safe="")) if namespace and self.is_namespaced else ()
        return "/".join([base, *inside, self.plural, *([quote(name, safe="")] if name else [])])


NAMESPACES = Resource("Namespace", "v1", "namespaces", is_namespaced=False)
SECRETS = Resource("Secret", "v1", "secrets")

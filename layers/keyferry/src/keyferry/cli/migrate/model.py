"""What `keyferry migrate` passes around: the manifests that were read, what becomes of them, and why one is refused."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keyferry.cli.migrate.workloads import Workload

type FieldPath = tuple[str | int, ...]
"""The keys and indexes that lead to a part of a manifest, such as `("spec", "data", 0)`."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAX_NAME = 253
EXTERNAL_SECRETS, CSI = "external-secrets.io", "secrets-store.csi.x-k8s.io"
"""The groups of the APIs whose objects are converted."""
OPERATORS_OWN = "reconcile.external-secrets.io/"
"""How labels and annotations begin by which External Secrets knows a Secret as its own: `LabelManaged`, `LabelOwner`
and `AnnotationDataHash`."""
DRIVERS_LABEL = "secrets-store.csi.k8s.io/managed"
"""The label by which the driver's cache selects Secrets: `SecretManagedLabel`."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which `kubectl apply` keeps a manifest."""

UNCHECKED = (
    ("spec", "secret", "checkContent"),
    "As before, what nobody can read is written, too, and the report of a delivery says so."
    " Take the line out to have it refused.",
)
"""The comment of a mapping at `checkContent: false`, with its place."""


@dataclass(frozen=True)
class Manifest:
    """One object of Kubernetes, as a file or a cluster has it."""

    file: str
    """The file as it was given; `-` for standard input; the context for what a cluster has."""
    line: int
    """The first line of the document, from 1; 0 for what a cluster has."""
    body: Mapping[str, Any]
    lines: Mapping[FieldPath, int] = field(default_factory=dict, compare=False, repr=False)
    """The path of a field → its line. The lines of a text that stands as it is (`|`) have their number as last step."""

    @property
    def kind(self) -> str | None:
        """The kind; None where there is none."""
        return _text(self.body.get("kind"))

    @property
    def group(self) -> str | None:
        """The group of the API: empty for the core; None where there is no apiVersion."""
        version = _text(self.body.get("apiVersion"))
        return None if version is None else version.rpartition("/")[0]

    @property
    def version(self) -> str | None:
        """The version of the API, such as `v1beta1`; None where there is no apiVersion."""
        version = _text(self.body.get("apiVersion"))
        return None if version is None else version.rpartition("/")[2]

    @property
    def name(self) -> str | None:
        """The name; None where there is none."""
        return _text(self.get("metadata", "name"))

    @property
    def namespace(self) -> str | None:
        """The namespace; None where there is none."""
        return _text(self.get("metadata", "namespace"))

    def get(self, *path: str | int) -> Any:  # noqa: ANN401  # YAML is anything
        """Return the part at a path; None if there is none."""
        part: Any = self.body
        for step in path:
            try:
                part = part[step]
            except (KeyError, IndexError, TypeError):
                return None
        return part

    def line_of(self, *path: str | int) -> int:
        """Return the line of a part, or of the nearest part around it that exists."""
        if path in self.lines:
            return self.lines[path]
        return self.line_of(*path[:-1]) if path else self.line

    def locate(self, *path: str | int) -> str:
        """Return file and line of a part, as `a.yaml:12`."""
        return f"{self.file}:{self.line_of(*path)}" if self.line else self.file

    def __str__(self) -> str:
        """Return kind, namespace and name, as `ExternalSecret shop/db`."""
        return f"{self.kind or 'object'} {'/'.join(filter(None, (self.namespace, self.name)))}".strip()


def is_name(text: str) -> bool:
    """Return whether a text can be the name of an object of Kubernetes, and so of a file or folder."""
    return len(text) <= _MAX_NAME and bool(_NAME.fullmatch(text))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


class Refusal(Exception):  # the noun of what the command tells
    """One reason why a manifest cannot be converted."""

    def __init__(self, what: str, remedy: str, path: FieldPath = ()) -> None:
        """Create a reason.

        Args:
            what: what cannot be converted, and why.
            remedy: what to do.
            path: the part of the manifest that it is about.
        """
        super().__init__(f"{what}; {remedy}" if remedy else what)
        self.what, self.remedy, self.path = what, remedy, path


class Refusals(Exception):  # as above
    """Several reasons why one manifest cannot be converted."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("; ".join(map(str, refusals)))
        self.refusals = list(refusals)


class NoSecret(Exception):  # as above
    """A manifest makes no Secret, and needs no mapping. The text is a sentence: what is to be known of it."""


@dataclass(frozen=True)
class Conversion:
    """One mapping that was made of a manifest."""

    manifest: Manifest
    mapping: dict[str, Any]
    """A mapping in the form of mapping files (`from`, `dataFrom`)."""
    notes: list[str] = field(default_factory=list)
    """Differences that are stated, as sentences. They make the manifest one "converted with a stated difference"."""
    comments: list[tuple[FieldPath, str]] = field(default_factory=list)
    """What is worth knowing at a field of the mapping, for the written file."""

    @property
    def name(self) -> str:
        """The name of the mapping."""
        return str(self.mapping["metadata"]["name"])


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    clusters: Sequence[str] = ()
    """The clusters of the mappings, by their names in clusters.yaml."""
    region: str | None = None
    """The region of stores that are not among the manifests."""
    role: str | None = None
    """The role of stores that are not among the manifests."""
    namespace: str | None = None
    """The namespace of manifests that name none."""
    files: bool = False
    """Whether a SecretProviderClass without secretObjects becomes a mapping whose keys are its files."""
    service: str = "SecretsManager"
    """The service of stores that are not among the manifests: SecretsManager or ParameterStore."""
    own_region: str | None = None
    """The region of the stack, as samconfig.toml has it."""
    cluster_regions: Mapping[str, str] = field(default_factory=dict)
    """Cluster → its region, as clusters.yaml has it: the one of those that mappings go to."""


@dataclass(frozen=True)
class Estate:
    """All that was read."""

    manifests: Sequence[Manifest]
    options: Options

    def find_config_map(self, namespace: str | None, name: str) -> Manifest | None:
        """Return a ConfigMap; None if there is none among the manifests."""
        return next(iter(self.list_named("", "ConfigMap", namespace, name)), None)

    @cached_property
    def workloads(self) -> Mapping[str | None, "Sequence[Workload]"]:
        """Namespace → its workloads; None for all."""
        from keyferry.cli.migrate.workloads import read_workloads  # noqa: PLC0415  # which imports this module

        found: defaultdict[str | None, list[Workload]] = defaultdict(list)
        for workload in read_workloads(self.manifests):
            found[None].append(workload)
            namespace = self.namespace_of(workload.manifest)
            if namespace is not None:
                found[namespace].append(workload)
        return dict(found)

    def namespace_of(self, manifest: Manifest) -> str | None:
        """Return the namespace of a manifest: its own, or that of the command line; None without either."""
        return manifest.namespace or self.options.namespace

    def list_kind(self, group: str, kind: str) -> list[Manifest]:
        """Return the manifests of a kind, in their order."""
        return [manifest for manifest in self.manifests if (manifest.group, manifest.kind) == (group, kind)]

    def list_named(self, group: str, kind: str, namespace: str | None, name: str) -> list[Manifest]:
        """Return all manifests of a kind and a name; `namespace` is None for what has none."""
        return self._index.get((group, kind, namespace, name), [])

    @cached_property
    def _index(self) -> dict[tuple[str | None, str | None, str | None, str | None], list[Manifest]]:
        """Group, kind, namespace (None for what has none) and name → the manifests."""
        index: dict[tuple[str | None, str | None, str | None, str | None], list[Manifest]] = {}
        for manifest in self.manifests:
            cluster_wide = (manifest.kind or "").startswith("Cluster")
            namespace = None if cluster_wide else self.namespace_of(manifest)
            index.setdefault((manifest.group, manifest.kind, namespace, manifest.name), []).append(manifest)
        return index

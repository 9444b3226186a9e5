"""Reads from a cluster what `keyferry migrate` converts, with the rights of the person who asks; never a Secret.

It lists the objects of External Secrets and of the Secrets Store CSI driver, and the workloads, and gets the ConfigMaps
that templates name. A kind that the cluster does not have is left out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from keyferry.cli.check.problems import nearest
from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.kubeconfig import Kubeconfig
from keyferry.cli.clusters.resource import Resource
from keyferry.cli.migrate.model import CSI, EXTERNAL_SECRETS, LAST_APPLIED, Manifest
from keyferry.cli.migrate.reloader import RELOADER
from keyferry.deadline import Deadline
from keyferry.errors import InvalidInput
from keyferry.kinds import KINDS

SECONDS = 300.0
"""How long all requests together may take."""
_CONFIG_MAPS = Resource("ConfigMap", "v1", "configmaps")


def _serve(kind: str, group: str, *versions: str, is_namespaced: bool = True) -> list[Resource]:
    plural = f"{kind.lower()}es" if kind.endswith("s") else f"{kind.lower()}s"
    return [Resource(kind, f"{group}/{version}", plural, is_namespaced) for version in versions]


CONVERTED: Sequence[Sequence[Resource]] = (
    _serve("SecretStore", EXTERNAL_SECRETS, "v1", "v1beta1"),
    _serve("ClusterSecretStore", EXTERNAL_SECRETS, "v1", "v1beta1", is_namespaced=False),
    _serve("ExternalSecret", EXTERNAL_SECRETS, "v1", "v1beta1"),
    _serve("ClusterExternalSecret", EXTERNAL_SECRETS, "v1", "v1beta1", is_namespaced=False),
    _serve("PushSecret", EXTERNAL_SECRETS, "v1", "v1alpha1"),
    _serve("SecretProviderClass", CSI, "v1", "v1alpha1"),
)
"""The kinds that are read, each with its versions: the first one that the cluster has counts."""
WORKLOADS: Sequence[Sequence[Resource]] = (
    *([Resource(each.name, f"{each.group}/{each.version}", each.resource)] for each in KINDS.values()),
    [Resource("CronJob", "batch/v1", "cronjobs")],
    [Resource("Job", "batch/v1", "jobs")],
)
STEPS = len(CONVERTED) + len(WORKLOADS) + 1
"""How many steps `read_objects` has."""
_SERVER_FIELDS = (
    *("managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "ownerReferences"),
)
"""The fields of `metadata` that the cluster writes."""


def connect(context: str, environment: Mapping[str, str]) -> OperatorClient:
    """Return a client for the cluster of a context. Nothing is sent yet.

    Args:
        context: the name of the context.
        environment: the environment variables, with `KUBECONFIG`.

    Raises:
        InvalidInput: the kubeconfig has no such context, or cannot be used.
    """
    kubeconfig = Kubeconfig.find(environment)
    chosen = next((known for known in kubeconfig.contexts if known.name == context), None)
    if chosen is None:
        known = nearest(context, [known.name for known in kubeconfig.contexts], "there is")
        raise InvalidInput(f"the kubeconfig has no context {context}{known}")
    return OperatorClient(kubeconfig.connect(chosen, context), chosen, Deadline.after(SECONDS))


def read_objects(
    client: OperatorClient, namespace: str | None = None, step: Callable[[], None] = lambda: None
) -> list[Manifest]:
    """Return the objects of a cluster as manifests, as somebody would have written them.

    Args:
        client: the cluster.
        namespace: the namespace; None for all. What belongs to no namespace is read anyway.
        step: is called after each of STEPS steps.

    Raises:
        KeyferryError: the cluster does not answer, or a right is missing; it names the right.
    """
    converted = [body for kind in CONVERTED for body in _list_kind(client, kind, namespace, step)]
    config_maps = list(_read_config_maps(client, converted, namespace))
    step()
    workloads = [_trim(body) for kind in WORKLOADS for body in _list_kind(client, kind, namespace, step)]
    if not any(_has_annotation(body) for body in workloads):
        workloads = []
    bodies = [*map(_clean, converted), *map(_clean, config_maps), *workloads]
    return [Manifest(client.context.name, 0, body) for body in bodies]


def _list_kind(
    client: OperatorClient, versions: Sequence[Resource], namespace: str | None, step: Callable[[], None]
) -> Iterator[dict[str, Any]]:
    """Yield the objects of a kind, without those that an owner makes anew, which is read itself."""
    served = client.find_served(versions)
    resource = next((each for each in versions if each in served), None)
    for body in client.list_objects(resource, namespace) if resource else ():
        owners = body["metadata"].get("ownerReferences") or ()
        if resource and not any(owner.get("kind") in ("ClusterExternalSecret", "CronJob") for owner in owners):
            yield {"apiVersion": resource.version, "kind": resource.kind} | body  # in lists they may lack that
    step()


def _clean(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without what the cluster has written into it."""
    metadata = {key: value for key, value in body["metadata"].items() if key not in _SERVER_FIELDS}
    annotations = dict(metadata.pop("annotations", None) or {})
    annotations.pop(LAST_APPLIED, None)
    metadata |= {"annotations": annotations} if annotations else {}
    return {key: value for key, value in body.items() if key != "status"} | {"metadata": metadata}


def _read_config_maps(
    client: OperatorClient, bodies: Sequence[Mapping[str, Any]], namespace: str | None
) -> Iterator[dict[str, Any]]:
    """Yield the ConfigMaps that templates are read from, each once."""
    seen = set[tuple[str, str]]()
    for body in bodies:
        for name in _list_config_maps(body):
            for place in _list_places(body, namespace):
                if (place, name) in seen:
                    continue
                seen.add((place, name))
                config_map = client.read_object(_CONFIG_MAPS, place, name)
                if config_map:
                    yield config_map


def _list_config_maps(body: Mapping[str, Any]) -> Iterator[str]:
    spec = body.get("spec") or {}
    spec = spec.get("externalSecretSpec") or spec
    template = (spec.get("target") or {}).get("template") or {} if body["kind"].endswith("ExternalSecret") else {}
    for source in template.get("templateFrom") or ():
        name = (source.get("configMap") or {}).get("name")
        if name:
            yield str(name)


def _list_places(body: Mapping[str, Any], namespace: str | None) -> list[str]:
    """Return the namespaces that the ConfigMaps of a manifest are in: its own, or those that it has filled."""
    own = body["metadata"].get("namespace")
    filled = [own] if own else (body.get("status") or {}).get("provisionedNamespaces") or ()
    return [str(place) for place in filled if namespace in (None, place)]


def _trim(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a workload that say what it uses and when it restarts: no values of variables."""
    spec = body.get("spec") or {}
    own = spec.get("template") or (((spec.get("jobTemplate") or {}).get("spec") or {}).get("template")) or {}
    pod = own.get("spec") or {}
    template = {
        "metadata": {"annotations": _select((own.get("metadata") or {}).get("annotations"))},
        "spec": {
            "volumes": pod.get("volumes") or [],
            "containers": list(map(_trim_container, pod.get("containers") or ())),
            "initContainers": list(map(_trim_container, pod.get("initContainers") or ())),
        },
    }
    metadata = {key: body["metadata"][key] for key in ("name", "namespace")}
    metadata["annotations"] = _select(body["metadata"].get("annotations"))
    trimmed = {"jobTemplate": {"spec": {"template": template}}} if body["kind"] == "CronJob" else {"template": template}
    return {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": metadata, "spec": trimmed}


def _trim_container(container: Mapping[str, Any]) -> dict[str, Any]:
    variables = [each for each in container.get("env") or () if "valueFrom" in each]
    kept = {key: container[key] for key in ("name", "envFrom", "volumeMounts") if key in container}
    return kept | {"env": variables}


def _select(annotations: Mapping[str, str] | None) -> dict[str, str]:
    return {key: value for key, value in (annotations or {}).items() if RELOADER in key}


def _has_annotation(body: Mapping[str, Any]) -> bool:
    spec = body["spec"]
    template = spec.get("template") or spec["jobTemplate"]["spec"]["template"]
    return bool(body["metadata"]["annotations"] or template["metadata"]["annotations"])

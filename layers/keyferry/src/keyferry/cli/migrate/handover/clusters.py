"""Look at the targets of one mapping on one cluster, and carry out steps there, with a person's own rights."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.resource import Resource
from keyferry.cli.migrate.handover import secrets
from keyferry.cli.migrate.handover.originals import PARENT, RESOURCES, Original
from keyferry.cli.migrate.handover.state import State
from keyferry.cli.migrate.handover.steps import (
    CreateOriginal,
    DeleteOriginal,
    Deliver,
    PatchOriginal,
    PatchSecret,
    Release,
    Step,
    TakeOver,
)
from keyferry.cli.migrate.verify.verify import Verified, verify
from keyferry.delivery.apply import Object
from keyferry.delivery.passes import deliver
from keyferry.delivery.report import Locate
from keyferry.delivery.work import Work
from keyferry.errors import Forbidden, Overtaken
from keyferry.kube import KubeClient
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Delivery

_MANY_NAMESPACES = 10
"""From how many namespaces on the originals are listed for the whole cluster at once."""
MANAGER = "keyferry-handover"
"""The field manager of what is changed of originals, and of metadata of Secrets."""


@dataclass(frozen=True)
class Side:
    """One cluster, as the person reaches it."""

    client: OperatorClient

    @cached_property
    def secrets(self) -> KubeClient:
        """The client for Secrets."""
        return self.client.connect_secrets()

    @cached_property
    def resources(self) -> list[Resource]:
        """The kinds of originals that the cluster has, each by the newest of its versions that is known here."""
        newest: dict[str, Resource] = {}
        for resource in self.client.find_served(RESOURCES):
            newest.setdefault(resource.kind, resource)
        return list(newest.values())

    def list_originals(self, namespaces: Collection[str]) -> dict[str, list[Original]]:
        """Return the originals of some namespaces: of many by one list of the cluster, where the person may have it."""
        found: dict[str, list[Original]] = {namespace: [] for namespace in namespaces}
        parents: dict[str, Object | None] = {}
        for resource in self.resources:
            for raw in self._list(resource, namespaces):
                if raw["metadata"]["namespace"] in found:
                    parent = self._read_parent(resource, raw, parents)
                    found[raw["metadata"]["namespace"]].append(Original(resource, raw, parent))
        return found

    def _read_parent(self, resource: Resource, raw: Object, known: dict[str, Object | None]) -> Object | None:
        """Return the metadata of the ClusterExternalSecret that makes an original; each is read once."""
        for owner in raw["metadata"].get("ownerReferences") or ():
            if owner.get("kind") == PARENT:
                name = str(owner.get("name"))
                if name not in known:
                    kind = Resource(PARENT, resource.version, f"{PARENT.lower()}s", is_namespaced=False)
                    found = self.client.read_metadata(kind, None, name)
                    known[name] = found["metadata"] if found else None
                return known[name]
        return None

    def _list(self, resource: Resource, namespaces: Collection[str]) -> Iterator[Object]:
        if len(namespaces) >= _MANY_NAMESPACES:
            with suppress(Forbidden):
                yield from list(self.client.list_objects(resource))
                return
        for namespace in namespaces:
            yield from self.client.list_objects(resource, namespace)


@dataclass(frozen=True)
class Group:
    """The targets of one mapping on one cluster."""

    delivery: Delivery
    mapping: SecretMapping
    side: Side
    prepare: Callable[[Delivery, KubeClient], Work]
    locate: Locate
    gap: str = ""
    """Why no stack delivers to them, and what to do; empty where one does, or need not."""

    def look(self) -> list[Verified]:
        """Return the comparison of each target; of one error alone where nothing is known of any."""
        return verify(self.prepare(self.delivery, self.side.secrets), self.locate)

    def carry_out(self, step: Step, state: State) -> None:
        """Carry out a step.

        Raises:
            Overtaken: what it was planned for has changed since.
            KeyferryError: it failed; or the delivery did, of a Secret that is the mapping's by now.
        """
        match step:
            case PatchOriginal(original=original, patch=patch):
                if self.side.client.patch(original.resource, original.seen, patch, MANAGER) is None:
                    raise Overtaken(f"{original} is no longer there")
            case DeleteOriginal(original=original):
                self.side.client.delete(original.resource, original.seen)
            case CreateOriginal(manifest=manifest):
                self.side.client.create(Original.of_manifest(manifest).resource, dict(manifest), MANAGER)
            case PatchSecret(patch=patch):
                self._patch_secret(state, patch)
            case Release(original=original):
                self._release(state, original)
            case TakeOver(body=body):
                self.side.secrets.apply_secret(state.namespace, body, self.mapping.managers[0], force=True)
            case Deliver():
                self._deliver(state)

    def _patch_secret(self, state: State, patch: Mapping[str, object]) -> None:
        if self.side.secrets.patch_secret(state.namespace, dict(patch), MANAGER) is None:
            raise Overtaken(f"Secret {state.secret} in {state.namespace} is no longer there")

    def _release(self, state: State, original: Original) -> None:
        raw = self.side.secrets.read_secret(state.namespace, state.secret)
        seen = state.observed.resource_version if state.observed else ""
        if raw is None or raw["metadata"]["resourceVersion"] != seen:
            raise Overtaken(f"Secret {state.secret} in {state.namespace} has changed")
        self._patch_secret(state, secrets.build_release(raw, self.mapping, original))

    def _deliver(self, state: State) -> None:
        work = self.prepare(self.delivery.model_copy(update={"namespace": state.namespace}), self.side.secrets)
        errors = deliver(work).errors
        if errors:
            raise errors[0]

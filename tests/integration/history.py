"""Every state that a Secret and the workloads which use it have gone through, as the API server's watch tells it."""

import json
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Any

from keyferry.delivery.observed import RESTART_DUE
from keyferry_local.admin import Admin, Object
from keyferry_local.watch import until
from tests.integration.scene import Scene

WORKLOADS = ("Deployment", "StatefulSet")


class History:
    """What becomes of the Secret `db`, and of all workloads, in some namespaces from now on."""

    def __init__(self, admin: Admin, *namespaces: str) -> None:
        self._admin, self.namespaces = admin, namespaces
        self._before = {
            (kind, namespace): admin.list(kind, namespace)
            for kind in ("Secret", *WORKLOADS)
            for namespace in namespaces
        }
        for namespace in namespaces:
            until("the controller has caught up", partial(self._caught_up, namespace))
        self._sets = {namespace: self._replica_sets(namespace) for namespace in namespaces}
        known = [each for found in self._before.values() for each in found]
        known += [admin.get("Namespace", namespace) or {} for namespace in namespaces]
        self._since = max((each["metadata"]["resourceVersion"] for each in known), key=int)

    def states(self, kind: str, name: str, namespace: str) -> list[Object]:
        """Return each state of one object, that of the beginning first; a deleted one ends with its last state."""
        found = [*self._before[kind, namespace], *self._admin.states(kind, namespace, since=self._since)]
        return [each for each in found if each["metadata"]["name"] == name]

    def writes(self, namespace: str) -> list[str]:
        """Return the nonce of each write of content, in order."""
        states = [marked(each) for each in self.states("Secret", "db", namespace)]
        known = {marked(each) for each in self._before["Secret", namespace]}
        return [nonce for nonce in dict.fromkeys(states) if nonce is not None and nonce not in known]

    def data(self, namespace: str) -> list[dict[str, str]]:
        """Return what the Secret has held, one after the other, encoded."""
        held = [dict(each.get("data") or {}) for each in self.states("Secret", "db", namespace)]
        return held[:1] + [after for before, after in pairwise(held) if after != before]

    def rollouts(self) -> dict[str, int]:
        """Return how often the pod template of each workload has changed."""
        return {
            f"{namespace}/{kind}/{each['metadata']['name']}": self._changes(kind, each["metadata"]["name"], namespace)
            for namespace in self.namespaces
            for kind in WORKLOADS
            for each in self._admin.list(kind, namespace)
        }

    def new_replica_sets(self, namespace: str) -> int:
        """Return how many ReplicaSets there are that were not, once the controller has caught up."""
        until("the controller has caught up", lambda: self._caught_up(namespace))
        return len(self._replica_sets(namespace) - self._sets[namespace])

    def quiet(self) -> bool:
        """Return whether neither a Secret nor what is wanted of a workload is another than at the beginning."""
        return all(
            _marks(self._admin.list(kind, namespace)) == _marks(before)
            for (kind, namespace), before in self._before.items()
        )

    def _changes(self, kind: str, name: str, namespace: str) -> int:
        templates = [each["spec"]["template"] for each in self.states(kind, name, namespace)]
        return sum(before != after for before, after in pairwise(templates))

    def _caught_up(self, namespace: str) -> bool:
        return all(
            each.get("status", {}).get("observedGeneration") == each["metadata"]["generation"]
            for each in self._admin.list("Deployment", namespace)
        )

    def _replica_sets(self, namespace: str) -> set[str]:
        return {each["metadata"]["name"] for each in self._admin.list("ReplicaSet", namespace)}


def _marks(objects: list[Object]) -> list[object]:
    """Return what changes with each object: its generation where it has a status too, else its resourceVersion."""
    return [each["metadata"].get("generation", each["metadata"]["resourceVersion"]) for each in objects]


def marked(secret: Object) -> str | None:
    """Return the nonce of the restarts that are due, as the Secret's journal has it."""
    return annotations(secret).get(RESTART_DUE)


def annotations(raw: Object) -> dict[str, str]:
    """Return the annotations of an object."""
    return dict(raw["metadata"].get("annotations") or {})


def check_right(scene: Scene, history: History, password: str, version: str) -> None:
    """Fail unless each Secret holds the value and says so, and all that uses it carries the mark of the last write."""
    written_by = scene.identity.journal_name(scene.namespace)
    for namespace in history.namespaces:
        assert scene.admin.data("db", namespace) == {"password": password.encode()}
        journal = annotations(scene.admin.get("Secret", "db", namespace) or {"metadata": {}})
        assert RESTART_DUE not in journal
        assert json.loads(journal["keyferry.dev/versions"]) == {"db": version}
        assert (journal["keyferry.dev/mapping"], journal["keyferry.dev/keys"]) == (written_by, "password")
        last = history.writes(namespace)[-1:]
        for kind in WORKLOADS:
            for each in scene.admin.list(kind, namespace):
                assert not last or stamp_of(each, scene) == last[0]


def stamp_of(workload: Mapping[str, Any], scene: Scene) -> str | None:
    """Return the mark that a workload's pod template carries for the Secret `db`."""
    template = workload["spec"]["template"].get("metadata") or {}
    return (template.get("annotations") or {}).get(scene.identity.stamp_key("db"))

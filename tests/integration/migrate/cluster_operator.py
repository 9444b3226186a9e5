"""What External Secrets' operator does for a ClusterExternalSecret: a small stand-in, on a real API server.

As `Reconcile` and `createOrUpdateExternalSecret` do in
pkg/controllers/clusterexternalsecret/clusterexternalsecret_controller.go: an ExternalSecret for each namespace, with
the ClusterExternalSecret as its controller; what somebody edits of it is written back. The garbage collector takes them
along when the ClusterExternalSecret goes.
"""

from keyferry_local.admin import Admin, Object, Refused
from tests.integration.migrate.stand_ins import OPERATOR, Cluster

PARENT = "ClusterExternalSecret"


class ClusterOperator:
    """The operator, for one ClusterExternalSecret."""

    def __init__(self, admin: Admin, name: str) -> None:
        self.admin, self.name = admin, name
        self.updates = 0
        """How often it has written an ExternalSecret that was not as it should be."""

    @property
    def path(self) -> str:
        """Where the ClusterExternalSecret is."""
        return f"/apis/{OPERATOR}/v1/clusterexternalsecrets/{self.name}"

    def get(self) -> Object | None:
        """Return the ClusterExternalSecret."""
        try:
            return self.admin.send("GET", self.path)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def create(self, namespaces: list[str], spec: Object, metadata: Object) -> None:
        """Create the ClusterExternalSecret, as a person does."""
        whole = {"namespaces": namespaces, "externalSecretSpec": spec}
        body = {
            "apiVersion": f"{OPERATOR}/v1",
            "kind": PARENT,
            "metadata": {"name": self.name} | metadata,
            "spec": whole,
        }
        self.admin.send("POST", f"{self.path.rpartition('/')[0]}?fieldManager=kubectl-create", body, "application/json")

    def change(self, patch: Object) -> None:
        """Change it as a person does."""
        self.admin.send("PATCH", f"{self.path}?fieldManager=kubectl-edit", patch, "application/merge-patch+json")

    def delete(self) -> None:
        """Delete it, where it is there."""
        if self.get():
            self.admin.send("DELETE", self.path)

    def reconcile(self) -> None:
        """Let each namespace have its ExternalSecret, as it is asked for."""
        made = self.get()
        for namespace in made["spec"]["namespaces"] if made and "deletionTimestamp" not in made["metadata"] else ():
            self._reconcile_namespace(Cluster(self.admin, namespace), made or {})

    def _reconcile_namespace(self, cluster: Cluster, made: Object) -> None:
        owner = {"apiVersion": f"{OPERATOR}/v1", "kind": PARENT, "name": self.name, "uid": made["metadata"]["uid"]}
        owner |= {"controller": True, "blockOwnerDeletion": True}
        name, spec = made["spec"].get("externalSecretName") or self.name, made["spec"]["externalSecretSpec"]
        known = cluster.get("externalsecrets", name)
        if known is None:
            body: Object = {"apiVersion": f"{OPERATOR}/v1", "kind": "ExternalSecret", "spec": spec}
            body |= {"metadata": {"name": name, "namespace": cluster.namespace, "ownerReferences": [owner]}}
            cluster.create("externalsecrets", body, "external-secrets")
        elif owner["uid"] not in {each["uid"] for each in known["metadata"].get("ownerReferences", ())}:
            return  # "external secret already exists in namespace"
        elif known["spec"] != spec:
            self.updates += 1
            cluster.update("externalsecrets", known | {"spec": spec}, "external-secrets")

"""An administrator of a cluster: signs in as its kubeconfig says, and does what a person would do with kubectl."""

import base64
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import urllib3
from kubernetes.client import Configuration
from kubernetes.config import load_kube_config
from urllib3 import HTTPHeaderDict

from keyferry.kinds import KINDS
from keyferry_local import certificates

type Object = dict[str, Any]

_GROUPS = {
    **{kind.name: (f"/apis/{kind.group}/{kind.version}", kind.resource, True) for kind in KINDS.values()},
    "Namespace": ("/api/v1", "namespaces", False),
    "Secret": ("/api/v1", "secrets", True),
    "ConfigMap": ("/api/v1", "configmaps", True),
    "ServiceAccount": ("/api/v1", "serviceaccounts", True),
    "ResourceQuota": ("/api/v1", "resourcequotas", True),
    "ReplicaSet": ("/apis/apps/v1", "replicasets", True),
    "CronJob": ("/apis/batch/v1", "cronjobs", True),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions", False),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "ValidatingWebhookConfiguration": (
        "/apis/admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        False,
    ),
    "ValidatingAdmissionPolicy": ("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicies", False),
    "ValidatingAdmissionPolicyBinding": (
        "/apis/admissionregistration.k8s.io/v1",
        "validatingadmissionpolicybindings",
        False,
    ),
}
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"


class Refused(Exception):
    """The API server did not do it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Admin:
    """Creates, reads, edits and deletes objects of one cluster."""

    def __init__(self, kubeconfig: Path | None = None, context: str | None = None) -> None:
        """Read a kubeconfig, and the context of it or its current one; kubectl's own where none is given."""
        self._settings = Configuration()
        load_kube_config(str(kubeconfig) if kubeconfig else None, context, self._settings)
        self.endpoint: str = self._settings.host
        self.tls = _context(self._settings)
        self._pool = urllib3.PoolManager(ssl_context=self.tls, maxsize=8, retries=False)

    def apply(self, *objects: Object, manager: str = "kubectl") -> list[Object]:
        """Apply objects server-side, as `kubectl apply --server-side --field-manager` does, and return them."""
        query = f"?fieldManager={manager}&force=true"
        return [self.send("PATCH", _path(each) + query, each, _APPLY) for each in objects]

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return an object; None where it is missing."""
        try:
            return self.send("GET", _path_of(kind, name, namespace))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: str, namespace: str | None = None, query: str = "") -> list[Object]:
        """Return all objects of a kind, in a namespace or in all."""
        return list(self.send("GET", _path_of(kind, "", namespace) + query)["items"])

    def states(self, kind: str, namespace: str, *, since: str) -> tuple[Object, ...]:
        """Return each state that objects of a kind have had after a resourceVersion, in order, by a watch from there.

        A deletion shows as the last state once more.
        """
        last = max((int(each["metadata"]["resourceVersion"]) for each in self.list(kind, namespace)), default=0)
        found: list[Object] = []
        if last <= int(since):
            return ()
        url = f"{self.endpoint}{_path_of(kind, '', namespace)}?watch=true&resourceVersion={since}"
        response = self._pool.request("GET", url, headers=self._signed_in(), preload_content=False, timeout=20)
        for line in response:
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise Refused(event["object"]["code"], event["object"]["message"])
            found.append(event["object"])
            if int(event["object"]["metadata"]["resourceVersion"]) >= last:
                break
        response.close()
        return tuple(found)

    def edit(self, kind: str, name: str, namespace: str, patch: Object, *, manager: str = "kubectl-edit") -> Object:
        """Change an object by hand, as `kubectl edit` does."""
        return self.send("PATCH", f"{_path_of(kind, name, namespace)}?fieldManager={manager}", patch, _MERGE)

    def delete(self, kind: str, name: str, namespace: str | None = None) -> None:
        """Delete an object; one that is missing is fine."""
        try:
            self.send("DELETE", _path_of(kind, name, namespace))
        except Refused as error:
            if error.status != 404:
                raise

    def may(self, user: str, verb: str, resource: str, *, api: str = "", namespace: str = "", name: str = "") -> bool:
        """Return whether a user may do something, as `kubectl auth can-i --as` tells; `pods/log` is a subresource."""
        kind, _, part = resource.partition("/")
        asked = {"verb": verb, "group": api, "resource": kind, "namespace": namespace, "name": name}
        asked |= {"subresource": part} if part else {}
        spec = {"user": user, "resourceAttributes": asked}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        answer = self.send("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review, "application/json")
        return bool(answer["status"]["allowed"])

    def data(self, name: str, namespace: str) -> dict[str, bytes] | None:
        """Return the decoded data of a Secret; None where it is missing."""
        found = self.get("Secret", name, namespace)
        if found is None:
            return None
        return {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}

    def send(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content_type: str = "",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Object:
        """Make any request, and return the answer."""
        content = {"Content-Type": content_type} if content_type else {}
        response = self._pool.request(
            method,
            self.endpoint + path,
            body=None if body is None else json.dumps(body),
            headers=HTTPHeaderDict(headers) | self._signed_in() | content,
            timeout=20,
        )
        answer: Object = json.loads(response.data) if response.data else {}
        if response.status >= 400:
            raise Refused(response.status, str(answer.get("message", "")))
        return answer

    def answers(self, path: str) -> bool:
        """Return whether the API server is there, and has this path."""
        try:
            response = self._pool.request("GET", self.endpoint + path, headers=self._signed_in(), timeout=5)
        except urllib3.exceptions.HTTPError:
            return False
        return bool(response.status == 200)

    def _signed_in(self) -> dict[str, str]:
        """Return the header for a token, if the kubeconfig has one; this also renews one that has expired."""
        token = self._settings.get_api_key_with_prefix("BearerToken")
        return {"Authorization": token} if token else {}


def _path(body: Object) -> str:
    metadata = body["metadata"]
    return _path_of(body["kind"], metadata["name"], metadata.get("namespace"))


def _path_of(kind: str, name: str, namespace: str | None) -> str:
    base, resource, namespaced = _GROUPS[kind]
    inside = f"/namespaces/{namespace}" if namespaced and namespace else ""
    return f"{base}{inside}/{resource}" + (f"/{name}" if name else "")


def _context(settings: Configuration) -> ssl.SSLContext:
    """Return the TLS settings: whom the administrator trusts, and with which certificate it signs in, if any."""
    authority = settings.ssl_ca_cert
    context = certificates.trusting(Path(authority).read_text() if authority else None)
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context

"""What a person asks a cluster: metadata alone of Secrets, page by page; errors are about the person's own rights."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from keyferry.cli.clusters.client import OperatorClient
from keyferry.cli.clusters.contexts import Context
from keyferry.cli.clusters.resource import NAMESPACES, SECRETS, Resource
from keyferry.errors import ClusterUnavailable, Forbidden, Overtaken
from keyferry.kube.transport import Answer, Request
from tests.unit.test_connection import Server, says

CONTEXT = Context("mine", "cluster", "https://one.example")
ROLES = Resource("Role", "rbac.authorization.k8s.io/v1", "roles")
SEEN = {"name": "db", "namespace": "payments", "uid": "uid-1", "resourceVersion": "7"}


@pytest.fixture
def server() -> Server:
    """A server that is well."""
    return Server()


def connect(server: Server) -> OperatorClient:
    return OperatorClient(server.connect(), CONTEXT, server.clock.deadline(100))


def replies(server: Server, *bodies: dict[str, Any]) -> None:
    """Let the server reply with these, one after the other."""
    left: Iterator[dict[str, Any]] = iter(bodies)
    server.reply = lambda _: Answer(200, json.dumps(next(left)).encode())


def refuses(verb: str, resource: str) -> Answer:
    message = f'secrets is forbidden: User "me" cannot {verb} resource "{resource}" in API group ""'
    return Answer(403, json.dumps({"kind": "Status", "message": message}).encode())


def test_a_list_comes_page_by_page_with_metadata_alone(server: Server) -> None:
    replies(server, {"items": [{"n": 1}], "metadata": {"continue": "more"}}, {"items": [{"n": 2}], "metadata": {}})
    assert [item["n"] for item in connect(server).list_metadata(SECRETS, "payments", "a=b")] == [1, 2]
    first, second = server.sent
    assert (first.path, first.verb, first.namespace) == ("/api/v1/namespaces/payments/secrets", "list", "payments")
    assert first.accept == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    assert first.query == (("labelSelector", "a=b"), ("limit", "500"))
    assert second.query == (*first.query, ("continue", "more"))


def test_whole_secrets_are_never_listed(server: Server) -> None:
    with pytest.raises(ValueError, match="only the metadata"):
        connect(server).list_objects(SECRETS)
    assert server.sent == []


def test_a_kind_that_is_not_served_has_no_objects(server: Server) -> None:
    server.reply = says(404)
    assert list(connect(server).list_objects(ROLES)) == []
    assert server.sent[0].path == "/apis/rbac.authorization.k8s.io/v1/roles"
    assert connect(server).read_metadata(NAMESPACES, "ignored", "shop") is None
    assert server.sent[1].path == "/api/v1/namespaces/shop"


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_deletion_carries_what_was_seen(server: Server, *, dry_run: bool) -> None:
    connect(server).delete(SECRETS, SEEN, dry_run=dry_run)
    [sent] = server.sent
    assert (sent.method, sent.path) == ("DELETE", "/api/v1/namespaces/payments/secrets/db")
    assert sent.body is not None
    assert sent.body["preconditions"] == {"uid": "uid-1", "resourceVersion": "7"}
    assert sent.body.get("dryRun") == (["All"] if dry_run else None)
    assert "PartialObjectMetadata" in sent.accept


def test_one_that_has_changed_is_not_deleted_and_one_that_is_gone_is_done(server: Server) -> None:
    server.reply = says(409)
    with pytest.raises(Overtaken):
        connect(server).delete(SECRETS, SEEN)
    server.reply = says(404)
    connect(server).delete(SECRETS, SEEN)


def test_a_right_that_is_missing_is_the_person_s(server: Server) -> None:
    server.reply = lambda request: refuses(request.verb, "secrets")
    with pytest.raises(Forbidden) as caught:
        list(connect(server).list_metadata(SECRETS))
    assert str(caught.value) == (
        "context mine (https://one.example) may not list secrets of cluster prod-eu: let somebody grant that"
    )
    policy = json.dumps({"message": "ValidatingAdmissionPolicy 'keep' denied request"}).encode()
    server.reply = says(403, body=policy)
    with pytest.raises(Forbidden, match="ValidatingAdmissionPolicy 'keep' refuses to delete secrets/db"):
        connect(server).delete(SECRETS, SEEN)


def test_a_sign_in_that_is_refused_names_the_context(server: Server) -> None:
    server.reply = says(401)
    with pytest.raises(ClusterUnavailable, match="does not accept the sign-in of context mine") as caught:
        connect(server).read_version()
    assert "`kubectl --context mine auth whoami`" in str(caught.value)


def test_rights_are_asked_for_the_person_and_for_others(server: Server) -> None:
    asked = {"verb": "get", "resource": "secrets"}
    replies(server, *[{"status": {"allowed": True}}] * 2, {"status": {"resourceRules": [], "incomplete": True}}, {})
    client = connect(server)
    assert client.may(asked)
    assert client.may(asked, "keyferry:deliver", ["a"])
    assert client.list_own_rules("payments") == {"resourceRules": [], "incomplete": True}
    assert not client.may(asked)
    bodies = [_get_body(request) for request in server.sent]
    assert [body["kind"] for body in bodies] == [
        "SelfSubjectAccessReview",
        "SubjectAccessReview",
        "SelfSubjectRulesReview",
        "SelfSubjectAccessReview",
    ]
    assert bodies[1]["spec"] == {"resourceAttributes": asked, "user": "keyferry:deliver", "groups": ["a"]}
    assert server.sent[1].path == "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def _get_body(request: Request) -> dict[str, Any]:
    return dict(request.body or {})


def test_the_version_is_the_server_s(server: Server) -> None:
    replies(server, {"gitVersion": "v1.36.1"})
    assert connect(server).read_version() == "v1.36.1"


def test_kinds_have_the_names_that_kubectl_takes() -> None:
    assert (SECRETS.full_name, ROLES.full_name) == ("secrets", "roles.rbac.authorization.k8s.io")
    assert ROLES.build_path("a/b", "keyferry:deliver:x") == (
        "/apis/rbac.authorization.k8s.io/v1/namespaces/a%2Fb/roles/keyferry%3Adeliver%3Ax"
    )

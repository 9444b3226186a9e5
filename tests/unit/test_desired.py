"""The Secret as it is observed and as it should be: journal, ownership, names within Kubernetes' limits."""

import base64
import re
from typing import Any

import pytest

from keyferry import __version__
from keyferry.delivery.desired import Desired, compute_revision, format_versions
from keyferry.delivery.observed import Observed
from keyferry.model import SecretValue
from tests.unit.samples import desired_of, mapping

RAW: dict[str, Any] = {
    "metadata": {
        "uid": "uid-1",
        "resourceVersion": "7",
        "annotations": {"keyferry.dev/mapping": "payments-db", "keyferry.dev/keys": "password,username"},
        "labels": {"app.kubernetes.io/managed-by": "keyferry"},
        "managedFields": [
            {
                "manager": "keyferry:payments-db",
                "operation": "Apply",
                "fieldsV1": {
                    "f:data": {".": {}, "f:password": {}, "f:username": {}},
                    "f:metadata": {"f:annotations": {".": {}, "f:keyferry.dev/mapping": {}}, "f:labels": {"f:a": {}}},
                    "f:type": {},
                },
            },
            {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {"f:other": {}}}},
            {"operation": "Update"},
        ],
    },
    "type": "Opaque",
    "data": {"password": base64.b64encode(b"canary-\xff").decode(), "empty": ""},
}


def desired(**changes: Any) -> Desired:  # noqa: ANN401
    data = {"username": SecretValue(b"me"), "password": SecretValue(b"canary-\xff")}
    return desired_of(mapping(**changes), data, {"db": "version-1", "tls": "2@2026"})


def test_an_observed_secret_is_what_the_server_returned() -> None:
    found = Observed.from_object(RAW)
    assert found.preconditions == {"uid": "uid-1", "resourceVersion": "7"}
    assert {key: content.reveal() for key, content in found.data.items()} == {"password": b"canary-\xff", "empty": b""}
    assert (found.type, found.immutable, found.restart_due) == ("Opaque", False, None)
    assert found.is_written_by(mapping())
    assert not found.is_written_by(mapping("other"))
    assert found.get_journal_keys() == {"username", "password"}


def test_who_owns_what_is_read_from_managed_fields() -> None:
    found = Observed.from_object(RAW)
    assert found.keys_owned_by("keyferry:payments-db") == {"username", "password"}
    assert found.keys_owned_by("kubectl-edit") == set()  # not by apply
    assert [owner.manager for owner in found.fields_of_other_managers("keyferry:payments-db")] == [
        "kubectl-edit",
        "an unnamed manager",
    ]
    assert [sorted(owner.annotations | owner.labels) for owner in found.managed_fields] == [
        ["a", "keyferry.dev/mapping"],
        [],
        [],
    ]


def test_an_update_under_our_name_is_another_owner() -> None:
    fields = {"manager": "keyferry:payments-db", "operation": "Update", "fieldsV1": {"f:data": {"f:password": {}}}}
    found = Observed.from_object(RAW | {"metadata": RAW["metadata"] | {"managedFields": [fields]}})
    assert found.keys_owned_by("keyferry:payments-db") == set()
    assert [owner.keys for owner in found.fields_of_other_managers("keyferry:payments-db")] == [{"password"}]


@pytest.mark.parametrize("cleared", [None, []])
def test_what_nobody_owns_belongs_to_the_one_whom_the_server_will_name(cleared: object) -> None:
    found = Observed.from_object(RAW | {"metadata": RAW["metadata"] | {"managedFields": cleared}})
    [owner] = found.fields_of_other_managers("keyferry:payments-db")
    assert owner.manager == "before-first-apply"
    assert owner.keys == {"password", "empty"}
    assert owner.annotations == RAW["metadata"]["annotations"].keys()
    assert owner.labels == RAW["metadata"]["labels"].keys()


def test_metadata_alone_is_enough_to_observe() -> None:
    found = Observed.from_object({"metadata": RAW["metadata"]})
    assert (dict(found.data), found.type) == ({}, "Opaque")
    assert found.keys_owned_by("keyferry:payments-db") == {"username", "password"}
    bare = Observed.from_object({"metadata": {"uid": "uid-1", "resourceVersion": "7"}, "data": None, "immutable": True})
    assert not (bare.annotations or bare.labels or bare.get_journal_keys())
    assert bare.immutable


def test_a_body_is_the_complete_object() -> None:
    assert desired().build_body(Observed.from_object(RAW), "nonce-1") == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "payments-db",
            "uid": "uid-1",
            "resourceVersion": "7",
            "labels": {"app.kubernetes.io/managed-by": "keyferry"},
            "annotations": {
                "keyferry.dev/mapping": "payments-db",
                "keyferry.dev/versions": '{"db":"version-1","tls":"2@2026"}',
                "keyferry.dev/revision": compute_revision(mapping()),
                "keyferry.dev/keys": "password,username",
                "keyferry.dev/release": __version__,
                "keyferry.dev/restart-due": "nonce-1",
            },
        },
        "type": "Opaque",
        "data": {
            "username": base64.b64encode(b"me").decode(),
            "password": base64.b64encode(b"canary-\xff").decode(),
        },
    }


def test_a_body_without_restarts_due_has_no_mark() -> None:
    assert "keyferry.dev/restart-due" not in desired().build_body(None, None)["metadata"]["annotations"]


def test_the_journal_holds_versions_and_names_and_nothing_of_the_values() -> None:
    assert "canary" not in str(desired().journal)
    assert format_versions({"tls": None, "db": "version-1"}) == '{"db":"version-1","tls":null}'


@pytest.mark.parametrize(
    "change",
    [
        {"restart": "none"},
        {"clusters": ["prod-us"]},
        {"data": {"a": {"from": "db"}}},
        {"policies": {"conflict": "takeOver"}},
    ],
)
def test_the_revision_changes_with_the_mapping(change: dict[str, Any]) -> None:
    assert compute_revision(mapping(**change)) != compute_revision(mapping())
    assert re.fullmatch(r"[0-9a-f]{16}", compute_revision(mapping(**change)))


def test_the_revision_stays_where_the_mapping_says_the_same() -> None:
    same = mapping(restart="auto", policies={"conflict": "fail"}, owner={"team": "payments"})
    assert compute_revision(same) == compute_revision(mapping()) == compute_revision(mapping("another-name"))

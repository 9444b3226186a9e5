"""Names made from a stack's prefix: as clusters already have them, and none that two stacks share."""

import re

import pytest

from keyferry.identity import IDENTITY, Identity, role_name

LONG = "a" * 253


def names(identity: Identity) -> list[str]:
    """Return every name of a stack."""
    return [
        identity.deliver,
        identity.reconcile,
        identity.push,
        role_name(identity.deliver, "payments-db"),
        role_name(identity.reconcile, "payments-db"),
        identity.namespaces_role,
        identity.name_named_role(1),
        identity.name_named_role(2),
        *identity.policies,
        identity.events_role,
        identity.field_manager("payments-db"),
        identity.stamp_key("payments-db"),
    ]


def test_the_names_are_those_that_clusters_have() -> None:
    assert names(IDENTITY) == [
        "keyferry:deliver",
        "keyferry:reconcile",
        "keyferry:push",
        "keyferry:deliver:payments-db",
        "keyferry:reconcile:payments-db",
        "keyferry:namespaces",
        "keyferry:named-namespaces",
        "keyferry:named-namespaces-2",
        "keyferry-secrets",
        "keyferry-workloads",
        "keyferry-events",
        "keyferry:events",
        "keyferry:payments-db",
        "keyferry.dev/payments-db",
    ]


@pytest.mark.parametrize("prefix", ["staging", "keyferry-deliver", "keyferry-workloads"])
def test_a_stack_with_another_prefix_shares_no_name(prefix: str) -> None:
    assert not set(names(Identity(prefix))) & set(names(IDENTITY))


@pytest.mark.parametrize("name", ["payments-db", LONG[:119], LONG[:120], LONG])
def test_a_field_manager_has_at_most_128_bytes(name: str) -> None:
    assert len(IDENTITY.field_manager(name).encode()) <= 128
    assert IDENTITY.field_manager(name).startswith("keyferry:")


@pytest.mark.parametrize("name", ["payments-db", LONG[:63], LONG[:64], LONG])
def test_a_stamps_key_is_one_that_an_annotation_can_have(name: str) -> None:
    key = IDENTITY.stamp_key(name)
    assert re.fullmatch(r"keyferry\.dev/[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?", key)
    assert IDENTITY.stamp_key(name[:-1] + "c") != key
    assert (key == f"keyferry.dev/{name}") is (len(name) <= 63)

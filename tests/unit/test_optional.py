"""A source that may be missing: what is made of it is left out, and nothing goes that is there, unless it is let go."""

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from keyferry.delivery.preview import preview
from keyferry.delivery.sources import CONFIRMED_SECONDS
from keyferry.errors import KeyferryError, NothingFound, SourceDeleted, SourceMissing, SourceUnavailable, VersionMissing
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import SecretValue, SourceValue
from keyferry.stores.find import check_matches
from keyferry.stores.grant import Grant
from keyferry.stores.source import Source
from tests.unit.samples import delivery, mapping, rendered, value
from tests.unit.world import SOURCE, WHERE, World

MORE = "prod/payments/more"
PASSWORD = {"from": "db", "path": "password"}
TOKEN = {"from": "more", "path": "token"}
BOTH = {"data": {"password": PASSWORD, "token": TOKEN}}
ALONE = {"data": {"token": TOKEN}}
MISSING = SourceMissing("it does not exist")


def wish(secret: dict[str, Any], **spec: Any) -> SecretMapping:  # noqa: ANN401  # as a mapping has it
    """Return a mapping whose second source is optional."""
    sources = {"db": {"secretsManager": SOURCE}, "more": {"secretsManager": MORE, "optional": True}}
    return mapping(sources=sources, secret={"name": "payments-db"} | secret, **spec)


def lacking(secret: dict[str, Any], error: KeyferryError = MISSING, **spec: Any) -> World:  # noqa: ANN401
    """Return a world in which the optional source is missing."""
    world = World()
    world.mapping = wish(secret, **spec)
    world.sources.errors[MORE] = error
    return world


def losing(secret: dict[str, Any], **spec: Any) -> World:  # noqa: ANN401
    """Return a world in which a delivery has read the optional source, which is missing now."""
    world = World()
    world.sources.put(MORE, '{"token": "canary-0"}', "version-0")
    world.mapping = wish(secret, **spec)
    assert not world.deliver().errors
    world.sources.errors[MORE] = MISSING
    return world


def held(world: World) -> dict[str, bytes]:
    """Return the data of the Secret."""
    return {key: base64.b64decode(text) for key, text in world.cluster.data(*WHERE).items()}


@pytest.mark.parametrize("error", [MISSING, SourceDeleted("scheduled for deletion"), VersionMissing("no such version")])
@pytest.mark.parametrize(
    ("secret", "data"),
    [
        (BOTH, {}),
        ({"data": {"password": PASSWORD, "token": {"from": "more"}}}, {}),
        ({"data": {"password": PASSWORD, "token": {"from": "more", "default": "none"}}}, {"token": b"none"}),
        ({"data": {"password": PASSWORD}, "dataFrom": [{"from": "more", "keys": [{"merge": {"into": "all"}}]}]}, {}),
        (
            {"data": {"password": PASSWORD, "a": {"template": "{% if more is defined %}x{% else %}y{% endif %}"}}},
            {"a": b"y"},
        ),
    ],
)
def test_what_is_made_of_it_is_left_out(secret: dict[str, Any], data: dict[str, bytes], error: KeyferryError) -> None:
    world = lacking(secret, error)
    assert [plan.will for plan in preview(world.work()).previews] == ["create"]
    assert not world.deliver().errors
    assert held(world) == {"password": b"canary-1"} | data


def test_a_key_that_others_make_is_as_if_the_entry_of_it_were_not_there() -> None:
    world = lacking({"dataFrom": [{"from": "db"}], "data": {"password": {"from": "more", "path": "token"}}})
    assert not world.deliver().errors
    assert held(world)["password"] == b"canary-1"


def test_a_variable_that_others_make_is_as_if_the_entry_of_it_were_not_there() -> None:
    variables = {"dataFrom": [{"from": "db"}], "data": {"password": {"from": "more"}}}
    world = lacking({"variables": variables, "data": {"url": {"template": "{{ variables.password }}"}}})
    assert not world.deliver().errors
    assert held(world) == {"url": b"canary-1"}


def test_a_template_that_needs_it_fails() -> None:
    world = lacking({"data": {"url": {"template": "{{ db.password }} {{ more.token }}"}}})
    [error] = world.deliver().errors
    assert "more" in str(error)
    assert WHERE not in world.cluster.secrets


def test_another_source_is_as_necessary_as_ever() -> None:
    world = lacking(BOTH)
    world.sources.errors[SOURCE] = MISSING
    assert [type(error) for error in world.deliver().errors] == [SourceMissing]


@pytest.mark.parametrize("policy", ["retain", "delete"])
def test_where_nothing_is_left_nothing_is_written_and_that_is_no_failure(policy: str) -> None:
    world = lacking(ALONE, policies={"deletion": policy})
    assert [plan.will for plan in preview(world.work()).previews] == ["nothing"]
    [outcome] = world.deliver().outcomes
    assert (outcome.did, outcome.error) == ("unchanged", None)
    assert "its sources have no key at all, or are missing" in " ".join(outcome.notes)
    assert WHERE not in world.cluster.secrets


def test_a_secret_is_left_without_keys_where_they_are_let_go() -> None:
    world = lacking(ALONE, policies={"deletion": "merge"})
    assert not world.deliver().errors
    assert held(world) == {}
    world = losing(ALONE, policies={"deletion": "merge"})
    assert not world.deliver().errors
    assert held(world) == {}


@pytest.mark.parametrize("secret", [BOTH, {"data": {"password": PASSWORD}, "dataFrom": [{"from": "more"}]}])
def test_a_key_that_is_there_stays_and_the_delivery_fails(secret: dict[str, Any]) -> None:
    world = losing(secret)
    [error] = world.deliver().errors
    assert (type(error), error.part) == (SourceUnavailable, "sources.more")
    assert str(error) == (
        "source more: it is missing, and Secret payments-db has token already: it is left as it is (policies.deletion:"
        " retain); restore it; or set merge there to let such keys go"
    )
    assert set(held(world)) == {"password", "token"}


@pytest.mark.parametrize("policy", ["merge", "delete"])
def test_a_mapping_can_let_such_keys_go(policy: str) -> None:
    world = losing(BOTH, policies={"deletion": policy})
    [outcome] = world.deliver().outcomes
    assert (outcome.did, outcome.why) == ("updated", "no longer in the sources: token")
    assert set(held(world)) == {"password"}


def test_the_last_key_stays_unless_the_secret_may_be_deleted() -> None:
    world = losing(ALONE)
    assert [type(error) for error in world.deliver().errors] == [NothingFound]
    assert set(held(world)) == {"token"}
    world = losing(ALONE, policies={"deletion": "delete"})
    [outcome] = world.deliver().outcomes
    assert outcome.did == "deleted"
    assert WHERE not in world.cluster.secrets


def test_what_was_deleted_a_moment_ago_may_be_a_replacement() -> None:
    world = losing(BOTH, policies={"deletion": "delete"})
    report = world.deliver(delivery=delivery(deleted=["more"]))
    assert report.can_retry
    assert set(held(world)) == {"password", "token"}
    world.clock.jump(CONFIRMED_SECONDS)
    assert not world.deliver(delivery=delivery(deleted=["more"])).errors
    assert set(held(world)) == {"password"}


def test_a_secret_of_somebody_else_is_left_as_it_is_where_there_is_nothing_to_write() -> None:
    world = lacking(ALONE)
    world.cluster.create(*WHERE, data={"token": "canary-theirs"})
    assert not world.deliver().errors
    assert held(world) == {"token": b"canary-theirs"}


def test_a_find_may_find_nothing() -> None:
    assert check_matches("it", {}, optional=True) == {}
    sources = {"db": {"secretsManager": SOURCE}, "all": {"find": "secretsManager", "path": "team/", "optional": True}}
    nothing = {"db": value('{"password": "canary-1"}'), "all": SourceValue(SecretValue(b""), "v", members={})}
    both = {"name": "payments-db", "data": {"password": PASSWORD}, "dataFrom": [{"from": "all"}]}
    assert set(rendered(mapping(sources=sources, secret=both), nothing)) == {"password"}
    with pytest.raises(NothingFound):
        rendered(mapping(sources=sources, secret={"name": "payments-db", "dataFrom": [{"from": "all"}]}), nothing)


@pytest.mark.parametrize(
    "secret",
    [
        {"tls": {"from": "more"}},
        {"registries": [{"server": "r.example", "username": {"value": "me"}, "password": TOKEN}]},
    ],
)
def test_what_is_always_needed_comes_from_no_optional_source(secret: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="source more is optional, and this is always needed"):
        wish(secret)


def test_a_key_of_it_is_not_certain() -> None:
    assert wish(BOTH).spec.certain_keys == {"password"}
    assert wish({"data": {"token": TOKEN | {"default": "none"}}}).spec.certain_keys == {"token"}


def test_a_secret_that_is_missing_has_no_end_that_a_right_could_be_for() -> None:
    source = Source.model_validate({"secretsManager": MORE, "optional": True})
    arn = f"arn:${{AWS::Partition}}:secretsmanager:${{AWS::Region}}:${{AWS::AccountId}}:secret:{MORE}"
    grants = list(source.store.get_grants(source))
    assert {
        Grant("secretsmanager:GetSecretValue", arn),
        Grant("secretsmanager:GetSecretValue", f"{arn}-??????"),
    } <= set(grants)


def test_the_key_of_a_whole_value_can_have_a_default() -> None:
    secret = wish({"data": {"token": {"from": "more", "default": "none"}}}).spec.secret
    assert secret.data["token"].default == "none"

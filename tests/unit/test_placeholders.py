"""`${namespace}` and `${cluster}` in the names of sources: one mapping serves every team."""

from typing import Any

import pytest
from pydantic import ValidationError

from keyferry.access import iam
from keyferry.delivery.preview import preview
from keyferry.errors import SourceUnavailable, SourceUnusable, Unexpected, Unreachable
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Change, Place, StoreName
from keyferry.render.render import render, render_metadata
from keyferry.stores.source import Source
from keyferry.testing import Calls, encode
from tests.unit.samples import ACCOUNT, PLACE, WHEN, cluster, delivery, mapping, rendered, value
from tests.unit.world import DUE, World, secret

PATTERN = {"secretsManager": "teams/${namespace}/db"}
ARN = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:teams/"


def change(name: str, store: StoreName = "secretsmanager", **more: Any) -> Change:  # noqa: ANN401
    return Change(store, (name,), "updated", "event-1", WHEN, **more)


def catalog(*mappings: SecretMapping) -> Catalog:
    return build_catalog(mappings, [cluster("prod-eu"), cluster("prod-us")])


def reached(made: Catalog, what: Change) -> list[tuple[str, str, str | None]]:
    return [(each.mapping, each.cluster, each.namespace) for each in made.deliveries_of(what)]


# Names


def test_a_placeholder_stands_for_where_the_secret_goes() -> None:
    source = Source.model_validate({"parameterStore": "/${cluster}/${namespace}/db", "region": "eu-west-1"})
    there = source.resolve(Place("prod-eu", "shop"))
    assert (there.identifier, there.home_region) == ("/prod-eu/shop/db", "eu-west-1")
    assert (source.placeholders, there.placeholders) == (frozenset({"cluster", "namespace"}), frozenset())
    assert there.resolve(Place("other", "other")) is there


@pytest.mark.parametrize("name", ["teams/${team}/db", "teams/${}/db", "${NAMESPACE}"])
def test_another_placeholder_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=r"stands for nothing; \$\{namespace\} and \$\{cluster\} do"):
        Source.model_validate({"secretsManager": name})


@pytest.mark.parametrize(
    "source",
    [
        {"secretsManager": "${namespace}-${cluster}"},
        {"secretsManager": "${cluster}${namespace}"},
        {"find": "secretsManager", "path": "teams/${namespace}"},
        {"find": "secretsManager", "path": "teams/${namespace}-"},
    ],
)
def test_a_name_that_could_be_read_as_that_of_two_teams_is_refused(source: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="put a slash after it"):
        Source.model_validate(source)


@pytest.mark.parametrize(
    "source",
    [
        {"secretsManager": "${namespace}-db"},
        {"secretsManager": "${namespace}_${cluster}"},
        {"find": "secretsManager", "path": "teams/${namespace}/"},
        {"find": "parameterStore", "path": "/teams/${namespace}"},
    ],
)
def test_a_name_that_can_be_read_as_one_team_s_alone_is_taken(source: dict[str, str]) -> None:
    assert Source.model_validate(source).placeholders >= {"namespace"}


@pytest.mark.parametrize("name", ["teams/${namespace/db", "teams/$namespace", "teams/${name space}/db"])
def test_what_is_no_placeholder_is_no_name(name: str) -> None:
    with pytest.raises(ValidationError, match="not the name of a secret"):
        Source.model_validate({"secretsManager": name})


@pytest.mark.parametrize("alias", ["cluster", "namespace"])
def test_no_source_is_called_as_what_every_template_knows(alias: str) -> None:
    with pytest.raises(ValidationError, match=f"{alias} is a variable of every template"):
        mapping(sources={alias: {"secretsManager": "db"}, "db": {"secretsManager": "db"}})


# From an event to the namespaces concerned


@pytest.mark.parametrize(
    ("written", "event", "expected"),
    [
        (PATTERN, change("teams/shop/db"), [("prod-eu", "shop"), ("prod-us", "shop")]),
        (PATTERN, change("teams/pay/db"), [("prod-eu", "pay"), ("prod-us", "pay")]),
        (PATTERN, change("teams/other/db"), []),
        (PATTERN, change("teams/shop/db/more"), []),
        (PATTERN, change("teams/shop/pay/db"), []),
        (PATTERN, change("teams//db"), []),
        (PATTERN, change("teams/shop/db", store="parameterstore"), []),
        (
            {"secretsManager": ARN + "${namespace}/db"},
            change("teams/shop/db"),
            [("prod-eu", "shop"), ("prod-us", "shop")],
        ),
        ({"secretsManager": "${cluster}/db"}, change("prod-us/db"), [("prod-us", None)]),
        ({"secretsManager": "${cluster}/db"}, change("prod-ap/db"), []),
        ({"secretsManager": "${cluster}/${namespace}"}, change("prod-us/pay"), [("prod-us", "pay")]),
        ({"secretsManager": "${namespace}/${namespace}"}, change("pay/pay"), [("prod-eu", "pay"), ("prod-us", "pay")]),
        ({"secretsManager": "${namespace}/${namespace}"}, change("pay/shop"), []),
        (
            {"parameterStore": "/teams/${namespace}/db"},
            change("teams/shop/db", store="parameterstore"),
            [("prod-eu", "shop"), ("prod-us", "shop")],
        ),
        (PATTERN, change("teams/shop/db", label="other"), []),
    ],
)
def test_an_event_finds_mapping_cluster_and_namespace_by_the_name_alone(
    written: dict[str, str], event: Change, expected: list[tuple[str, str | None]]
) -> None:
    made = catalog(mapping(sources={"db": written}, clusters=["prod-eu", "prod-us"], namespaces=["shop", "pay"]))
    assert reached(made, event) == [("payments-db", *each) for each in expected]


def test_where_another_source_concerns_all_namespaces_all_are_delivered() -> None:
    sources = {"own": PATTERN, "same": {"secretsManager": "teams/shop/db"}}
    made = catalog(mapping(sources=sources, data={"a": {"from": "own"}}, namespaces=["shop", "pay"]))
    [found] = made.deliveries_of(change("teams/shop/db", version="v2"))
    assert (found.namespace, found.versions) == (None, {"own": "v2", "same": "v2"})


def test_namespaces_that_patterns_leave_out_get_no_delivery() -> None:
    made = catalog(mapping(sources={"db": PATTERN}, namespaces={"names": ["team-*"], "exclude": ["*-test"]}))
    found = [reached(made, change(f"teams/{name}/db")) for name in ("team-a", "team-test", "shop")]
    assert found == [[("payments-db", "prod-eu", "team-a")], [], []]


def test_the_look_up_asks_as_many_mappings_as_can_be_meant() -> None:
    many = [mapping(f"m{n}", sources={"db": {"secretsManager": f"teams/${{namespace}}/{n}"}}) for n in range(50)]
    whole = catalog(*many, *(mapping(f"n{n}", sources={"db": {"secretsManager": f"teams/x/{n}"}}) for n in range(50)))
    asked = list(whole._look_up("secretsmanager", "teams/x/7"))
    assert sorted(asked) == [("m7", "db"), ("n7", "db")]


# Deliveries


def teams(*names: str) -> World:
    """Return a world in which each namespace has a secret of its own."""
    world = World(*names)
    for name in names:
        world.sources.put(f"teams/{name}/db", secret(f"canary-{name}"))
    world.mapping = mapping(sources={"db": PATTERN}, namespaces=sorted(names))
    return world


def test_each_namespace_gets_its_own_secret() -> None:
    world = teams("shop", "pay")
    calls = Calls()
    report = world.deliver(calls)
    assert not report.errors
    for name in ("shop", "pay"):
        found = world.cluster.data(name, "payments-db")
        assert found == {"username": encode("me"), "password": encode(f"canary-{name}")}
    assert report.versions == {}, "they are different ones"
    read = [what for what in calls.recorded if what.startswith("source")]
    assert read == ["source teams/pay/db", "source teams/shop/db"] * 2, "once in each pass"


def test_a_delivery_of_one_namespace_reads_its_source_alone() -> None:
    world = teams("shop", "pay")
    calls = Calls()
    report = world.deliver(calls, delivery=delivery(namespace="pay", versions={"db": "version-3"}))
    assert (report.versions, world.clock.slept) == ({"db": "version-3"}, [])
    assert {what for what in calls.recorded if what.startswith("source")} == {"source teams/pay/db"}


def test_a_namespace_whose_source_fails_does_not_hold_up_the_others() -> None:
    world = teams("shop", "pay", "new")
    world.sources.put("teams/new/db", "canary, no JSON")

    def missing(_number: int, what: str) -> None:
        if what == "source teams/pay/db":
            raise SourceUnavailable("teams/pay/db does not exist")

    report = world.deliver(Calls(before=missing))
    assert {each.namespace: (each.did, type(each.error)) for each in report.outcomes} == {
        "shop": ("created", type(None)),
        "pay": ("failed", SourceUnavailable),
        "new": ("failed", SourceUnusable),
    }
    assert DUE not in world.cluster.annotations("shop", "payments-db")
    assert ("pay", "payments-db") not in world.cluster.secrets


def test_what_takes_longer_than_there_is_time_gets_further_with_each_try() -> None:
    names = [f"n{number}" for number in range(60)]
    world = teams(*names)
    for _ in range(40):
        a_second_each = Calls(before=lambda *_: world.clock.jump(1.0))
        world.deliver(a_second_each, deadline=world.clock.deadline(100))
        if len(world.cluster.secrets) == len(names):
            return
    pytest.fail(f"{len(world.cluster.secrets)} of {len(names)} were written")


def test_deliveries_of_single_namespaces_do_not_wait_for_each_other() -> None:
    made = catalog(mapping(sources={"db": PATTERN}, namespaces=["shop", "pay"]))
    groups = [each.group for name in ("shop", "pay") for each in made.deliveries_of(change(f"teams/{name}/db"))]
    assert groups == ["payments-db/prod-eu/shop", "payments-db/prod-eu/pay"]


def test_an_error_of_one_namespace_that_nobody_foresaw_is_told_without_its_text() -> None:
    world = teams("shop", "pay")

    def breaks(_number: int, what: str) -> None:
        if what == "source teams/pay/db":
            raise RuntimeError("canary")

    report = world.deliver(Calls(before=breaks))
    [error] = report.errors
    assert isinstance(error, Unexpected)
    assert "canary" not in str(error)


def test_a_source_that_all_share_is_read_once() -> None:
    world = teams("shop", "pay")
    sources = {"db": PATTERN, "shared": {"secretsManager": "prod/payments/db"}}
    calls = Calls()
    wanted = mapping(sources=sources, namespaces=["shop", "pay"], restart="none")
    report = world.deliver(calls, of=wanted)
    assert sum(what == "source prod/payments/db" for what in calls.recorded) == 2, "once in each pass"
    assert report.versions == {"shared": "version-1"}


def test_what_would_be_done_is_told_for_each_namespace() -> None:
    world = teams("shop", "pay")
    world.sources.put("teams/pay/db", "canary, no JSON")
    told = {each.namespace: (each.will, type(each.error)) for each in preview(world.work()).previews}
    assert told == {"shop": ("create", type(None)), "pay": ("fail", SourceUnusable)}
    assert preview(world.work(delivery=delivery(namespace="gone"))).previews == ()


# Templates know the place


def test_a_template_knows_cluster_and_namespace() -> None:
    data = {"url": {"template": "https://{{ namespace }}.{{ cluster }}.example.com/{{ db.path }}"}}
    sources = {"db": value('{"path": "x"}')}
    assert rendered(mapping(data=data), sources)["url"].reveal() == b"https://payments.prod-eu.example.com/x"


def test_a_secret_that_names_its_namespace_is_another_in_each() -> None:
    world = World("shop", "pay")
    data = {"where": {"template": "{{ namespace }}"}}
    assert not world.deliver(of=mapping(data=data, namespaces=["shop", "pay"])).errors
    held = {name: world.cluster.data(name, "payments-db")["where"] for name in ("shop", "pay")}
    assert len(set(held.values())) == 2


def test_labels_and_annotations_can_be_templates() -> None:
    world = World()
    given = {
        "labels": {"team": {"template": "{{ namespace }}"}, "app": "payments"},
        "annotations": {"example.com/from": {"template": "{{ cluster }}/{{ namespace }}"}},
    }
    wanted = mapping(secret=mapping().spec.secret.model_dump(by_alias=True, exclude_defaults=True) | given)
    assert not world.deliver(of=wanted).errors
    found = world.cluster.secrets["payments", "payments-db"]
    assert found.select_part("labels") == {
        "team": "payments",
        "app": "payments",
        "app.kubernetes.io/managed-by": "keyferry",
    }
    assert found.select_part("annotations")["example.com/from"] == "prod-eu/payments"


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("{{ db.password }}", "label team: line 1 of the template: nothing is called db; there is: cluster, namespace"),
        ("{{ namespace }} x", "label team: the template makes what no label can be"),
        ("{{ namespace", "label team: line 1 of the template: {{ is not closed by }}"),
    ],
)
def test_a_template_that_makes_no_label_fails(label: str, said: str) -> None:
    secret_ = mapping().spec.secret.model_dump(by_alias=True, exclude_defaults=True)
    wanted = mapping(secret=secret_ | {"labels": {"team": {"template": label}}})
    with pytest.raises(SourceUnusable, match=said):
        rendered(wanted, {"db": value('{"username": "me", "password": "canary"}')})


def with_tags(template: str) -> SecretMapping:
    """Return a mapping whose label is made of the tags of its source."""
    secret_ = mapping().spec.secret.model_dump(by_alias=True, exclude_defaults=True)
    sources = {"db": {"secretsManager": "db"}, "tags": {"secretsManager": "db", "metadata": "tags"}}
    return mapping(sources=sources, secret=secret_ | {"labels": {"team": {"template": template}, "app": "pay"}})


def test_a_label_can_be_made_of_tags() -> None:
    sources = {"db": value('{"username": "me", "password": "canary"}'), "tags": value('{"team": "payments"}')}
    assert render(with_tags("{{ tags.team }}"), sources, PLACE).labels == {"team": "payments", "app": "pay"}
    with pytest.raises(SourceUnusable, match="label team: line 1 of the template: nothing is called db; there is"):
        render(with_tags("{{ tags.team }}{{ db.password }}"), sources, PLACE)


def test_a_label_shows_a_value_only_where_its_template_says_so() -> None:
    template = {"template": "{{ db.username }}-{{ variables.port }}"}
    secret_ = mapping().spec.secret.model_dump(by_alias=True, exclude_defaults=True)
    secret_ |= {"variables": {"data": {"port": {"from": "db", "path": "port"}}}}
    sources = {"db": value('{"username": "me", "password": "canary", "port": 5432}')}
    shown = mapping(secret=secret_ | {"annotations": {"note": template | {"showsValues": True}, "plain": "x"}})
    assert render(shown, sources, PLACE).annotations == {"note": "me-5432", "plain": "x"}
    assert render_metadata(shown, PLACE, {}) == ({}, {"plain": "x"})
    with pytest.raises(SourceUnusable, match="annotation note: line 1 of the template: nothing is called db"):
        render(mapping(secret=secret_ | {"annotations": {"note": template}}), sources, PLACE)


def test_where_tags_were_not_read_a_label_of_them_is_not_judged() -> None:
    assert render_metadata(with_tags("{{ tags.team }}"), PLACE, {}) == ({"app": "pay"}, {})
    assert render_metadata(with_tags("{{ namespace }}"), PLACE, {}) == ({"team": "payments", "app": "pay"}, {})


# Rights


@pytest.mark.parametrize(
    ("namespaces", "expected"),
    [
        (["shop", "pay"], ["teams/pay/prod-eu-??????", "teams/shop/prod-eu-??????"]),
        ({"names": ["team-*"]}, ["teams/team-*/prod-eu-??????"]),
        (["shop", {"names": ["team-*"]}], ["teams/shop/prod-eu-??????", "teams/team-*/prod-eu-??????"]),
        ({"matchLabels": {"a": "b"}}, ["teams/*/prod-eu-??????"]),
    ],
)
def test_rights_are_for_the_names_that_there_are(namespaces: object, expected: list[str]) -> None:
    source = {"secretsManager": "teams/${namespace}/${cluster}"}
    found = iam.build_template(catalog(mapping(sources={"db": source}, namespaces=namespaces)))
    [_, statement] = found["Resources"]["Deliver1"]["Properties"]["PolicyDocument"]["Statement"]
    assert [each["Fn::Sub"].rpartition(":secret:")[2] for each in statement["Resource"]] == expected


def test_a_source_of_one_namespace_that_gives_no_answer_is_not_asked_again_in_the_same_try() -> None:
    world = teams("shop", "pay")

    def lost(_number: int, what: str) -> None:
        if what == "source teams/pay/db":
            raise Unreachable("no answer from AWS")

    calls = Calls(before=lost)
    report = world.deliver(calls)
    assert [(outcome.namespace, type(outcome.error)) for outcome in report.outcomes] == [
        ("pay", Unreachable),
        ("shop", type(None)),
    ]
    assert calls.recorded.count("source teams/pay/db") == 1

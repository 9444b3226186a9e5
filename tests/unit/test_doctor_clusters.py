"""What `keyferry doctor` finds in a cluster with somebody's kubeconfig: rights, and what is generated for it."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from keyferry.access import rbac
from keyferry.cli.call import Call
from keyferry.cli.clusters.contexts import Context
from keyferry.cli.clusters.generated import GENERATED, has_generated_name
from keyferry.cli.clusters.resource import Resource
from keyferry.cli.doctor.clusters import rights
from keyferry.cli.doctor.clusters.cluster import check_cluster, list_checks
from keyferry.cli.doctor.clusters.needs import Needs
from keyferry.cli.doctor.finding import Check, Finding
from keyferry.cli.doctor.runner import collect
from keyferry.deadline import Deadline
from keyferry.errors import ClusterUnreachable, Forbidden, InvalidInput, KeyferryError
from keyferry.mapping.catalog import Catalog, build_catalog
from tests.unit.examined import only
from tests.unit.samples import cluster, mapping

type Object = dict[str, Any]

CLUSTER = cluster()
EVERYTHING = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
USERS = ("keyferry:deliver", "keyferry:reconcile")


def catalog(**spec: Any) -> Catalog:  # noqa: ANN401  # YAML
    return build_catalog([mapping(**spec)], [CLUSTER])


class FakeOperator:
    """A cluster with what is generated for it, and somebody who may look at all of it."""

    def __init__(self, known: Catalog) -> None:
        self.cluster, self.context = "prod-eu", Context("mine", "prod-eu", "https://one.example")
        self.objects = copy.deepcopy(rbac.build_rbac(known, CLUSTER))
        for each in self.objects:
            if "spec" in each:  # as the API server adds it
                each["spec"] = {**each["spec"], "failurePolicy": "Fail"}
                for matching in [each["spec"][key] for key in ("matchConstraints",) if key in each["spec"]]:
                    matching |= {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
                    matching["resourceRules"] = [rule | {"scope": "*"} for rule in matching["resourceRules"]]
        self.own: Object = {"resourceRules": [EVERYTHING]}
        self.granted: set[tuple[str, str, str]] = set()
        """Verb, group and resource of what the person may do that the cluster does not list."""
        self.refused: set[tuple[str, str]] = set()
        """Verb and resource of what the users of the stack may not do."""
        self.more: set[tuple[str, str]] = set()
        """The same of what they may do beside it."""
        self.hidden: str = ""
        """A kind that may not be listed."""
        self.asked: list[tuple[Mapping[str, str], str, Sequence[str]]] = []
        self.away: KeyferryError | None = None

    def read_version(self) -> str:
        if self.away:
            raise self.away
        return "v1.36.2"

    def list_own_rules(self, namespace: str) -> Object:
        assert namespace
        return self.own

    def may(self, attributes: Mapping[str, str], user: str | None = None, groups: Sequence[str] = ()) -> bool:
        if user is None:
            return (attributes["verb"], attributes["group"], attributes["resource"]) in self.granted
        self.asked.append((attributes, user, groups))
        right = attributes["verb"], attributes["resource"]
        return right in self.more if right == ("list", "secrets") else right not in self.refused

    def list_objects(self, resource: Resource) -> Iterator[Object]:
        if resource.kind == self.hidden:
            raise Forbidden(f"you may not list {resource.full_name}")
        return (each for each in self.objects if each["kind"] == resource.kind)


def examine(operator: FakeOperator, folder: Catalog, deployed: Catalog | None = None) -> list[Finding]:
    """Return what is found in a cluster. What is deployed is what the folder has, where it is not given."""
    client: Any = operator
    needs = Needs(CLUSTER, folder, deployed or folder)
    return collect(Check("cluster", "prod-eu", lambda: check_cluster(needs, client)))


def wrong(operator: FakeOperator, folder: Catalog, deployed: Catalog | None = None) -> list[Finding]:
    return [finding for finding in examine(operator, folder, deployed) if finding.state != "ok"]


@pytest.mark.parametrize("spec", [{}, {"namespaces": {"matchLabels": {"team": "a"}}}, {"restart": "none"}])
def test_of_a_cluster_that_is_well_everything_is_ok(spec: dict[str, Any]) -> None:
    known = catalog(**spec)
    operator = FakeOperator(known)
    findings = examine(operator, known)
    assert {finding.state for finding in findings} == {"ok"}
    assert [finding.check for finding in findings] == ["cluster", "rights", "rights", "rights", "generated"]
    assert {user for _, user, _ in operator.asked} == set(USERS)
    assert {tuple(groups) for *_, groups in operator.asked} == {("system:authenticated",)}


def remove(kind: str) -> Callable[[FakeOperator], None]:
    def change(operator: FakeOperator) -> None:
        operator.objects = [each for each in operator.objects if each["kind"] != kind]

    return change


def edit(kind: str, field: str, value: object) -> Callable[[FakeOperator], None]:
    def change(operator: FakeOperator) -> None:
        next(each for each in operator.objects if each["kind"] == kind)[field] = value

    return change


def name_nothing(operator: FakeOperator) -> None:
    """Have a Role that no longer says which Secret it is for."""
    rule = next(each for each in operator.objects if each["kind"] == "Role")["rules"][0]
    del rule["resourceNames"]


def add(kind: str, more: Object) -> Callable[[FakeOperator], None]:
    """Have the first object of a kind say something more."""

    def change(operator: FakeOperator) -> None:
        first = next(each for each in operator.objects if each["kind"] == kind)
        first["spec"] = first["spec"] | more

    return change


def leave(operator: FakeOperator) -> None:
    """Have a Role of a mapping that was removed."""
    metadata = {"name": "keyferry:deliver:gone", "namespace": "shop", "labels": {"keyferry.dev/generated": "keyferry"}}
    others = {"name": "theirs", "namespace": "shop", "labels": {"keyferry.dev/generated": "staging"}}
    operator.objects += [{"kind": "Role", "metadata": metadata, "rules": []}]
    operator.objects += [{"kind": "Role", "metadata": others, "rules": []}, {"kind": "Role", "metadata": {"name": "x"}}]


def set_to(**fields: Any) -> Callable[[FakeOperator], None]:  # noqa: ANN401
    return lambda operator: vars(operator).update(fields)


APPLY = "kubectl --context mine apply --server-side -f generated/clusters/prod-eu/rbac.yaml"
POLICIES = "list validatingadmissionpolicies, list validatingadmissionpolicybindings"
ALL_OF_IT = (
    "create subjectaccessreviews, list roles, list rolebindings, list clusterroles, list clusterrolebindings, "
    + POLICIES
)
ENOUGH = "you may look at all that is looked at"
LACKING = {"resourceRules": [{"verbs": ["list"], "apiGroups": ["*"], "resources": ["roles", "rolebindings"]}]}


@pytest.mark.parametrize(
    ("state", "what", "why", "remedy", "spoil"),
    [
        (
            "warning",
            "prod-eu: your own",
            "you may not create subjectaccessreviews, list clusterroles",
            "auth can-i --list",
            set_to(own=LACKING),
        ),
        (
            "error",
            "prod-eu: keyferry:deliver",
            "it may not patch secrets/payments-db in namespace payments",
            "auth can-i patch secrets/payments-db --namespace payments --as keyferry:deliver"
            f" && keyferry generate && {APPLY}",
            set_to(refused={("patch", "secrets")}),
        ),
        (
            "error",
            "prod-eu: keyferry:deliver",
            "and 2 more of",
            "patch daemonsets.apps --namespace payments",
            set_to(refused={("patch", "deployments"), ("patch", "daemonsets"), ("patch", "statefulsets")}),
        ),
        (
            "error",
            "prod-eu: keyferry:reconcile",
            "it may not get secrets/payments-db",
            APPLY,
            set_to(refused={("get", "secrets")}),
        ),
        (
            "error",
            "prod-eu: keyferry:deliver",
            "it may list all Secrets",
            "auth can-i list secrets",
            set_to(more={("list", "secrets")}),
        ),
        (
            "error",
            "prod-eu",
            "otherwise than the mappings make them: RoleBinding",
            APPLY,
            edit("RoleBinding", "roleRef", {"kind": "ClusterRole", "name": "cluster-admin"}),
        ),
        ("error", "prod-eu", "otherwise than the mappings make them", APPLY, edit("RoleBinding", "roleRef", None)),
        ("error", "prod-eu", "otherwise than the mappings make them: Role ", APPLY, name_nothing),
        ("error", "prod-eu", "missing: Role payments/keyferry:deliver:payments-db and 1 more", APPLY, remove("Role")),
        (
            "error",
            "prod-eu",
            "missing: ValidatingAdmissionPolicy keyferry-secrets",
            APPLY,
            remove("ValidatingAdmissionPolicy"),
        ),
        (
            "error",
            "prod-eu",
            "otherwise than the mappings make them: Role payments/keyferry:deliver:payments-db",
            APPLY,
            edit("Role", "rules", []),
        ),
        (
            "error",
            "prod-eu",
            "otherwise than the mappings make them: RoleBinding",
            APPLY,
            edit("RoleBinding", "subjects", None),
        ),
        (
            "error",
            "prod-eu",
            "otherwise than the mappings make them: ValidatingAdmissionPolicy keyferry-secrets",
            APPLY,
            edit("ValidatingAdmissionPolicy", "spec", {"failurePolicy": "Ignore"}),
        ),
        (
            "error",
            "prod-eu",
            "otherwise than the mappings make them: ValidatingAdmissionPolicyBinding keyferry-secrets",
            APPLY,
            add(
                "ValidatingAdmissionPolicyBinding", {"matchResources": {"objectSelector": {"matchLabels": {"a": "b"}}}}
            ),
        ),
        (
            "warning",
            "prod-eu",
            "no mapping needs any more: Role shop/keyferry:deliver:gone",
            "keyferry orphans --cluster prod-eu --context prod-eu=mine",
            leave,
        ),
        (
            "warning",
            "prod-eu",
            "could not be looked at: you may not list clusterroles.rbac",
            "",
            set_to(hidden="ClusterRole"),
        ),
        ("warning", "prod-eu", "could not be looked at: no answer", "", set_to(away=ClusterUnreachable("no answer"))),
    ],
)
def test_what_is_broken_is_told_with_its_remedy(
    state: str, what: str, why: str, remedy: str, spoil: Callable[[FakeOperator], None]
) -> None:
    known = catalog()
    operator = FakeOperator(known)
    spoil(operator)
    matching = [each for each in wrong(operator, known) if each.what == what and why in each.why]
    assert [finding.state for finding in matching] == [state], wrong(operator, known)
    assert remedy in " && ".join(matching[0].remedy)
    found = [finding for finding in examine(operator, known) if finding.check == "generated"]
    assert len({finding.state == "ok" for finding in found}) <= 1
    assert "take away" not in str(found)


@pytest.mark.parametrize(
    ("rule", "lacking"),
    [
        (EVERYTHING, ""),
        (EVERYTHING | {"verbs": ["list"]}, "create subjectaccessreviews"),
        (EVERYTHING | {"apiGroups": ["authorization.k8s.io", "rbac.authorization.k8s.io"]}, POLICIES),
        (EVERYTHING | {"resourceNames": ["one"]}, ALL_OF_IT),
    ],
)
def test_ones_own_rights_are_those_that_the_cluster_lists(rule: Object, lacking: str) -> None:
    known = catalog()
    operator = FakeOperator(known)
    operator.own = {"resourceRules": [rule]}
    [own] = [finding for finding in examine(operator, known) if finding.what == "prod-eu: your own"]
    assert own.why == (f"you may not {lacking}: less is looked at" if lacking else ENOUGH)


def test_the_users_of_the_stack_are_asked_for_with_namespace_group_and_name() -> None:
    known = catalog()
    operator = FakeOperator(known)
    examine(operator, known)
    asked = [(dict(attributes), user) for attributes, user, _ in operator.asked]
    patch = {"verb": "patch", "group": "apps", "resource": "deployments", "namespace": "payments"}
    assert (patch, "keyferry:deliver") in asked
    get = {"verb": "get", "resource": "secrets", "namespace": "payments", "name": "payments-db"}
    assert (get, "keyferry:reconcile") in asked
    assert ({"verb": "list", "resource": "secrets"}, "keyferry:reconcile") in asked


def test_what_a_command_and_a_line_say_of_a_right() -> None:
    right = rights.Right("keyferry:deliver", "list", "apps", "deployments")
    assert (str(right), right.format_command("mine")) == (
        "list deployments",
        "kubectl --context mine auth can-i list deployments.apps --as keyferry:deliver",
    )


def test_roles_of_others_are_none_that_wait_for_a_deployment() -> None:
    known = catalog()
    operator = FakeOperator(known)
    operator.objects.append({"kind": "Role", "metadata": {"name": "theirs", "namespace": "shop"}, "rules": []})
    found = [finding for finding in examine(operator, known) if finding.check == "generated"]
    assert [finding.why for finding in found] == [
        f"{len(rbac.build_rbac(known, CLUSTER))} Roles, bindings and policies as generated"
    ]


def test_what_is_left_over_is_sorted_and_named_in_full() -> None:
    known = catalog()
    operator = FakeOperator(known)
    for name in ("b", "a", "c"):
        metadata = {"name": name, "namespace": "shop", "labels": {"keyferry.dev/generated": "keyferry"}}
        operator.objects.append({"kind": "Role", "metadata": metadata, "rules": []})
    finding = only(wrong(operator, known))
    assert finding.why == "no mapping needs any more: Role shop/a and 2 more"
    assert finding.details == ("Role shop/a", "Role shop/b", "Role shop/c")


ONE = {"secret": {"name": "one", "data": {"password": {"from": "db", "path": "password"}}}}
KEPT = build_catalog([mapping("one", **ONE)], [CLUSTER])
BOTH = build_catalog([mapping("one", **ONE), mapping()], [CLUSTER])


def test_what_a_mapping_needs_that_is_still_deployed_is_neither_missing_nor_left_over() -> None:
    found = wrong(FakeOperator(BOTH), KEPT, BOTH)
    assert [(finding.check, finding.state, finding.remedy) for finding in found] == [
        ("generated", "warning", ("keyferry plan",))
    ]
    assert found[0].why.startswith(
        "missing or otherwise for the folder, which is not deployed yet: ValidatingAdmissionPolicy keyferry-"
    )
    assert "would take away what deployed mappings need" in found[0].why
    texts = [finding.why for finding in examine(FakeOperator(BOTH), KEPT, BOTH)]
    assert "4 that deployed mappings need are left over once the folder is deployed" in texts


def test_a_folder_that_takes_away_what_deployed_mappings_need_is_not_applied() -> None:
    operator = FakeOperator(BOTH)
    remove("RoleBinding")(operator)
    operator.refused = {("patch", "secrets")}
    remedies = [command for finding in wrong(operator, KEPT, BOTH) for command in finding.remedy]
    assert [command for command in remedies if "apply" in command or "remove-stale" in command] == []
    assert "keyferry plan" in remedies


def test_a_folder_that_was_applied_before_its_deployment_is_an_error_only_where_it_takes_something_away() -> None:
    assert wrong(FakeOperator(BOTH), BOTH, KEPT) == []
    found = wrong(FakeOperator(KEPT), KEPT, BOTH)
    assert {(finding.check, finding.state) for finding in found} == {("generated", "error")}
    missing, differing = found
    assert missing.why.startswith("missing: ")
    assert "Role payments/keyferry:deliver:payments-db" in missing.details
    assert differing.why.startswith("otherwise than the mappings make them: ValidatingAdmissionPolicy keyferry-")


def test_a_cluster_is_asked_for_what_the_deployed_mappings_need_there_alone() -> None:
    both = [CLUSTER, cluster("prod-us")]
    deployed = build_catalog([mapping("one", **ONE), mapping(clusters=["prod-us"])], both)
    assert wrong(FakeOperator(KEPT), KEPT, deployed) == []


def test_what_the_next_deployment_needs_is_a_warning_with_the_command_that_applies_it() -> None:
    [finding] = wrong(FakeOperator(KEPT), BOTH, KEPT)
    assert (finding.state, finding.remedy) == ("warning", ("keyferry generate", APPLY))
    assert "Role payments/keyferry:deliver:payments-db" in finding.details


def test_nothing_is_said_to_be_needed_no_more_where_nobody_knows_what_is_deployed() -> None:
    client: Any = FakeOperator(BOTH)
    needs = Needs(CLUSTER, KEPT, None, Call(Path("teams/mappings"), "staging"))
    found = collect(Check("cluster", "prod-eu", lambda: check_cluster(needs, client)))
    left = only([finding for finding in found if finding.state == "warning"])
    assert left.why.startswith("no mapping of the folder needs, and what is deployed is not known: Role")
    assert left.remedy == (
        "keyferry --mappings teams/mappings orphans --cluster prod-eu --context prod-eu=mine --stack staging",
    )
    wrong = only([finding for finding in found if finding.state == "error"])
    assert wrong.remedy[1].endswith("-f teams/generated/clusters/prod-eu/rbac.yaml")


def test_what_a_line_only_counts_is_in_the_details() -> None:
    operator = FakeOperator(BOTH)
    remove("Role")(operator)
    operator.refused = {("patch", "secrets")}
    details = [finding.details for finding in wrong(operator, BOTH) if "more" in finding.why]
    assert details == [
        tuple(f"patch secrets/{name} in namespace payments" for name in ("one", "payments-db")),
        tuple(
            f"Role payments/keyferry:{user}:{name}"
            for name in ("one", "payments-db")
            for user in ("deliver", "reconcile")
        ),
    ]


def test_a_check_that_is_refused_stops_no_other() -> None:
    known = catalog()
    operator = FakeOperator(known)
    operator.hidden, operator.more = "Role", {("list", "secrets")}
    assert [finding.check for finding in wrong(operator, known)] == ["rights", "rights", "generated"]


def test_what_a_cluster_does_not_list_of_ones_rights_is_asked_for_by_itself() -> None:
    known = catalog()
    operator = FakeOperator(known)
    operator.own = {"incomplete": True}
    hidden = ("list", "rbac.authorization.k8s.io", "clusterroles")
    operator.granted = set(rights.OWN) - {hidden}
    finding = only(wrong(operator, known))
    assert finding.why == "you may not list clusterroles: less is looked at"
    operator.granted.add(hidden)
    assert wrong(operator, known) == []


def test_of_each_mapping_one_namespace_is_asked_first_and_so_much_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a", "b"]
    known = build_catalog([mapping(name, namespaces=names, restart="none") for name in ("one", "two")], [CLUSTER])
    asked = [
        (right.namespace, right.user) for right in rights.list_rights(known, CLUSTER) if right.resource == "secrets"
    ]
    first = list(dict.fromkeys(asked[: len(asked) // 2]))
    assert {namespace for namespace, _ in first} == {"a"}
    assert {namespace for namespace, _ in asked} == {"a", "b"}
    monkeypatch.setattr(rights, "MAX_REVIEWS", 3)
    operator = FakeOperator(known)
    examine(operator, known)
    assert len(operator.asked) == 3 + len({user for _, user, _ in operator.asked})


def test_a_cluster_without_a_context_is_a_warning_with_the_command_that_makes_one(tmp_path: Any) -> None:  # noqa: ANN401
    known = catalog()
    deadline = Deadline.after(10)
    [check] = list_checks([Needs(CLUSTER, known)], (), {"KUBECONFIG": str(tmp_path / "none")}, deadline)
    finding = only(collect(check))
    assert (finding.state, finding.what) == ("warning", "prod-eu")
    assert finding.remedy == ("aws eks update-kubeconfig --name prod-eu --region eu-west-1 --alias prod-eu",)
    assert "no context of the kubeconfig leads there" in finding.why
    with pytest.raises(InvalidInput, match="say --context CLUSTER=CONTEXT; did you mean prod-eu"):
        list_checks([Needs(CLUSTER, known), Needs(cluster("b"), known)], ["prod-ue=x"], {}, deadline)


def test_a_sign_in_that_has_ended_is_told_without_a_command_for_contexts() -> None:
    client: Any = InvalidInput("the program aws of context mine gives no token: sign in to AWS")
    finding = only(collect(Check("cluster", "prod-eu", lambda: check_cluster(Needs(CLUSTER, catalog()), client))))
    assert (finding.state, finding.remedy) == ("warning", ())
    assert "sign in to AWS" in finding.why


def test_all_kinds_and_names_that_are_generated_are_known() -> None:
    telling = cluster(events=True)
    specs: list[dict[str, Any]] = [{}, {"namespaces": {"matchLabels": {"team": "a"}}}]
    objects = [each for spec in specs for each in rbac.build_rbac(build_catalog([mapping(**spec)], [telling]), telling)]
    kinds = {resource.kind: resource for resource in GENERATED}
    assert {each["kind"] for each in objects} == kinds.keys()
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert [name for kind, name in names if not has_generated_name("keyferry", kinds[kind], name)] == []

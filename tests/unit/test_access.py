"""The generated rights: what the mappings need, and no more."""

import json
from typing import Any

import pytest

from keyferry.access import iam, rbac, statements
from keyferry.access.people import build_template as build_people
from keyferry.access.statements import LONGEST, MAX_CHARACTERS
from keyferry.errors import InvalidInput
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.stores.source import Source
from tests.unit.samples import ACCOUNT, cluster, mapping
from tests.unit.stack import Stack, listed

ARN = f"arn:aws-cn:secretsmanager:cn-north-1:{ACCOUNT}:secret:prod/db"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/keyferry"
PARAMETER = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/"
SECRET = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
ASSUMED = cluster("prod-us", role=ROLE)


PUSH_ROLE = {"Fn::If": ["HasPushRole", {"Ref": "PushRole"}, {"Ref": "AWS::NoValue"}]}
OWN, ANY, KEYS = "${AWS::AccountId}", "arn:${AWS::Partition}", "arn:${AWS::Partition}:kms"
OWN_SECRETS = (
    f"{KEYS}:${{AWS::Region}}:*:key/*",
    "secretsmanager.${AWS::Region}.${AWS::URLSuffix}",
    f"{ANY}:secretsmanager:*:{OWN}:*",
)
"""What decrypts the secrets of the stack's own account and region."""


def catalog(*mappings: SecretMapping) -> Catalog:
    return build_catalog(mappings, [cluster(), ASSUMED, cluster("idle")])


def policies(*mappings: SecretMapping) -> dict[str, Any]:
    return {name: each["Properties"] for name, each in iam.build_template(catalog(*mappings))["Resources"].items()}


def text(value: str | dict[str, str]) -> str:
    """Return a text, with CloudFormation's pseudo parameters in it."""
    return value if isinstance(value, str) else value["Fn::Sub"]


def granted(**sources: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (action, resource) that the sources of a mapping need, without those that decrypt."""
    [first, *_] = sources
    wanted = mapping(sources=sources, data={"key": {"from": first}})
    return [
        (action, text(resource))
        for each in policies(wanted)["Deliver1"]["PolicyDocument"]["Statement"]
        if each["Action"] != "kms:Decrypt"
        for action in listed(each["Action"])
        for resource in each["Resource"]
    ]


def objects(*mappings: SecretMapping, on: str = "prod-eu") -> dict[str, list[dict[str, Any]]]:
    """Return kind → the objects of a cluster."""
    whole = catalog(*mappings)
    found: dict[str, list[dict[str, Any]]] = {}
    for each in rbac.build_rbac(whole, whole.clusters[on]):
        found.setdefault(each["kind"], []).append(each)
    return found


# IAM


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"secretsManager": "prod/db"}, [("secretsmanager:GetSecretValue", f"{SECRET}prod/db-??????")]),
        ({"secretsManager": "db-abc123"}, [("secretsmanager:GetSecretValue", f"{SECRET}db-abc123-??????")]),
        (
            {"secretsManager": "prod/db", "region": "eu-west-3"},
            [
                (
                    "secretsmanager:GetSecretValue",
                    "arn:${AWS::Partition}:secretsmanager:eu-west-3:${AWS::AccountId}:secret:prod/db-??????",
                )
            ],
        ),
        ({"secretsManager": ARN}, [("secretsmanager:GetSecretValue", f"{ARN}-??????")]),
        (
            {"secretsManager": f"{ARN}-a1B2c3"},
            [
                ("secretsmanager:GetSecretValue", f"{ARN}-a1B2c3"),
                ("secretsmanager:GetSecretValue", f"{ARN}-a1B2c3-??????"),
            ],
        ),
        (
            {"parameterStore": "/prod/tls"},
            [("ssm:GetParameter", f"{PARAMETER}prod/tls")],
        ),
        (
            {"parameterStore": f"arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/prod/tls"},
            [("ssm:GetParameter", f"arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/prod/tls")],
        ),
    ],
)
def test_reading_a_source_takes_rights_on_that_source_alone(
    source: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    assert granted(db=source) == expected


def test_public_parameters_belong_to_no_account_and_no_key() -> None:
    base = "arn:${AWS::Partition}:ssm:${AWS::Region}::parameter/aws/service/"
    sources = {alias: {"parameterStore": f"/aws/service/{alias}"} for alias in ("a", "b")}
    assert granted(**sources) == [
        (action, f"{base}{alias}") for action in ("ssm:GetParameter", "ssm:GetParameters") for alias in sources
    ]
    grants = [
        Source.model_validate(source).store.get_grants(Source.model_validate(source)) for source in sources.values()
    ]
    assert {grant.action for each in grants for grant in each} == {"ssm:GetParameter"}


def test_parameters_that_one_call_can_read_take_the_right_to_that_call_too() -> None:
    a, b, other = ({"parameterStore": name} for name in ("/a", "/b", "/other"))
    both = ["ssm:GetParameter", "ssm:GetParameters"]
    assert granted(a=a, b=b) == [
        *((action, f"{PARAMETER}{name}") for action in both for name in ("a", "b")),
    ]
    assert granted(a=a, b=other | {"region": "us-east-1"}, c=b | {"failover": ["us-east-1"]}) == [
        ("ssm:GetParameter", f"{PARAMETER}{name}".replace("${AWS::Region}", region))
        for name, region in (
            ("a", "${AWS::Region}"),
            ("b", "${AWS::Region}"),
            ("b", "us-east-1"),
            ("other", "us-east-1"),
        )
    ]
    assert granted(a={"parameterStore": "/teams/${namespace}"}) == [
        (action, f"{PARAMETER}teams/payments") for action in both
    ]


def test_signing_in_needs_describe_cluster_or_the_right_to_assume_the_cluster_s_role() -> None:
    made = policies(mapping(clusters=["prod-eu", "prod-us"]))
    assert made["SignIn1"]["Roles"] == [{"Ref": "DeliverRole"}, {"Ref": "ReconcileRole"}, PUSH_ROLE]
    assert made["SignIn1"]["PolicyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "eks:DescribeCluster",
                "Resource": [{"Fn::Sub": f"arn:${{AWS::Partition}}:eks:eu-west-1:{ACCOUNT}:cluster/prod-eu"}],
            },
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": [ROLE]},
        ],
    }


def test_only_deliver_and_people_who_push_read_values() -> None:
    assert policies(mapping())["Deliver1"]["Roles"] == [{"Ref": "DeliverRole"}, PUSH_ROLE]


def test_a_cluster_that_no_mapping_names_needs_nothing() -> None:
    assert "idle" not in json.dumps(policies(mapping()))


def test_what_two_mappings_share_is_granted_once() -> None:
    shared = policies(mapping(), mapping("other"))["Deliver1"]["PolicyDocument"]["Statement"]
    assert [len(each["Resource"]) for each in shared] == [1, 1]


def test_rights_that_hold_for_other_tags_are_statements_of_their_own() -> None:
    sources = {team: {"find": "secretsManager", "path": f"{team}/", "tags": {"team": team}} for team in ("a", "b")}
    made = policies(mapping(sources={"plain": {"secretsManager": "db"}, **sources}, data={"key": {"from": "plain"}}))
    reads = [
        each
        for each in made["Deliver1"]["PolicyDocument"]["Statement"]
        if each["Action"] == "secretsmanager:GetSecretValue"
    ]
    given = {each["Resource"][0]["Fn::Sub"]: each.get("Condition") for each in reads}
    assert [len(each["Resource"]) for each in reads] == [1, 1, 1]
    assert given == {
        f"{SECRET}a/*": {"StringEquals": {"aws:ResourceTag/team": "a"}},
        f"{SECRET}b/*": {"StringEquals": {"aws:ResourceTag/team": "b"}},
        f"{SECRET}db-??????": None,
    }


def test_without_mappings_the_stack_has_a_resource_that_does_nothing() -> None:
    assert iam.build_template(Catalog())["Resources"] == {
        "Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    }


def many(count: int) -> SecretMapping:
    """Return a mapping with so many sources of long names."""
    return mapping(
        sources={f"s{n}": {"secretsManager": f"{'long/' * 40}{n:04}"} for n in range(count)},
        data={"key": {"from": "s0"}},
    )


def test_what_one_policy_does_not_hold_is_split_over_several_that_aws_takes() -> None:
    made = [each for name, each in policies(many(60)).items() if name.startswith("Deliver")]
    assert len(made) == 3
    for each in made:
        assert 3000 < len(statements.fill_longest(written(each["PolicyDocument"]))) < 6144
    found = [text(r) for each in made for s in each["PolicyDocument"]["Statement"] for r in s["Resource"]]
    assert len(found) == len(set(found)) == 60 + 1  # and the keys


def written(document: Any) -> str:  # noqa: ANN401  # JSON
    """Return a policy as IAM counts it: what CloudFormation fills in is text, and white space does not count."""
    if isinstance(document, dict) and document.keys() == {"Fn::Sub"}:
        return f'"{document["Fn::Sub"]}"'
    if isinstance(document, dict):
        return "{" + ",".join(f'"{key}":{written(value)}' for key, value in document.items()) + "}"
    if isinstance(document, list):
        return "[" + ",".join(map(written, document)) + "]"
    return json.dumps(document)


def test_more_policies_than_a_role_can_have_are_refused_with_the_ways_out() -> None:
    with pytest.raises(
        InvalidInput, match=r"needs 23 of 20 managed policies: it names 440 of about 360 .*`grant: prefix`"
    ):
        policies(many(440))


def test_how_many_names_fit_is_told_and_when_aws_has_to_be_asked() -> None:
    few, more = (iam.compute_usage(catalog(many(count))) for count in (20, 200))
    assert (few.policies, few.names) == (3, 20)
    assert few.room == more.room
    assert few.default_room == more.default_room
    assert 20 < few.default_room < 200 < few.room
    assert "needs 3 of 10 managed policies, or of 20 once AWS has raised the quota: it names 20 of about" in str(few)
    assert f"about {few.default_room} sources that fit, or of {few.room}" in str(few)
    assert more.policies > iam.DEFAULT_MAX_POLICIES
    assert "ask AWS first" in str(more)
    assert "ask AWS first" not in str(few)
    assert (few.is_near, more.is_near) == (False, True)
    usage = iam.compute_usage(Catalog())
    assert not usage.is_near
    assert usage.policies == iam.RESERVED_POLICIES
    assert 900 < usage.room < 1200


def test_as_many_names_fit_as_was_told_and_few_more() -> None:
    room = iam.compute_usage(catalog(many(20))).room
    assert iam.compute_usage(catalog(many(room))).fits
    assert not iam.compute_usage(catalog(many(room + room // 20))).fits


# Keys


def decrypt(**sources: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return of each statement that decrypts: the key, the service, and what the service says that it decrypts."""
    [first, *_] = sources
    documents = policies(mapping(sources=sources, data={"key": {"from": first}}), mapping("other"))
    found = [s for each in documents.values() for s in each["PolicyDocument"]["Statement"] if "kms" in str(s["Action"])]
    assert {each["Action"] for each in found} <= {"kms:Decrypt"}
    return sorted(
        (
            text(key),
            each["Condition"]["StringEquals"]["kms:ViaService"]["Fn::Sub"],
            text(context),
        )
        for each in found
        for key in each["Resource"]
        for context in each["Condition"]["StringLike"].values()
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            {"parameterStore": "/tls"},
            (f"{KEYS}:${{AWS::Region}}:*:key/*", "ssm.${AWS::Region}.${AWS::URLSuffix}", f"{ANY}:ssm:*:{OWN}:*"),
        ),
        (
            {"secretsManager": "a", "region": "us-east-1"},
            (
                f"{KEYS}:us-east-1:*:key/*",
                "secretsmanager.us-east-1.${AWS::URLSuffix}",
                f"{ANY}:secretsmanager:*:{OWN}:*",
            ),
        ),
        (
            {"secretsManager": ARN},
            (
                "arn:aws-cn:kms:cn-north-1:*:key/*",
                "secretsmanager.cn-north-1.${AWS::URLSuffix}",
                f"arn:aws-cn:secretsmanager:*:{ACCOUNT}:*",
            ),
        ),
    ],
)
def test_values_under_keys_of_ones_own_are_decrypted_by_way_of_their_store_alone(
    source: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    assert decrypt(db=source) == sorted([expected, OWN_SECRETS])


def test_one_statement_decrypts_all_that_a_store_has_in_an_account_and_region() -> None:
    spread = {"secretsManager": "prod/b", "failover": ["us-east-1", "eu-central-1"]}
    assert [service for _, service, _ in decrypt(a={"secretsManager": "prod/a"}, b=spread)] == [
        f"secretsmanager.{region}.${{AWS::URLSuffix}}" for region in ("${AWS::Region}", "eu-central-1", "us-east-1")
    ]


@pytest.mark.parametrize(
    "source", [{"parameterStore": "/a", "role": ROLE}, {"parameterStore": "/a", "metadata": "tags"}]
)
def test_what_is_read_with_another_role_and_tags_take_no_key(source: dict[str, Any]) -> None:
    assert decrypt(db=source) == [OWN_SECRETS]


# Sweeps


@pytest.mark.parametrize(
    ("source", "listed"),
    [
        ({"secretsManager": "a"}, {"secretsmanager:ListSecrets"}),
        ({"secretsManager": "a", "metadata": "tags"}, {"secretsmanager:ListSecrets"}),
        ({"parameterStore": "/a"}, {"ssm:DescribeParameters"}),
        ({"parameterStore": "/a", "label": "live"}, set()),  # nothing shows which version has the label
        ({"parameterStore": "/a", "metadata": "tags"}, set()),
        ({"secretsManager": "a", "role": ROLE}, set()),
    ],
)
def test_reconcile_lists_the_stores_whose_versions_it_compares_and_reads_no_value(
    source: dict[str, Any], listed: set[str]
) -> None:
    made = policies(mapping(sources={"db": source}, data={"key": {"from": "db"}}))
    found = [each for name, each in made.items() if name.startswith("Reconcile")]
    assert {s["Action"] for each in found for s in each["PolicyDocument"]["Statement"]} == listed
    assert all(each["Roles"] == [{"Ref": "ReconcileRole"}] for each in found)


def test_a_mapping_that_goes_to_no_cluster_is_granted_nothing() -> None:
    nowhere = mapping(clusters={"matchLabels": {"env": "none"}})
    assert set(iam.build_template(catalog(nowhere))["Resources"]) == {"Nothing"}


# People


def people(name: str) -> list[dict[str, Any]]:
    """Return the statements of one of the policies for people, where there is a role to push with and a canary."""
    document = build_people(catalog(mapping("keyferry-canary")))["Resources"][name]["Properties"]["PolicyDocument"]
    return [each["Fn::If"][1] if "Fn::If" in each else each for each in document["Statement"]]


def test_no_policy_for_people_reads_a_value_passes_a_role_or_changes_a_function() -> None:
    actions = [action for name in ("Look", "Steer", "Push") for each in people(name) for action in each["Action"]]
    assert not any("*" in action for action in actions)
    services = {action.partition(":")[0] for action in actions}
    assert services == {
        *("cloudformation", "cloudtrail", "cloudwatch", "eks", "events", "iam", "kms", "lambda", "logs", "scheduler"),
        *("secretsmanager", "sqs", "ssm", "sts"),
    }
    assert {action for action in actions if action.startswith("ssm:")} == {
        *("ssm:GetParametersByPath", "ssm:PutParameter", "ssm:DeleteParameter"),
    }
    paths = {
        resource["Fn::Sub"].rpartition(":parameter")[2]
        for name in ("Look", "Steer", "Push")
        for each in people(name)
        for resource in each["Resource"]
        if any(action.startswith("ssm:") for action in each["Action"])
    }
    assert paths == {"/keyferry/${Stack}/suspended", "/keyferry/${Stack}/suspended/*"}
    # GetFunction and GetLayerVersion hand out code; Decrypt and the stores are nothing to look at.
    assert sorted(
        {action for action in actions if action.startswith(("lambda:", "sts:", "kms:", "iam:", "secrets"))}
    ) == [
        *("iam:GetRole", "iam:ListEntitiesForPolicy"),
        *("kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants"),
        *("lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration", "lambda:InvokeFunction"),
        *("lambda:ListEventSourceMappings", "lambda:ListLayerVersions"),
        *("secretsmanager:PutSecretValue", "sts:AssumeRole"),
    ]
    changing = [action for action in actions if not action.partition(":")[2].startswith(("Describe", "Get", "List"))]
    assert {action for action in changing if not action.startswith("sqs:")} == {
        "lambda:InvokeFunction",
        "logs:FilterLogEvents",
        "secretsmanager:PutSecretValue",
        "ssm:DeleteParameter",
        "ssm:PutParameter",
        "sts:AssumeRole",
    }


NAMES_OF_THE_STACK = ("${Stack}", "${PushRole}", "${Prefix}", "${Schedule}")
"""The parameters that names of the stack's resources begin with, or are."""
AROUND = {"Bus": ["Describe"], "Trails": ["Get"], "Entries": ["Describe", "List"], "Keys": ["Describe", "Get", "List"]}
"""Statement of the policy to look whose resources the stack does not know → how its actions begin."""


CANARY = {
    "Fn::Sub": "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
    "${Prefix}/canary/value-??????"
}
"""The one secret that people may change."""


def test_people_may_touch_resources_of_the_stack_alone_and_look_at_what_is_around_it() -> None:
    for name in ("Look", "Steer", "Push"):
        for each in people(name):
            if each["Resource"] == {"Fn::Split": [",", {"Ref": "Rules"}]}:  # the stack's own, by their ARNs
                continue
            for resource in each["Resource"]:
                own = resource == "*" or any(parameter in resource["Fn::Sub"] for parameter in NAMES_OF_THE_STACK)
                assert own or (name, each["Sid"] in AROUND) == ("Look", True) or resource == CANARY
    around = {each["Sid"]: each["Action"] for each in people("Look") if each["Sid"] in AROUND}
    assert {
        sid: [verb for verb in ("Describe", "Get", "List") if any(f":{verb}" in action for action in actions)]
        for sid, actions in around.items()
    } == AROUND
    assert [each["Sid"] for each in people("Look") if "*" in each["Resource"]] == ["Metrics", "Lists"]
    assert not any("*" in each["Resource"] for name in ("Steer", "Push") for each in people(name))


def test_the_policy_to_look_is_no_larger_than_iam_takes_one_with_the_longest_names() -> None:
    longest = LONGEST | {"${Stack}": "s" * 51, "${Prefix}": "p" * 40, "${Schedule}": "s" * 64}
    text = json.dumps(people("Look"), separators=(",", ":"))
    for parameter, value in longest.items():
        text = text.replace(parameter, value)
    rule = f"arn:aws-us-gov:events:ap-southeast-1:111122223333:rule/{'r' * 64}"
    text = text.replace('{"Fn::Split":[",",{"Ref":"Rules"}]}', json.dumps([rule] * 6, separators=(",", ":")))
    assert len(text.replace('{"Fn::Sub":', "").replace("}", "")) < MAX_CHARACTERS


def test_a_secret_may_be_changed_only_where_there_is_the_mapping_of_a_canary() -> None:
    sids = [
        [each["Sid"] for each in build_people(known)["Resources"]["Steer"]["Properties"]["PolicyDocument"]["Statement"]]
        for known in (catalog(mapping("keyferry-canary")), catalog(mapping("other")))
    ]
    assert [set(some) - set(others) for some, others in (sids, sids[::-1])] == [{"Canary"}, set()]


def test_who_may_push_from_a_terminal_is_said_where_there_is_a_role_for_it_alone() -> None:
    [*_, last] = build_people(Catalog())["Resources"]["Push"]["Properties"]["PolicyDocument"]["Statement"]
    condition, _, otherwise = last["Fn::If"]
    assert (condition, otherwise) == ("HasPushRole", {"Ref": "AWS::NoValue"})


def test_policies_for_people_name_the_queues_functions_and_logs_of_the_template() -> None:
    resources = Stack.load().template["Resources"].values()
    made = [each["Properties"] for each in resources]
    titles = {
        each[key]["Fn::Sub"] for each in made for key in ("QueueName", "FunctionName", "LogGroupName") if key in each
    }
    named = {
        resource["Fn::Sub"].removesuffix(":*").rpartition(":")[2].replace("${Stack}", "${AWS::StackName}")
        for name in ("Look", "Steer")
        for each in people(name)
        for resource in each["Resource"]
        if each["Sid"] in ("Ask", "Logs", "Queues", "Sweep", "DeadLetters", "Send")
    }
    assert named == titles - {f"${{AWS::StackName}}-{name}" for name in ("route", "deliver")}


# RBAC


def test_deliver_gets_the_secret_by_name_and_the_workloads_of_the_namespace() -> None:
    [deliver, _] = objects(mapping())["Role"]
    assert deliver["metadata"] == {
        "name": "keyferry:deliver:payments-db",
        "namespace": "payments",
        "labels": {"keyferry.dev/generated": "keyferry"},
    }
    assert deliver["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "verbs": ["get", "patch", "create"],
            "resourceNames": ["payments-db"],
        },
        {"apiGroups": ["apps"], "resources": ["daemonsets", "deployments", "statefulsets"], "verbs": ["list", "patch"]},
    ]


def test_the_workloads_are_those_of_the_kinds_that_the_cluster_names_group_by_group() -> None:
    several = cluster("prod-us", restartKinds=["Rollout", "StatefulSet", "Deployment"])
    whole = build_catalog([mapping(clusters=["prod-eu", "prod-us"])], [cluster(), several])
    [role, *_] = [each for each in rbac.build_rbac(whole, several) if each["kind"] == "Role"]
    assert role["rules"][1:] == [
        {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets"], "verbs": ["list", "patch"]},
        {"apiGroups": ["argoproj.io"], "resources": ["rollouts"], "verbs": ["list", "patch"]},
    ]
    [other, *_] = [each for each in rbac.build_rbac(whole, whole.clusters["prod-eu"]) if each["kind"] == "Role"]
    assert [rule["apiGroups"] for rule in other["rules"]] == [[""], ["apps"]]


@pytest.mark.parametrize("deletion", ["retain", "merge", "delete"])
def test_the_right_to_delete_is_for_mappings_that_delete_alone(deletion: str) -> None:
    [deliver, readers] = objects(mapping(policies={"deletion": deletion}))["Role"]
    assert ("delete" in deliver["rules"][0]["verbs"]) is (deletion == "delete")
    assert readers["rules"][0]["verbs"] == ["get"]


def test_reconcile_gets_the_secret_by_name_and_nothing_else() -> None:
    [_, readers] = objects(mapping())["Role"]
    assert readers["metadata"]["name"] == "keyferry:reconcile:payments-db"
    assert readers["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["payments-db"]}
    ]


def test_each_role_is_bound_to_its_users_in_its_namespace() -> None:
    bindings = objects(mapping(namespaces=["payments", "billing", "payments"]))["RoleBinding"]
    assert [
        (each["metadata"]["namespace"], each["roleRef"]["kind"], each["roleRef"]["name"], each["subjects"][0]["name"])
        for each in bindings
    ] == [
        ("billing", "Role", "keyferry:deliver:payments-db", "keyferry:deliver"),
        ("billing", "Role", "keyferry:reconcile:payments-db", "keyferry:reconcile"),
        ("payments", "Role", "keyferry:deliver:payments-db", "keyferry:deliver"),
        ("payments", "Role", "keyferry:reconcile:payments-db", "keyferry:reconcile"),
    ]
    assert {each["kind"] for binding in bindings for each in binding["subjects"]} == {"User"}
    assert [each["name"] for each in bindings[0]["subjects"]] == ["keyferry:deliver", "keyferry:push"]


def test_named_workloads_are_granted_by_name_and_kind() -> None:
    restart = [
        {"kind": "Rollout", "name": "web"},
        {"kind": "Deployment", "name": "b"},
        {"kind": "Deployment", "name": "a"},
    ]
    assert objects(mapping(restart=restart))["Role"][0]["rules"][1:] == [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"], "resourceNames": ["a", "b"]},
        {"apiGroups": ["argoproj.io"], "resources": ["rollouts"], "verbs": ["get", "patch"], "resourceNames": ["web"]},
    ]


def test_without_restarts_no_workload_is_granted_and_no_policy_for_workloads_is_needed() -> None:
    made = objects(mapping(restart="none"))
    assert len(made["Role"][0]["rules"]) == 1
    assert [each["metadata"]["name"] for each in made["ValidatingAdmissionPolicy"]] == ["keyferry-secrets"]


def test_a_mapping_that_adds_to_somebody_else_s_secret_may_not_create_it() -> None:
    made = objects(mapping(policies={"creation": "merge"}))
    assert made["Role"][0]["rules"][0]["verbs"] == ["get", "patch"]


def test_a_mapping_called_namespaces_keeps_its_rights_beside_that_to_list_namespaces() -> None:
    made = objects(mapping("namespaces", namespaces={"matchLabels": {"team": "payments"}}))
    names = [each["metadata"]["name"] for each in made["ClusterRole"]]
    assert names == ["keyferry:deliver:namespaces", "keyferry:reconcile:namespaces", "keyferry:namespaces"]


def test_namespaces_chosen_by_labels_need_the_right_to_list_them_and_rights_in_all() -> None:
    made = objects(mapping(namespaces={"matchLabels": {"team": "payments"}}))
    assert [each["metadata"]["name"] for each in made["ClusterRole"]] == [
        "keyferry:deliver:payments-db",
        "keyferry:reconcile:payments-db",
        "keyferry:namespaces",
    ]
    assert made["ClusterRole"][-1]["rules"] == [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]}]
    assert [[s["name"] for s in each["subjects"]] for each in made["ClusterRoleBinding"]] == [
        ["keyferry:deliver", "keyferry:push"],
        ["keyferry:reconcile"],
        ["keyferry:deliver", "keyferry:push", "keyferry:reconcile"],
    ]
    assert all("namespace" not in each["metadata"] for each in made["ClusterRole"])


def test_rights_in_all_namespaces_cover_those_that_are_named_beside_a_choice() -> None:
    found = objects(mapping(namespaces=["payments", {"matchLabels": {"team": "pay"}}]))
    assert {"Role", "RoleBinding"} & found.keys() == set()
    assert "keyferry:deliver:payments-db" in [each["metadata"]["name"] for each in found["ClusterRoleBinding"]]


def test_the_namespaces_that_mappings_name_can_be_read_by_name_which_tells_a_missing_one_from_missing_rights() -> None:
    made = objects(mapping(namespaces=["payments", "billing"]), mapping("shop", name="shop", namespaces=["billing"]))
    [role], [binding] = made["ClusterRole"], made["ClusterRoleBinding"]
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"], "resourceNames": ["billing", "payments"]}
    ]
    assert role["metadata"]["name"] == binding["roleRef"]["name"] == "keyferry:named-namespaces"
    assert [each["name"] for each in binding["subjects"]] == ["keyferry:deliver", "keyferry:push", "keyferry:reconcile"]


def test_names_of_more_namespaces_than_fit_go_into_further_roles() -> None:
    names = [f"team-{number:04}" for number in range(rbac.MAX_NAMES + 1)]
    first, second = objects(mapping(namespaces=names))["ClusterRole"]
    assert [*first["rules"][0]["resourceNames"], *second["rules"][0]["resourceNames"]] == names
    assert second["metadata"]["name"] == "keyferry:named-namespaces-2"


def test_what_no_api_server_takes_is_refused_and_the_cluster_is_named() -> None:
    many = [mapping(f"m{n}", name=f"s{n}", namespaces={"matchLabels": {"team": f"t{n}"}}) for n in range(501)]
    with pytest.raises(InvalidInput, match=r"^cluster prod-eu: Secrets go to namespaces .* 501 different ways"):
        objects(*many)


def test_a_cluster_gets_the_rights_of_the_mappings_that_name_it() -> None:
    assert objects(mapping(), on="idle").keys() == {
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }, "something to apply, and nothing that allows"
    assert {each["metadata"]["name"] for each in objects(mapping(), mapping("us", clusters=["prod-us"]))["Role"]} == {
        "keyferry:deliver:payments-db",
        "keyferry:reconcile:payments-db",
    }


def rights_on_events(*mappings: SecretMapping, events: bool = True) -> list[tuple[str, str | None, object, list[str]]]:
    """Return kind, namespace, rules and users of each Role with a right on Kubernetes Events."""
    whole = build_catalog(mappings, [cluster(events=events)])
    made = rbac.build_rbac(whole, whole.clusters["prod-eu"])
    users = {
        (each["roleRef"]["kind"], each["metadata"].get("namespace"), each["roleRef"]["name"]): each["subjects"]
        for each in made
        if "roleRef" in each
    }
    return [
        (kind, namespace, each["rules"], [user["name"] for user in users[kind, namespace, each["metadata"]["name"]]])
        for each in made
        if "events" in str(each.get("rules"))
        for kind, namespace in [(each["kind"], each["metadata"].get("namespace"))]
    ]


CREATE_EVENTS = [{"apiGroups": [""], "resources": ["events"], "verbs": ["create"]}]


def test_deliver_alone_may_create_events_and_nothing_else_with_them_in_the_namespaces_of_targets() -> None:
    named = mapping(namespaces=["payments", "billing"])
    assert rights_on_events(named) == [
        ("Role", "billing", CREATE_EVENTS, ["keyferry:deliver"]),
        ("Role", "payments", CREATE_EVENTS, ["keyferry:deliver"]),
    ]
    chosen = mapping("chosen", name="chosen", namespaces={"names": ["team-*"]})
    assert rights_on_events(named, chosen) == [("ClusterRole", None, CREATE_EVENTS, ["keyferry:deliver"])]


def test_without_events_a_cluster_is_given_exactly_what_it_was_given() -> None:
    assert rights_on_events(mapping(), events=False) == []
    with_events, without = (
        [str(one) for one in rbac.build_rbac(build_catalog([mapping()], [each]), each)]
        for each in (cluster(events=True), cluster())
    )
    assert [one for one in with_events if one in without] == without
    assert len(with_events) - len(without) == 4  # a policy, a Role, and what binds each

"""A SecretProviderClass becomes a mapping for each Secret of the driver, or is refused where the provider fails."""

import copy
from collections.abc import Mapping, Sequence
from textwrap import dedent, indent
from typing import Any

import pytest

from keyferry.cli.migrate import manifests
from keyferry.cli.migrate.conversions import convert_all
from keyferry.cli.migrate.model import CSI, Conversion, Estate, FieldPath, Manifest, Options, Refusal, Refusals
from keyferry.cli.migrate.provider_class import convert
from keyferry.mapping.mapping import SecretMapping
from tests.unit.pki import CHAIN, LEAF
from tests.unit.samples import rendered, value

ONE = "- {objectName: prod/db, objectType: secretsmanager, objectAlias: db}"
SECRET: dict[str, Any] = {"secretName": "db", "type": "Opaque", "data": [{"objectName": "db", "key": "password"}]}


def read(objects: str | None = ONE, secrets: Sequence[Any] | None = (SECRET,), **parameters: object) -> Manifest:
    """Return a class whose `objects` stand in line 10."""
    given = {"objects": dedent(objects)} if objects is not None else {}
    spec = {"provider": "aws", "parameters": given | parameters}
    if secrets is not None:
        spec["secretObjects"] = copy.deepcopy(list(secrets))
    body = {
        "apiVersion": f"{CSI}/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": spec,
    }
    path = ("spec", "parameters", "objects")
    lines: dict[FieldPath, int] = {(*path, number): 11 + number for number in range(10)}
    return Manifest("class.yaml", 1, body, {path: 10, **lines})


def make(
    manifest: Manifest, *, namespace: str | None = None, files: bool = False, regions: Mapping[str, str] | None = None
) -> list[Conversion]:
    """Return the mappings of a class."""
    options = Options(
        clusters=["prod-eu"], own_region="eu-west-1", namespace=namespace, files=files, cluster_regions=regions or {}
    )
    return convert(manifest, Estate([manifest], options))


def make_spec(objects: str = ONE, secrets: Sequence[Any] | None = (SECRET,), **parameters: object) -> dict[str, Any]:
    """Return the spec of the one mapping of a class."""
    (conversion,) = make(read(objects, secrets, **parameters))
    spec: dict[str, Any] = conversion.mapping["spec"]
    return spec


def refuse(objects: str = ONE, secrets: Sequence[Any] | None = (SECRET,)) -> Refusal:
    """Return the reason that a class is refused."""
    with pytest.raises(Refusal) as caught:
        make(read(objects, secrets))
    return caught.value


def test_each_secret_of_a_class_becomes_a_mapping() -> None:
    objects = """
        - objectName: prod/shop/db
          objectType: secretsmanager
          jmesPath:
            - {path: username, objectAlias: user}
            - {path: '"pass-word"', objectAlias: pass}
        - {objectName: /prod/shop/tls, objectType: ssmparameter}
    """
    secrets = [
        {"secretName": "one", "type": "Opaque", "data": [{"objectName": "user", "key": "USER"}]},
        {
            "secretName": "two",
            "type": "kubernetes.io/basic-auth",
            "labels": {"team": "shop"},
            "annotations": {"example.com/owner": "shop"},
            "data": [{"objectName": "pass", "key": "password"}, {"objectName": "_prod_shop_tls", "key": "tls"}],
        },
    ]

    one, two = make(read(objects, secrets))

    assert one.mapping == {
        "apiVersion": "keyferry.dev/v1",
        "kind": "SecretMapping",
        "metadata": {"name": "shop-one"},
        "spec": {
            "sources": {"db": {"secretsManager": "prod/shop/db"}, "tls": {"parameterStore": "/prod/shop/tls"}},
            "clusters": ["prod-eu"],
            "namespaces": ["shop"],
            "secret": {
                "name": "one",
                "variables": {
                    "data": {
                        "pass": {"from": "db", "path": '"pass-word"', "type": "string"},
                        "_prod_shop_tls": {"from": "tls"},
                    }
                },
                "data": {"USER": {"from": "db", "path": "username", "type": "string"}},
            },
            "restart": "none",
            "policies": {"keys": "exclusive"},
        },
    }
    assert two.mapping["spec"]["sources"] == {
        "db": {"secretsManager": "prod/shop/db"},
        "tls": {"parameterStore": "/prod/shop/tls"},
    }
    assert two.mapping["spec"]["secret"] == {
        "name": "two",
        "type": "kubernetes.io/basic-auth",
        "labels": {"team": "shop"},
        "annotations": {"example.com/owner": "shop"},
        "variables": {"data": {"user": {"from": "db", "path": "username", "type": "string"}}},
        "data": {
            "password": {"from": "db", "path": '"pass-word"', "type": "string"},
            "tls": {"from": "tls"},
        },
    }
    assert one.notes == two.notes == []


@pytest.mark.parametrize(
    ("objects", "parameters", "source"),
    [
        ("- {objectName: a, objectType: secretsmanager, objectAlias: db}", {}, {"secretsManager": "a"}),
        ("- {OBJECTNAME: a, objecttype: secretsmanager, objectAlias: db}", {}, {"secretsManager": "a"}),
        ("- {objectName: 5, objectType: secretsmanager, objectAlias: db}", {}, {"secretsManager": "5"}),
        (
            "- {objectName: a, objectType: secretsmanager, objectAlias: db}",
            {"region": "us-east-1"},
            {"secretsManager": "a", "region": "us-east-1"},
        ),
        (
            "- {objectName: a, objectType: secretsmanager, objectAlias: db}",
            {"region": "eu-west-1"},
            {"secretsManager": "a"},
        ),
        (
            "- {objectName: 'arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf', objectAlias: db}",
            {"region": "us-east-1"},
            {"secretsManager": "arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf"},
        ),
        (
            "- {objectName: 'arn:aws:ssm:eu-west-1:111122223333:parameter/a', objectAlias: db}",
            {},
            {"parameterStore": "arn:aws:ssm:eu-west-1:111122223333:parameter/a"},
        ),
        (
            "- {objectName: a, objectType: ssmparameter, objectAlias: db, objectVersion: 3}",
            {},
            {"parameterStore": "a", "version": "3"},
        ),
        (
            "- {objectName: a, objectType: ssmparameter, objectAlias: db, objectVersionLabel: live}",
            {},
            {"parameterStore": "a", "label": "live"},
        ),
        (
            "- {objectName: a, objectType: secretsmanager, objectAlias: db, objectVersionLabel: AWSPREVIOUS}",
            {},
            {"secretsManager": "a", "label": "AWSPREVIOUS"},
        ),
        (
            "- {objectName: a, objectType: secretsmanager, objectAlias: db, objectVersionLabel: AWSCURRENT}",
            {},
            {"secretsManager": "a"},
        ),
        (
            "- {objectName: a, objectType: secretsmanager, objectAlias: db}",
            {"failoverRegion": "us-east-1"},
            {"secretsManager": "a", "failover": ["us-east-1"]},
        ),
        (
            "- {objectName: a, objectType: secretsmanager, objectAlias: db, failoverObject: {objectName: b}}",
            {"failoverRegion": "us-east-1"},
            {"secretsManager": "a", "failover": [{"region": "us-east-1", "name": "b"}]},
        ),
    ],
)
def test_an_object_becomes_a_source(objects: str, parameters: Mapping[str, str], source: Mapping[str, Any]) -> None:
    assert list(make_spec(objects, **parameters)["sources"].values()) == [source]


def test_a_class_that_no_workload_mounts_has_no_secret_before_and_that_is_told() -> None:
    volume = {"name": "v", "csi": {"volumeAttributes": {"secretProviderClass": "shop"}}}
    pod = {"containers": [{"name": "c", "volumeMounts": [{"name": "v"}]}], "volumes": [volume]}
    body = {"kind": "Deployment", "metadata": {"name": "api", "namespace": "shop"}, "spec": {"template": {"spec": pod}}}
    other = {**body, "spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}}
    manifest, options = read(), Options(clusters=["prod-eu"], own_region="eu-west-1")
    for workload, said in ((body, []), (other, ["No workload that was read mounts the class"])):
        (conversion,) = convert(manifest, Estate([manifest, Manifest("a.yaml", 1, workload)], options))
        assert [note.partition(":")[0] for note in conversion.notes] == said


def test_without_a_region_the_one_of_the_cluster_counts() -> None:
    (conversion,) = make(read(), regions={"prod-us": "us-east-1"})
    assert conversion.mapping["spec"]["sources"]["db"]["region"] == "us-east-1"
    (conversion,) = make(read(), regions={"prod-eu": "eu-west-1"})
    assert "region" not in conversion.mapping["spec"]["sources"]["db"]
    (conversion,) = make(read(region="eu-west-2"), regions={"prod-eu": "eu-west-1", "prod-us": "us-east-1"})
    assert conversion.mapping["spec"]["sources"]["db"]["region"] == "eu-west-2"
    with pytest.raises(Refusal, match="prod-eu in eu-west-1, prod-us in us-east-1"):
        make(read(), regions={"prod-eu": "eu-west-1", "prod-us": "us-east-1"})
    arn = "- {objectName: 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-AbCdEf', objectAlias: db}"
    with pytest.raises(Refusal, match="ARN region must match region us-east-1"):
        make(read(arn), regions={"prod-us": "us-east-1"})


@pytest.mark.parametrize(
    ("translation", "name", "file"),
    [
        ("", "a/b", "a_b"),
        ("-", "a/b", "a-b"),
        ("False", "/b", "b"),
        ("false", "b", "b"),
    ],
)
def test_a_file_is_called_as_the_provider_translates_its_name(translation: str, name: str, file: str) -> None:
    objects = f"- {{objectName: {name}, objectType: secretsmanager}}"
    secret = {"secretName": "db", "type": "Opaque", "data": [{"objectName": file, "key": "k"}]}
    parameters = {"pathTranslation": translation} if translation else {}
    assert make_spec(objects, [secret], **parameters)["secret"]["data"]["k"]


@pytest.mark.parametrize(
    ("objects", "parameters", "said", "line"),
    [
        ("", {}, "it has no objects", 10),
        ("a: b", {}, "objects is no list", 11),
        ("- {objectType: secretsmanager}", {}, "Object name must be specified", 11),
        ("- {objectName: a}", {}, "Must use objectType when a full ARN is not specified: a", 11),
        ("-\n- {objectName: a, objectType: secretsmanager}", {}, "Empty descriptor entry", 11),
        ("- {objectName: a, objectType: ssm}", {}, "Invalid objectType: ssm", 11),
        ("- {objectName: 'arn:aws:sts:eu-west-1:1:x'}", {}, "Invalid service in ARN: sts", 11),
        ("- {objectName: 'arn:aws:sts'}", {}, "Invalid ARN format", 11),
        (
            "- {objectName: 'arn:aws:ssm:eu-west-1:1:parameter/a', objectType: secretsmanager}",
            {},
            "objectType does not match ARN",
            11,
        ),
        (
            "- {objectName: 'arn:aws:secretsmanager:us-east-1:1:secret:a'}",
            {"region": "eu-west-1"},
            "ARN region must match region eu-west-1",
            11,
        ),
        (
            "- {objectName: a, objectType: ssmparameter, objectVersion: '1', objectVersionLabel: x}",
            {},
            "both objectVersion and objectVersionLabel",
            11,
        ),
        (
            "- {objectName: a, objectType: secretsmanager}\n- {objectName: a, objectType: secretsmanager}",
            {},
            "found descriptor with duplicate object name a",
            12,
        ),
        (
            "- {objectName: a, objectType: secretsmanager, objectAlias: x}\n"
            "- {objectName: b, objectType: secretsmanager, objectAlias: x}",
            {},
            "found duplicate object alias x",
            12,
        ),
        (
            "- objectName: a\n  objectType: secretsmanager\n  objectAlias: x\n"
            "  jmesPath:\n  - {path: p, objectAlias: x}",
            {},
            "Name already in use for objectAlias",
            15,
        ),
        (
            "- objectName: a\n  objectType: secretsmanager\n  jmesPath:\n  - {path: p}",
            {},
            "Object alias must be specified for JMES object",
            14,
        ),
        (
            "- objectName: a\n  objectType: secretsmanager\n  jmesPath:\n  - {objectAlias: p}",
            {},
            "Path must be specified for JMES object",
            14,
        ),
        ("- {objectName: a, objectType: secretsmanager, filePermission: '0999'}", {}, "Invalid File Permission", 11),
        ("- {objectName: a, objectType: secretsmanager, filePermission: 0644}", {}, "no text for YAML", 11),
        ("- {objectName: on, objectType: secretsmanager}", {}, "put it in quotes", 11),
        ("- {objectName: a, objectType: secretsmanager}", {"pathTranslation": "--"}, "pathTranslation must be", 1),
        ("- {objectName: a, objectType: secretsmanager}", {"usePodIdentity": "yes"}, "failed to parse usePodId", 1),
        ("- {objectName: a/b, objectType: secretsmanager}", {"pathTranslation": "False"}, "path separator", 11),
        ("- {objectName: ../b, objectType: secretsmanager}", {"pathTranslation": "False"}, "can not contain", 11),
        (
            "- {objectName: a, objectType: secretsmanager}",
            {"region": "eu-west-1", "failoverRegion": "eu-west-1"},
            "failover region cannot be the same",
            1,
        ),
        (
            "- {objectName: a, objectType: secretsmanager, failoverObject: {objectName: b}}",
            {"failoverRegion": "us-east-1"},
            "object alias must be specified for objects with failover entries",
            11,
        ),
        (
            "- {objectName: a, objectType: secretsmanager, objectAlias: x, failoverObject: {objectName: b}}",
            {},
            "failover object allowed only when failover region is defined",
            11,
        ),
        (
            "- {objectName: a, objectType: secretsmanager, objectAlias: x, objectVersion: x,"
            " failoverObject: {objectName: b}}",
            {"failoverRegion": "us-east-1"},
            "object versions must match",
            11,
        ),
        (
            "- {objectName: 'arn:aws:secretsmanager:eu-west-1:1:secret:a', objectAlias: db}",
            {"failoverRegion": "us-east-1"},
            "the provider asks us-east-1 for arn:",
            11,
        ),
        ("- objectName: a\n\tobjectType: b", {}, "it has a tab", 12),
        ("- objectName: {{ .Values.name }}\n  objectType: b", {}, "render it first", 11),
        ("- objectName: a\n objectType: b", {}, "objects is not YAML", 12),
        ("- objectName: [a]", {}, "objectName is no text", 11),
        (
            "- objectName: a\n  objectType: secretsmanager\n  objectAlias: '{{ENV}}-db'",
            {},
            "placeholder left in it",
            13,
        ),
        ("- {objectName: 'a-${namespace}', objectType: secretsmanager}", {}, "placeholder left in it", 11),
        ("- {objectName: <app>-db, objectType: secretsmanager}", {}, "placeholder left in it, <app>-db", 11),
        ("array:\n- |\n  objectName: a", {}, "of the provider of Azure", 11),
        ("- {a b: c, ~: d}", {}, "a key that is no name", 11),
        ("- objectName: a\n  objectType: secretsmanager\n  objectname: b", {}, "objectname is given twice", 13),
    ],
)
def test_what_the_provider_fails_at_is_refused_with_its_line(
    objects: str, parameters: Mapping[str, str], said: str, line: int
) -> None:
    manifest = read(objects, **parameters)
    with pytest.raises(Refusal, match=said) as caught:
        make(manifest)
    assert manifest.locate(*caught.value.path) == f"class.yaml:{line}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"secretName": ""}, "secret name is empty"),
        ({"type": None}, "secret type is empty"),
        ({"data": []}, "data is empty"),
        ({"data": [{"objectName": "db"}]}, "key in secretObjects.data is empty"),
        (
            {"data": [{"objectName": "prod/db", "key": "a"}]},
            "file matching objectName prod/db not found.*its files: db",
        ),
        ({"type": "kubernetes.io/tls"}, "only 'tls.key' and 'tls.crt' are"),
        ({"labels": {"a": True}}, "labels have a value that is no text"),
    ],
)
def test_a_secret_that_the_driver_does_not_write_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(Refusal, match=said):
        make(read(secrets=[SECRET | change]))


@pytest.mark.parametrize(
    ("objects", "change", "said", "place"),
    [
        ("- {objectName: a*, objectType: secretsmanager, objectAlias: db}", {}, "spec.sources.a.*letters", 11),
        ("- {objectName: 'a:3', objectType: ssmparameter, objectAlias: db}", {}, "a field of its own", 11),
        ("- {objectName: a/b, objectType: ssmparameter, objectAlias: db}", {}, "begins with a slash", 11),
        ("- {objectName: a, objectType: secretsmanager, objectAlias: db, objectVersion: x}", {}, "32 to 64", 11),
        (ONE, {"secretName": "My_DB"}, "spec.secret.name", 30),
        (ONE, {"type": "kubernetes.io/service-account-token"}, "never written", 30),
        (ONE, {"data": [{"objectName": "db", "key": "a b"}]}, "spec.secret.data", 30),
    ],
)
def test_what_a_mapping_cannot_have_is_refused_where_it_stands(
    objects: str, change: dict[str, Any], said: str, place: int
) -> None:
    manifest = read(objects, [SECRET | change])
    lines = {**manifest.lines, ("spec", "secretObjects", 0): 30}
    manifest = Manifest(manifest.file, 1, manifest.body, lines)
    with pytest.raises(Refusals, match=said) as caught:
        make(manifest)
    assert manifest.locate(*caught.value.refusals[0].path) == f"class.yaml:{place}"


def test_all_secrets_that_cannot_be_made_are_named_at_once() -> None:
    with pytest.raises(Refusals) as caught:
        make(read(secrets=[SECRET | {"type": ""}, SECRET | {"data": None}]))
    assert [refusal.path[:3] for refusal in caught.value.refusals] == [
        ("spec", "secretObjects", 0),
        ("spec", "secretObjects", 1),
    ]


def test_type_and_names_lose_the_blanks_around_them_as_the_driver_takes_them_off() -> None:
    secret = {"secretName": " db ", "type": " ", "data": [{"objectName": " db ", "key": " password "}]}
    assert make_spec(secrets=[secret])["secret"] == {"name": "db", "data": {"password": {"from": "db"}}}


def test_a_secret_for_tls_has_certificate_and_key_as_the_driver_writes_them_anew() -> None:
    data = [{"objectName": "db", "key": "tls.crt"}, {"objectName": "db", "key": "tls.key"}]
    secret = make_spec(secrets=[{"secretName": "web", "type": "kubernetes.io/tls", "data": data}])["secret"]
    assert secret == {
        "name": "web",
        "type": "kubernetes.io/tls",
        "checkContent": False,
        "variables": {"data": {"tls.crt": {"from": "db"}, "tls.key": {"from": "db"}}},
        "data": {
            "tls.crt": {"template": '{{ variables["tls.crt"] | filter_pem }}'},
            "tls.key": {"template": '{{ variables["tls.key"] | traditional_key }}'},
        },
    }


def test_what_is_delivered_for_tls_is_what_the_driver_makes_of_a_bundle() -> None:
    data = [{"objectName": "db", "key": "tls.crt"}, {"objectName": "db", "key": "tls.key"}]
    (conversion,) = make(read(secrets=[{"secretName": "web", "type": "kubernetes.io/tls", "data": data}]))
    bundle = f"subject=CN = a\n{LEAF.pem}\n{CHAIN}"
    made = rendered(SecretMapping.model_validate(conversion.mapping), {"db": value(bundle)})
    assert made["tls.crt"].reveal().decode() == CHAIN
    assert made["tls.key"].reveal().decode() == LEAF.traditional


def test_the_drivers_own_label_is_left_out_and_that_of_helm_is_told() -> None:
    labels = {"secrets-store.csi.k8s.io/managed": "true", "app.kubernetes.io/managed-by": "Helm", "team": "shop"}
    (conversion,) = make(read(secrets=[SECRET | {"labels": labels}]))
    assert conversion.mapping["spec"]["secret"]["labels"] == {"team": "shop"}
    assert conversion.notes == ["The label app.kubernetes.io/managed-by is keyferry, and not Helm."]


def test_files_that_are_in_no_secret_are_told_and_each_of_them_can_fail_the_delivery() -> None:
    objects = """
        - objectName: prod/db
          objectType: secretsmanager
          objectAlias: db
          jmesPath: [{path: port, objectAlias: port}]
        - {objectName: prod/other, objectType: secretsmanager}
    """
    (conversion,) = make(read(objects))
    secret = conversion.mapping["spec"]["secret"]
    port = {"from": "db", "path": "port", "type": "string"}
    assert secret["variables"] == {"data": {"port": port, "prod_other": {"from": "other"}}}
    assert secret["data"] == {"password": {"from": "db"}}
    told = "Pods mount nothing, and so get no Secret, where one of these cannot be read: port, prod_other."
    assert conversion.comments == [(("spec", "secret", "variables"), told)]
    assert list(conversion.mapping["spec"]["sources"]) == ["db", "other"]
    assert conversion.notes[0].startswith("port, prod_other are files of the pods and in no Secret")


def test_two_objects_that_write_one_file_are_refused() -> None:
    objects = """
        - {objectName: a/db, objectType: secretsmanager}
        - {objectName: a_db, objectType: ssmparameter}
    """
    assert "two objects write the file a_db" in str(refuse(objects))


@pytest.mark.parametrize(
    ("objects", "file", "entry"),
    [
        (
            "- {objectName: db, objectType: secretsmanager, jmesPath: [{path: p, objectAlias: db}]}",
            "db",
            {"from": "db", "path": "p", "type": "string"},
        ),
        (
            "- {objectName: a/db, objectType: secretsmanager}\n- {objectName: a_db, objectType: secretsmanager}",
            "a_db",
            {"from": "a_db"},
        ),
    ],
)
def test_a_file_that_is_written_twice_has_what_is_written_last(objects: str, file: str, entry: dict[str, str]) -> None:
    data = [{"objectName": file, "key": "password"}]
    (conversion,) = make(read(objects, [SECRET | {"data": data}]))
    assert conversion.mapping["spec"]["secret"]["data"]["password"] == entry
    assert conversion.notes[0].startswith(f"The file {file} is written twice, and the last one counts")


def test_a_parameter_that_is_there_twice_is_refused_where_the_provider_mixes_both_up() -> None:
    twice = """
        - {objectName: a, objectType: ssmparameter, objectAlias: db, objectVersionLabel: one}
        - {objectName: a, objectType: ssmparameter, objectAlias: old, objectVersionLabel: two}
    """
    assert "the parameter a is there twice" in str(refuse(twice))
    assert make(read(twice.replace("ssmparameter", "secretsmanager")))


@pytest.mark.parametrize("path", ["a-b", "users.*.name | [0]", "`app`"])
def test_a_path_that_the_provider_reads_otherwise_is_refused_with_its_line(path: str) -> None:
    objects = f"- objectName: a\n  objectType: secretsmanager\n  jmesPath:\n  - {{path: '{path}', objectAlias: db}}"
    manifest = read(objects)
    with pytest.raises(Refusal) as caught:
        make(manifest)
    assert path in str(caught.value)
    assert manifest.locate(*caught.value.path) == "class.yaml:14"


@pytest.mark.parametrize(
    ("path", "text"), [(("metadata", "namespace"), "${NAMESPACE}"), (("spec", "parameters", "region"), "{{region}}")]
)
def test_a_placeholder_that_was_left_in_is_refused(path: tuple[str, ...], text: str) -> None:
    manifest = read()
    *above, last = path
    part: Any = manifest.body
    for step in above:
        part = part[step]
    part[last] = text
    with pytest.raises(Refusals, match="is a placeholder"):
        make(manifest)


@pytest.mark.parametrize("provider", ["azure", "vault", "gcp", None])
def test_other_providers_are_refused_by_name(provider: str | None) -> None:
    manifest = read()
    manifest.body["spec"]["provider"] = provider
    with pytest.raises(Refusal, match=provider or "no provider is named"):
        make(manifest)


def test_objects_as_a_list_of_the_manifest_itself_are_refused_with_what_to_write() -> None:
    manifest = read()
    manifest.body["spec"]["parameters"]["objects"] = [{"objectName": "a"}]
    with pytest.raises(Refusal, match=r"is no text.*write objects: \|"):
        make(manifest)


def test_a_class_of_files_alone_makes_no_secret_and_the_volume_that_gives_the_same_is_told() -> None:
    manifest = read(secrets=None)
    (outcome,) = convert_all(Estate([manifest], Options(clusters=["prod-eu"]))).outcomes
    assert (outcome.state, outcome.refusals) == ("nothing to write", ())
    (told,) = outcome.notes
    assert "give --files" in told
    assert "`secret: {secretName: shop}`" in told


def test_files_become_keys_where_that_is_asked_for() -> None:
    objects = """
        - objectName: prod/db
          objectType: secretsmanager
          filePermission: "0440"
          jmesPath: [{path: password, objectAlias: db-password}]
    """
    (conversion,) = make(read(objects, None), files=True)
    assert conversion.mapping["spec"]["secret"] == {
        "name": "shop",
        "data": {
            "prod_db": {"from": "db"},
            "db-password": {"from": "db", "path": "password", "type": "string"},
        },
    }
    assert "prod_db 0440, db-password 0440" in conversion.notes[1]


def test_sources_have_names_that_a_mapping_can_have() -> None:
    names = ["prod/db", "stage/db", "1/2-3", "namespace", "a/!"]
    objects = "\n".join(f'- {{objectName: "{name}", objectType: secretsmanager}}' for name in names)
    data = [{"objectName": name.replace("/", "_"), "key": f"k{number}"} for number, name in enumerate(names)]
    sources = make_spec(objects, [SECRET | {"data": data}])["sources"]
    assert list(sources) == ["db", "db_2", "_2_3", "namespace_secret", "source"]


def test_the_namespace_of_the_command_line_counts_where_a_class_has_none() -> None:
    manifest = read()
    del manifest.body["metadata"]["namespace"]
    assert make(manifest, namespace="pay")[0].mapping["spec"]["namespaces"] == ["pay"]
    with pytest.raises(Refusal, match="no namespace is named"):
        make(manifest)


@pytest.mark.parametrize(
    ("head", "line"),
    [("objects: |", 10), ("objects: |-  # a comment", 10), ("objects: >-", 8), ("objects: |2", 10)],
)
def test_a_line_in_a_text_is_told_as_that_of_the_file(head: str, line: int) -> None:
    text = indent("- objectName: a\n  objectType: secret\n", " " * 8 if "2" not in head else " " * 6)
    content = "# a\n---\nkind: SecretProviderClass\nmetadata: {name: a, namespace: b}\nspec:\n  provider: aws\n"
    content += f"  parameters:\n    {head}\n{text}"
    reading = manifests.Reading()
    manifests.parse("a.yaml", content.encode(), reading)
    (manifest,) = reading.manifests
    with pytest.raises(Refusal) as caught:
        make(manifest)
    assert manifest.locate(*caught.value.path) == f"a.yaml:{line}"


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        (("spec", "secretObjects"), {"secretName": "db"}, "secretObjects is no list"),
        (("spec", "secretObjects", 0, "data"), {"key": "a"}, "data is no list"),
        (("spec", "secretObjects", 0, "secretName"), 5, "secretName is no text"),
        (("spec", "parameters"), None, "it has no parameters"),
        (("metadata", "name"), None, "metadata.name is missing"),
        (("spec", "parameters", "objects"), "- a", "an entry of objects has no fields"),
        (("spec", "parameters", "objects"), "- objectName: !x a", "objectName has a tag"),
        (("spec", "parameters", "objects"), "- {objectName: a, jmesPath: b}", "jmesPath is no list"),
        (("spec", "parameters", "objects"), "a\0b", "objects is not YAML"),
    ],
)
def test_parts_of_a_wrong_kind_are_refused(path: tuple[str | int, ...], content: object, said: str) -> None:
    manifest = read()
    *above, last = path
    part: Any = manifest.body
    for step in above:
        part = part[step]
    part[last] = content
    with pytest.raises(Refusal, match=said):
        make(manifest)


def test_a_file_that_is_no_key_is_refused_where_files_become_keys() -> None:
    with pytest.raises(Refusal, match="a b is no key of a Secret"):
        make(read("- {objectName: a, objectType: secretsmanager, objectAlias: a b}", None), files=True)


def test_a_file_without_a_name_and_one_that_the_driver_passes_over_are_refused() -> None:
    for alias in ("..data", "."):
        assert "the driver passes it over" in str(
            refuse(f"- {{objectName: a, objectType: secretsmanager, objectAlias: {alias}}}")
        )


def test_two_secrets_of_one_name_are_refused() -> None:
    assert "several secretObjects write the Secret db" in str(refuse(ONE, [SECRET, SECRET]))


def test_a_label_for_the_other_region_alone_is_refused() -> None:
    objects = (
        "- {objectName: a, objectType: secretsmanager, objectAlias: db,"
        " failoverObject: {objectName: b, objectVersionLabel: live}}"
    )
    with pytest.raises(Refusal, match="the label live is for the failover region alone"):
        make(read(objects, failoverRegion="us-east-1"))

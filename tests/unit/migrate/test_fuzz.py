"""Whatever a manifest has in place of what belongs there: a mapping that is valid, or a refusal that is a sentence."""

import copy
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.cli.migrate import CONVERTERS, manifests
from keyferry.cli.migrate.conversions import convert_all
from keyferry.cli.migrate.model import CSI, Estate, Manifest, NoSecret, Options, Refusal, Refusals
from keyferry.cli.migrate.provider_class import objects
from keyferry.cli.migrate.reloader import decide_restart, list_differences
from keyferry.cli.migrate.writing import format_conversions
from keyferry.mapping.mapping import SecretMapping

CLASS = f"""
apiVersion: {CSI}/v1
kind: SecretProviderClass
metadata: {{name: shop, namespace: shop, annotations: {{reloader.stakater.com/match: "true"}}}}
spec:
  provider: aws
  parameters:
    region: eu-west-1
    failoverRegion: us-east-1
    pathTranslation: "-"
    usePodIdentity: "true"
    objects: |
      - objectName: prod/db
        objectType: secretsmanager
        objectAlias: db
        filePermission: "0440"
        failoverObject: {{objectName: backup/db}}
        jmesPath:
          - {{path: username, objectAlias: user}}
          - path: "users[?name=='a'].password | [0]"
            objectAlias: pass
      - objectName: /prod/tls
        objectType: ssmparameter
        objectVersionLabel: live
      - objectName: arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/api-AbCdEf
        objectAlias: api
        objectVersion: 11111111-2222-3333-4444-555555555555
        failoverObject:
          objectName: arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/api-AbCdEf
          objectVersion: 11111111-2222-3333-4444-555555555555
  secretObjects:
    - secretName: db
      type: Opaque
      labels: {{team: shop}}
      annotations: {{example.com/a: b}}
      data: [{{objectName: user, key: user}}, {{objectName: db, key: all.json}}]
    - secretName: tls
      type: kubernetes.io/tls
      data: [{{objectName: -prod-tls, key: tls.crt}}, {{objectName: -prod-tls, key: tls.key}}]
"""
WORKLOAD = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: api
  namespace: shop
  annotations: {reloader.stakater.com/auto: "true", secret.reloader.stakater.com/reload: "db,x.*"}
spec:
  template:
    metadata: {annotations: {reloader.stakater.com/search: "true"}}
    spec:
      volumes:
        - {name: a, secret: {secretName: db}}
        - {name: b, projected: {sources: [{secret: {name: tls}}]}}
        - {name: c, csi: {volumeAttributes: {secretProviderClass: shop}}}
      initContainers: [{name: i, volumeMounts: [{name: a}]}]
      containers:
        - name: c
          env: [{name: A, valueFrom: {secretKeyRef: {name: db, key: user}}}]
          envFrom: [{secretRef: {name: db}}]
"""
EXTERNAL = """
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: db, namespace: shop, labels: {team: shop}, annotations: {example.com/a: b}}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: aws, kind: SecretStore}
  target:
    name: db
    creationPolicy: Owner
    deletionPolicy: Retain
    immutable: false
    template:
      type: Opaque
      engineVersion: v2
      mergePolicy: Replace
      metadata: {labels: {a: x}, annotations: {b: c}}
      data: {url: "postgres://{{ .user }}:{{ .pass | urlquery }}@{{ .host }}", plain: "{{ .user }}"}
      templateFrom:
        - {target: Data, configMap: {name: tpl, items: [{key: app, templateAs: KeysAndValues}]}}
        - {literal: "k: {{ .user | quote }}"}
  data:
    - {secretKey: user, remoteRef: {key: prod/db, property: username, decodingStrategy: Auto}}
    - {secretKey: pass, remoteRef: {key: prod/db, property: a.b, version: AWSPREVIOUS, metadataPolicy: None}}
  dataFrom:
    - {extract: {key: prod/api, property: x}, rewrite: [{regexp: {source: "^(.*)$", target: "p_$1"}}]}
    - {find: {name: {regexp: "^team-a/"}, tags: {a: b}}, rewrite: [{transform: {template: "{{ .value | upper }}"}}]}
"""
EVERYWHERE = """
apiVersion: external-secrets.io/v1
kind: ClusterExternalSecret
metadata: {name: all}
spec:
  externalSecretName: all
  namespaceSelectors: [{matchLabels: {a: b}}, {matchExpressions: [{key: c, operator: In, values: [d]}]}]
  namespaces: [shop]
  refreshTime: 1m
  externalSecretMetadata: {labels: {x: y}}
  externalSecretSpec:
    secretStoreRef: {name: aws, kind: ClusterSecretStore}
    target: {name: all}
    data: [{secretKey: user, remoteRef: {key: prod/db}}]
"""
STORE = """
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: aws, namespace: shop}
spec:
  provider:
    aws:
      service: SecretsManager
      region: eu-west-1
      role: arn:aws:iam::111122223333:role/a
      additionalRoles: [arn:aws:iam::111122223333:role/b]
      externalID: shop-7f3a
      sessionTags: [{key: a, value: b}]
      auth: {jwt: {serviceAccountRef: {name: sa}}}
  conditions: [{namespaces: [shop]}]
"""
CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: tpl, namespace: shop}
data: {app: "k: {{ .user }}"}
"""
ESTATE = (EXTERNAL, EVERYWHERE, STORE, STORE.replace("kind: SecretStore", "kind: ClusterSecretStore"), CONFIG_MAP)
WORDS = (
    "",
    " ",
    "a",
    "a/b",
    "-",
    "..",
    "aws",
    "true",
    "eu-west-1",
    "secretsmanager",
    "é",
    "${namespace}",
    "{{x}}",
    "a\nb",
)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(WORDS),
    st.sampled_from(WORDS).map(lambda word: [word]),
    st.sampled_from(WORDS).map(lambda word: {word: word}),
    st.just([]),
    st.just({}),
    st.just([None]),
)


def list_paths(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    """Yield the paths of all parts of a document but of itself."""
    steps = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for step, child in steps:
        yield (*path, step)
        yield from list_paths(child, (*path, step))


@st.composite
def changed(draw: st.DrawFn, text: str) -> Any:  # noqa: ANN401
    """A document with something else in one place or several, with something twice, or something missing."""
    body: Any = yaml.safe_load(text)
    for _ in range(draw(st.integers(1, 3))):
        paths = list(list_paths(body))
        *path, last = draw(st.sampled_from(paths))
        parent: Any = body
        for step in path:
            parent = parent[step]
        change = draw(st.sampled_from(("replace", "remove", "repeat")))
        if change == "replace":
            parent[last] = copy.deepcopy(draw(values))
        elif change == "remove":
            del parent[last]
        elif isinstance(parent, list):
            parent.append(copy.deepcopy(parent[last]))
        if not body:
            break
    return body


@st.composite
def changed_text(draw: st.DrawFn, text: str) -> str:
    """A text with characters taken out, put in, or lines moved."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 6)))
        inserted = draw(
            st.sampled_from(("", "\t", " ", "\n", "- ", ":", "{{", "}", "&a ", "*a", '"', "#", "|", "\0", "é"))
        )
        text = text[:start] + inserted + text[end:]
    return text


def check_told(error: Refusal | Refusals, manifest: Manifest) -> None:
    """Check that each reason is a sentence with a place."""
    reasons = error.refusals if isinstance(error, Refusals) else [error]
    assert reasons
    for reason in reasons:
        assert len(str(reason)) > 10
        assert reason.remedy
        assert manifest.locate(*reason.path).startswith("a.yaml:")


def convert(body: Any) -> None:  # noqa: ANN401
    """Convert a manifest, and check what comes of it."""
    manifest = Manifest("a.yaml", 1, body)
    converter = CONVERTERS.get((manifest.group or "", manifest.kind or ""))
    workload = Manifest("a.yaml", 1, yaml.safe_load(WORKLOAD))
    for files in (False, True):
        options = Options(clusters=["prod-eu"], own_region="eu-west-1", files=files)
        try:
            conversions = converter(manifest, Estate([manifest, workload], options)) if converter else []
        except NoSecret as told:
            assert str(told).endswith(".")
        except (Refusal, Refusals) as error:
            check_told(error, manifest)
        else:
            for conversion in conversions:
                SecretMapping.model_validate(conversion.mapping)
                assert all(note[0].isupper() or note[0] == "`" or note.endswith(".") for note in conversion.notes)


def test_what_is_changed_below_is_right_as_it_is() -> None:
    body = yaml.safe_load(CLASS)
    manifest = Manifest("a.yaml", 1, body)
    estate = Estate([manifest], Options(clusters=["prod-eu"], own_region="eu-west-1"))
    assert len(CONVERTERS[CSI, "SecretProviderClass"](manifest, estate)) == 2
    convert(body)
    estate = Estate([Manifest("a.yaml", 1, yaml.safe_load(text)) for text in ESTATE], Options(clusters=["prod-eu"]))
    assert [outcome.refusals for outcome in convert_all(estate).outcomes] == [(), ()]


@given(changed(CLASS))
def test_a_class_with_something_else_in_it_is_converted_or_refused(body: Any) -> None:  # noqa: ANN401
    convert(body)


@given(changed_text(yaml.safe_load(CLASS)["spec"]["parameters"]["objects"]))
def test_objects_with_other_characters_are_converted_or_refused(text: str) -> None:
    body = yaml.safe_load(CLASS)
    body["spec"]["parameters"]["objects"] = text
    convert(body)


@given(st.text(max_size=40) | st.text("-: \n\t{}[]&*#|>'\"!a~", max_size=40))
@settings(max_examples=300)
def test_any_text_is_objects_or_refused(text: str) -> None:
    try:
        assert isinstance(objects.parse(text), list)
    except Refusal as refusal:
        assert refusal.remedy


@given(st.data(), st.sampled_from(range(len(ESTATE))))
def test_an_estate_with_something_else_in_it_is_converted_or_refused(data: st.DataObject, number: int) -> None:
    bodies = [yaml.safe_load(text) for text in ESTATE]
    bodies[number] = data.draw(changed(ESTATE[number]))
    check_all([Manifest("a.yaml", 1, body) for body in bodies])


@given(st.sampled_from((EXTERNAL, EVERYWHERE, STORE, CLASS, CONFIG_MAP)).flatmap(changed_text))
def test_a_file_with_other_characters_is_read_or_told(text: str) -> None:
    reading = manifests.Reading()
    manifests.parse("a.yaml", text.encode(errors="replace"), reading)
    assert all(problem.line >= 1 and len(problem.message) > 5 for problem in reading.broken)
    check_all(reading.manifests)


@given(st.binary(max_size=60) | st.text("-: \n\t{}[]&*#|>'\"!a~0", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_told(content: bytes) -> None:
    reading = manifests.Reading()
    manifests.parse("a.yaml", content, reading)
    check_all(reading.manifests)


def check_all(read: list[Manifest]) -> None:
    """Convert all manifests, and check that each is one that is valid, or told about."""
    outcomes = convert_all(Estate(read, Options(clusters=["prod-eu"], own_region="eu-west-1"))).outcomes
    for outcome in outcomes:
        if outcome.refusals:
            check_told(Refusals(outcome.refusals), outcome.manifest)
        for conversion in outcome.conversions:
            SecretMapping.model_validate(conversion.mapping)
            format_conversions([conversion])


@given(changed(WORKLOAD))
def test_a_workload_with_something_else_in_it_restarts_or_not(body: Any) -> None:  # noqa: ANN401
    estate = Estate([Manifest("a.yaml", 1, body)], Options())
    for name in ("db", "tls"):
        restart, _ = decide_restart("shop", name, estate)
        assert restart in ("auto", "none") or restart[0].keys() == {"kind", "name"}
    assert list_differences(estate)

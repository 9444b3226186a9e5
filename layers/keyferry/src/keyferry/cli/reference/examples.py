"""Examples of everything that a mapping file can say, by the names of the models: for the schema and the reference.

Every example is valid as it stands; in long values `…` stands for what is left out.
A field can have an example of its own instead: `Field(examples=[…])`.
"""

from functools import cache
from typing import Any

from keyferry.formats import yamltext

_TEXT = """
SecretMapping:
  - apiVersion: keyferry.dev/v1
    kind: SecretMapping
    metadata: {name: payments-db}
    spec:
      sources: {db: {secretsManager: prod/payments/db}}
      clusters: [prod-eu]
      namespaces: [payments]
      secret: {name: payments-db, data: {password: {from: db, path: password}}}
Metadata:
  - {name: payments-db, previousNames: [payments-database]}
Spec:
  - sources: {db: {secretsManager: prod/payments/db}}
    clusters: [prod-eu, prod-us]
    namespaces: [payments, {names: ["payments-*"]}]
    secret: {name: payments-db, data: {password: {from: db, path: password}}}
    restart: auto
    policies: {deletion: delete, conflict: takeOver}
    owner: {team: payments, contact: "#payments-oncall"}
Source:
  - {secretsManager: prod/payments/db, label: AWSPREVIOUS, region: eu-west-1}
  - {parameterStore: /prod/payments/tls, version: "3"}
  - {find: secretsManager, path: prod/payments/, regexp: "-key$", tags: {team: payments}}
  - {secretsManager: prod/payments/db, metadata: tags}
  - {secretsManager: prod/payments/more, optional: true}
  - secretsManager: prod/payments/db
    failover: [us-east-1, {region: eu-central-1, name: prod-db}]
  - secretsManager: "arn:aws:secretsmanager:eu-west-1:444455556666:secret:shared/ca"
    role: "arn:aws:iam::444455556666:role/secrets"
Failover:
  - {region: eu-central-1, name: prod-db}
Role:
  - {arn: "arn:aws:iam::444455556666:role/secrets", externalId: payments-7f3a, sessionTags: {team: payments}}
Policies:
  - {creation: createOrUpdate, keys: exclusive, deletion: delete, conflict: takeOver}
Team:
  - {team: payments, contact: "#payments-oncall"}
SecretSpec:
  - name: payments-tls
    type: kubernetes.io/tls
    labels: {app.kubernetes.io/part-of: payments}
    annotations: {example.com/place: {template: "{{ cluster }}/{{ namespace }}"}}
    immutable: true
    data: {tls.crt: {from: tls, path: certificate}, tls.key: {from: tls, path: key}}
    dataFrom: [{from: tls, path: more}]
  - {name: payments-tls, tls: {from: tls}}
  - {name: deploy-key, type: kubernetes.io/ssh-auth, checkContent: false, data: {ssh-privatekey: {from: key}}}
  - name: payments-db
    variables: {data: {password: {from: db, property: password}}, dataFrom: [{from: db, property: "@this"}]}
    data: {url: {template: "postgres://{{ variables.user }}:{{ variables.password | urlencode }}@db.internal/app"}}
  - name: registry
    registries: [{server: registry.example.com, username: {from: db, path: user}, password: {from: db, path: password}}]
Entry:
  - {from: db, path: port, default: "5432"}
  - {from: db, path: "replicas[0].host", optional: true}
  - {from: db, path: keystore, decode: base64}
  - {from: db, property: user.name}
  - {from: db, path: token, type: string}
  - {template: "postgres://{{ db.username }}:{{ db.password | urlencode }}@db.internal/app"}
  - {value: live}
Tls:
  - {from: db, path: bundle, password: {from: db, path: password}}
  - certificate: {from: db, path: certificate}
    key: {from: db, path: key}
    chain: {from: db, path: chain}
Registry:
  - server: registry.example.com
    username: {from: db, path: username}
    password: {from: db, path: password}
    email: platform@example.com
DataFrom:
  - {from: db, path: settings, decode: auto, keys: [{addPrefix: DB_}], invalidCharacters: replace}
  - {from: db, property: "@this"}
  - {template: "{% for name in variables %}{{ name }}: {{ variables[name] | tojson }}\n{% endfor %}"}
Variables:
  - {data: {password: {from: db, property: password}}, dataFrom: [{from: db, property: "@this"}]}
KeyRule:
  - {regexp: {source: "^(.+)-(.+)$", target: "${2}_$1"}}
  - {stripPrefix: app/}
  - {addPrefix: DB_}
  - {case: upper}
  - {template: "{{ key | replace('.', '_') }}"}
  - {exclude: "^internal-"}
  - {merge: {priority: [base, override], conflicts: overwrite}}
Merge:
  - {into: all.json, priority: [base, override], conflicts: overwrite, missing: ignore}
Regexp:
  - {source: "^(.+)-(.+)$", target: "${2}_$1"}
Template:
  - {template: "{{ cluster }}/{{ namespace }}"}
  - {template: "{{ variables.team }}", showsValues: true}
Selector:
  - matchLabels: {env: prod}
    matchExpressions: [{key: site, operator: In, values: [eu, us]}]
NamespaceSelector:
  - names: ["payments-*"]
    exclude: ["*-sandbox"]
    matchLabels: {team: payments}
    matchExpressions: [{key: tier, operator: NotIn, values: [test]}]
Expression:
  - {key: tier, operator: NotIn, values: [test]}
Workload:
  - {kind: Deployment, name: api}
Clusters:
  - apiVersion: keyferry.dev/v1
    kind: Clusters
    clusters: [{name: prod-eu, eks: {name: prod-eu, region: eu-west-1, account: "111122223333"}}]
Cluster:
  - name: prod-eu
    eks: {name: prod-eu, region: eu-west-1, account: "111122223333"}
    role: arn:aws:iam::111122223333:role/keyferry
    endpoint: https://….eks.amazonaws.com
    certificateAuthority: LS0tLS1CRUdJTi…
    labels: {env: prod}
    restartKinds: [Deployment, StatefulSet, Rollout, CloneSet]
    events: true
Eks:
  - {name: prod-eu, region: eu-west-1, account: "111122223333"}
Policy:
  - apiVersion: keyferry.dev/v1
    kind: Policy
    rules:
      - mappings: ["payments/**/*.yaml"]
        sources: {secretsManager: ["prod/payments/*"]}
        clusters: ["prod-*"]
        namespaces: [payments]
Rule:
  - mappings: ["payments/**/*.yaml"]
    sources: {secretsManager: ["prod/payments/*"]}
    clusters: ["prod-*"]
    namespaces: [payments, "payments-*"]
    namespaceSelectors: [prod-eu]
    types: [Opaque, kubernetes.io/tls]
    secrets: ["payments-*"]
    labels: ["example.com/*"]
    annotations: ["example.com/*"]
    policies: {deletion: [retain, merge, delete]}
    restarts: ["payments-*"]
AllowedSources:
  - secretsManager: ["prod/payments/*"]
    parameterStore: ["/prod/payments/*"]
    accounts: ["444455556666"]
    regions: ["eu-*"]
    roles: ["arn:aws:iam::444455556666:role/payments-*"]
    externalIds: ["payments-*"]
    sessionTags: {team: [payments]}
AllowedPolicies:
  - creation: [createOrUpdate, createOnce, merge]
    keys: [ours, exclusive]
    deletion: [retain, merge, delete]
    conflict: [fail, takeOver]
Stack:
  - apiVersion: keyferry.dev/v1
    kind: Stack
    prefix: keyferry-staging
    previousPrefixes: [keyferry]
"""


@cache
def examples() -> dict[str, list[dict[str, Any]]]:
    """Return the examples of each model by its name; together they have all of its fields."""
    models: dict[str, list[dict[str, Any]]] = yamltext.parse(_TEXT)
    return models


def example_of(model: str, field: str) -> object:
    """Return the first example of a field; None if it has none."""
    return next((example[field] for example in examples().get(model, ()) if field in example), None)

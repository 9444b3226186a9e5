"""What fields hold, in words: examples of their values, and what their patterns match."""

from keyferry.formats.yamltext import FieldPath

_DNS = "lower-case letters, digits and '-', beginning and ending with a letter or digit"
_PATTERNS = {
    r"(\.[a-z0-9]": f"{_DNS}; dots may divide it, as payments-db",
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": f"{_DNS}, as payments",
    r"^[^/\\]+(/": "a pattern of files, relative to the folder of the mappings, as team-a/**/*.yaml",
    r"@!*?-]+$": "a pattern of names, as team-a/*",
    r"^[-.a-z0-9*?]+$": "a pattern of names, as prod-*",
    r"^[-./A-Za-z0-9*?]+$": "a type of Secrets, as kubernetes.io/tls",
    r"iam::[0-9*?]+:role/": "a pattern of ARNs of roles, as arn:aws:iam::111122223333:role/team-a-*",
    r"^[a-z*?][": "a pattern of regions, as eu-*",
    r"^[-A-Za-z0-9_+=,.@:/*?]+$": "a pattern of external ids, as team-a-*",
    r"^[-A-Za-z0-9_ .:/=+@*?]*$": "a pattern of a tag's values, as team-a-*",
    r"^[-A-Za-z0-9_./*?]+$": "a pattern of keys of labels or annotations, as example.com/*",
    r"^([0-9]{12}|": 'the twelve digits of an account in quotes, as "111122223333", or "*"',
    r"^[-a-z0-9*?]+$": "a pattern of namespaces' names, as team-*",
    r"^[-._a-zA-Z0-9]+$": "letters, digits, '-', '_' and '.', as tls.crt",
    r"^[A-Za-z_]": "letters, digits and '_', not beginning with a digit, as db",
    r"^([a-z0-9.-]{1,253}/)?": "a label's key as Kubernetes has them, as team or example.com/team, with 63 characters"
    " at most, and 253 before the slash",
    r"^([A-Za-z0-9]": "a label's value as Kubernetes has them: letters, digits, '-', '_' and '.'",
    r"^https://": "the address of the API server, as https://….eks.amazonaws.com, without a path",
    r":role/": "the ARN of a role, as arn:aws:iam::111122223333:role/keyferry",
    r"^[0-9]{12}$": 'the twelve digits of an account in quotes, as "111122223333"',
    r"^[a-z]{2,}(-": "a region, as eu-west-1",
    r"[A-Za-z0-9_ .:/=+@-]": "what a tag of AWS can have: letters, digits, spaces and _ . : / = + - @",
    r"[A-Za-z0-9_+=,.@:/-]+": "an external id: letters, digits and _ + = , . @ : / -",
    r"^[0-9A-Za-z][": "the name of an EKS cluster: letters, digits, '-' and '_'",
}
"""Part of a pattern → what matches the pattern, in words. The first part that a pattern contains counts."""
_EXAMPLES = {
    "apiVersion": "apiVersion: keyferry.dev/v1",
    "clusters": '[{name: prod-eu, eks: {name: prod-eu, region: eu-west-1, account: "111122223333"}}]',
    "clusters[*].eks": '{name: prod-eu, region: eu-west-1, account: "111122223333"}',
    "clusters[*].labels": "{env: prod}",
    "clusters[*].restartKinds": "[Deployment, StatefulSet, DaemonSet]",
    "rules": "[{mappings: [team-a/*.yaml], sources: …, clusters: …, namespaces: …}]",
    "rules[*].annotations": '["example.com/*"]',
    "rules[*].clusters": "[prod-eu]",
    "rules[*].labels": '["example.com/*"]',
    "rules[*].mappings": "[team-a/*.yaml]",
    "rules[*].namespaces": "[team-a]",
    "rules[*].policies": "{deletion: [retain, merge, delete]}, each field optional",
    "rules[*].restarts": '["team-a-*"]',
    "rules[*].sources": '{secretsManager: ["team-a/*"]}',
    "rules[*].sources.sessionTags": "{team: [team-a]}",
    "rules[*].sources.sessionTags.*": "[team-a]",
    "metadata": "{name: payments-db}",
    "spec": "{sources: …, clusters: …, namespaces: …, secret: …}",
    "spec.clusters": "[prod-eu], or {matchLabels: {env: prod}}",
    "spec.namespaces": "[payments], or {matchLabels: {team: payments}, exclude: [kube-*]}",
    "spec.namespaces[*]": 'text in quotes, as "payments", or {matchLabels: {team: payments}}',
    "metadata.previousNames": "[payments-database]",
    "spec.owner": '{team: payments, contact: "#payments-oncall"}',
    "spec.policies": "{creation: createOrUpdate, keys: ours, deletion: retain, conflict: fail}, each optional",
    "spec.restart": "auto, none, or [{kind: Deployment, name: api}]",
    "spec.restart[*]": "{kind: Deployment, name: api}",
    "spec.secret": "{name: payments-db, data: {password: {from: db, path: password}}}",
    "spec.secret.data": "{password: {from: db, path: password}}",
    "spec.secret.data.*": '{from: db, path: password}, or {template: "…"}',
    "spec.secret.registries": "[{server: registry.example.com, username: {value: robot}, password: {from: db}}]",
    "spec.secret.registries[*]": "{server: registry.example.com, username: {value: robot}, password: {from: db}}",
    "spec.secret.registries[*].password": "{from: db, path: password}",
    "spec.secret.registries[*].username": "{from: db, path: username}, or {value: robot}",
    "spec.secret.tls": "{from: bundle}, or {certificate: {from: …}, key: {from: …}}",
    "spec.secret.tls.certificate": "{from: db, path: certificate}",
    "spec.secret.tls.chain": "{from: db, path: chain}",
    "spec.secret.tls.key": "{from: db, path: key}",
    "spec.secret.tls.password": "{from: db, path: password}",
    "spec.secret.variables": '{dataFrom: [{from: db, property: "@this"}]}',
    "spec.secret.variables.data": "{password: {from: db, property: password}}",
    "spec.secret.variables.data.*": "{from: db, property: password}",
    "spec.sources": "{db: {secretsManager: prod/payments/db}}",
    "spec.sources.*": "{secretsManager: prod/payments/db}",
    "spec.sources.*.failover": "[us-east-1], or [{region: us-east-1, name: prod/payments/db}]",
    "spec.sources.*.role": "arn:aws:iam::444455556666:role/secrets, or {arn: …, externalId: …}, or a list of these",
    "spec.sources.*.tags": "{team: payments}",
}
"""Field → an example of its value, for where it is missing or has another type."""


def find_example(path: FieldPath) -> str | None:
    """Return an example of a field, None if there is none.

    In the table, items of lists have `[*]`, and names that users choose have `*`.
    """
    steps = ["[*]" if isinstance(step, int) else f".{step}" for step in path]
    variants = [[*steps[:number], ".*", *steps[number + 1 :]] for number in reversed(range(len(steps)))]
    fields = ("".join(variant).removeprefix(".") for variant in (steps, *variants))
    return next((_EXAMPLES[field] for field in fields if field in _EXAMPLES), None)


def dotted(path: FieldPath) -> str:
    """Return a path as messages have it, as `spec.clusters[0]`; empty for the whole document."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def describe_pattern(pattern: str) -> str:
    """Return in words what a regular expression of the models matches."""
    return next((words for part, words in _PATTERNS.items() if part in pattern), f"as {pattern}")

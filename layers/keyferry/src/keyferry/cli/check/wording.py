"""The errors of pydantic about a document → problems in plain words, each with its position."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from keyferry.cli.check.documents import Document
from keyferry.cli.check.problems import Problem, nearest
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
    r"^([a-z0-9.-]+/)?": "a label's key as Kubernetes has them, as team or example.com/team",
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
_TYPES = {
    "string_type": 'text; write it in quotes, as "…"',
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of fields to values",
    "model_attributes_type": "a mapping of fields to values",
}
"""Type of pydantic's error → what the value should be."""
_BOOLEANS_OF_YAML_1_1 = ("yes", "no", "on", "off", "y", "n")
"""Text that is a boolean in YAML 1.1."""
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
    "spec.sources": "{db: {secretsManager: prod/payments/db}}",
    "spec.sources.*": "{secretsManager: prod/payments/db}",
    "spec.sources.*.failover": "[us-east-1], or [{region: us-east-1, name: prod/payments/db}]",
    "spec.sources.*.role": "arn:aws:iam::444455556666:role/secrets, or {arn: …, externalId: …}, or a list of these",
    "spec.sources.*.tags": "{team: payments}",
}
"""Field → an example of its value, for where it is missing or has another type."""
_MISPLACED = {
    "metadata.namespace": "the namespaces to write to are in spec, as namespaces: [payments]",
    "metadata.namespaces": "the namespaces to write to are in spec, as namespaces: [payments]",
    "spec": "in a file of clusters, clusters stands at the top, beside kind",
}
"""Unknown field → where the field that is meant stands."""


def list_problems(document: Document, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Return the problems of a document for which its model has raised an error."""
    schema = model.model_json_schema()
    field_errors = [_FieldError(document, details) for details in error.errors(include_url=False, include_input=False)]
    return [problem for field_error in _select_branches(field_errors) for problem in field_error.problems(schema)]


class _FieldError:
    """One error of pydantic, with the path of its field in the document.

    The location that pydantic gives has the names of branches of unions beside the steps of that path.
    """

    def __init__(self, document: Document, details: Any) -> None:  # noqa: ANN401  # pydantic's TypedDict
        self.document, self.type = document, str(details["type"])
        self.context: Mapping[str, Any] = details.get("ctx") or {}
        self.expected = [_TYPES[self.type]] if self.type in _TYPES else []
        if self.type == "literal_error":
            self.expected = [str(self.context["expected"]).replace("'", "")]
        location = details["loc"]
        self.at_key = bool(location) and location[-1] == "[key]"
        self.path, self.unions = self._resolve(location[:-1] if self.at_key else location)
        self.union = self.unions[-1] if self.unions else None

    def _resolve(self, location: FieldPath) -> tuple[FieldPath, list[FieldPath]]:
        """Return the path in the document, and the paths of the unions of which pydantic names a branch."""
        path: FieldPath = ()
        unions: list[FieldPath] = []
        last = len(location) - 1
        for number, step in enumerate(location):
            if _has_step(self.document.get(*path), step) or (number == last and self.type == "missing"):
                path = (*path, step)
            else:
                unions.append(path)
        return path, unions

    @property
    def is_mismatch(self) -> bool:
        """Whether the value has another type than the branch of a union that the error is about."""
        return self.union == self.path and bool(self.expected)

    def problems(self, schema: Mapping[str, Any]) -> Iterator[Problem]:
        """Yield the problem; `schema` is the JSON schema of the document."""
        name = _dotted(self.path) or "the document"
        match self.type:
            case "missing":
                example = _example(self.path)
                message = f"{name} is missing; add it" + (f", as {example}" if example else "")
                yield self.document.problem(self.path[:-1], message, at_key=True)
            case "extra_forbidden":
                known = _fields_at(schema, self.path[:-1])
                remedy = _MISPLACED.get(_dotted(self.path))
                hint = f"; {remedy}" if remedy else nearest(str(self.path[-1]), known, "possible here")
                message = f"unknown field {self.path[-1]}{hint}"
                yield self.document.problem(self.path, message, at_key=True)
            case _:
                yield self.document.problem(self.path, self._message(name), at_key=self.at_key)

    @property
    def _text(self) -> str:
        return str(self.document.get(*self.path))

    def _message(self, name: str) -> str:
        limit = next((self.context[key] for key in ("max_length", "min_length") if key in self.context), None)
        match self.type:
            case "string_pattern_mismatch" if name.startswith("spec.namespaces[") and "*" in self._text:
                return f'{name}: patterns have a place of their own, as {{names: ["{self._text}"]}}'
            case "string_pattern_mismatch" if name.startswith("spec.clusters[") and "*" in self._text:
                return f"{name}: patterns choose no clusters; labels do, as {{matchLabels: {{env: prod}}}}"
            case "string_pattern_mismatch":
                return f"{name} should be {_describe_pattern(str(self.context['pattern']))}"
            case "string_too_long":
                return f"{name} should have {limit} characters at most"
            case "string_too_short" | "too_short":
                return f"{name} is empty; it needs something in it"
            case "bool_type" if self._text.lower() in _BOOLEANS_OF_YAML_1_1:
                return f"{name} should be true or false; in YAML 1.2 {self._text} is text"
            case "value_error":
                text = str(self.context["error"]).splitlines()[0].rstrip(":")
                return f"{name}: {text}" if self.path else text
        example = _example(self.path)
        if self.expected and example and (self.union is not None or self.type in _TYPES):
            return f"{name} should be {example}"
        if self.expected:
            return f"{name} should be {' or '.join(self.expected)}"
        return f"{name} is not right ({self.type})"


def _select_branches(errors: Iterable[_FieldError]) -> list[_FieldError]:
    """Return the errors without those of branches of a union that have another type than the value.

    Where all branches of a union have, one error remains, which expects any of them.
    """
    errors = list(errors)
    matched = {union for error in errors for union in error.unions if union != error.path or not error.is_mismatch}
    selected: list[_FieldError] = []
    mismatches: dict[FieldPath, _FieldError] = {}
    for error in errors:
        if error.union is None or not error.is_mismatch:
            selected.append(error)
        elif error.union in matched:
            continue
        elif error.union in mismatches:
            mismatches[error.union].expected += error.expected
        else:
            mismatches[error.union] = error
            selected.append(error)
    return selected


def _example(path: FieldPath) -> str | None:
    """Return an example of a field: items of lists have `[*]` in the table, and names that users choose have `*`."""
    steps = ["[*]" if isinstance(step, int) else f".{step}" for step in path]
    variants = [[*steps[:number], ".*", *steps[number + 1 :]] for number in reversed(range(len(steps)))]
    fields = ("".join(variant).removeprefix(".") for variant in (steps, *variants))
    return next((_EXAMPLES[field] for field in fields if field in _EXAMPLES), None)


def _dotted(path: FieldPath) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _has_step(value: object, step: str | int) -> bool:
    """Return whether a value has this key or index."""
    if isinstance(value, Mapping):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _describe_pattern(pattern: str) -> str:
    return next((words for part, words in _PATTERNS.items() if part in pattern), f"as {pattern}")


def _fields_at(schema: Mapping[str, Any], path: FieldPath) -> set[str]:
    """Return the names of the fields that a JSON schema allows at a path."""
    nodes = list(_branches(schema, schema))
    for step in path:
        nodes = [branch for node in nodes for child in _children(node, step) for branch in _branches(child, schema)]
    return {name for node in nodes for name in node.get("properties", {})}


def _children(node: Mapping[str, Any], step: str | int) -> Iterator[Mapping[str, Any]]:
    if isinstance(step, int):
        yield node.get("items", {})
    elif step in node.get("properties", {}):
        yield node["properties"][step]
    else:
        yield from node.get("patternProperties", {}).values()


def _branches(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the schemas that a schema stands for: itself, or those that its `$ref` or `anyOf` names."""
    if "$ref" in node:
        yield from _branches(schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], schema)
    elif "anyOf" in node:
        for branch in node["anyOf"]:
            yield from _branches(branch, schema)
    else:
        yield node

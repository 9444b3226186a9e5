"""pydantic's errors about a document → problems in plain words, each at its place."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from keyferry.cli.check.documents import Document
from keyferry.cli.check.problems import Problem, nearest
from keyferry.formats.yamltext import Path

_DNS = "lower-case letters, digits and '-', beginning and ending with a letter or digit"
_PATTERNS = {
    r"(\.[a-z0-9]": f"{_DNS}; dots may divide it, as payments-db",
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": f"{_DNS}, as payments",
    r"^[^/\\]+(/": "a pattern of files, relative to the folder of the mappings, as team-a/**/*.yaml",
    r"@*?-]+$": "a pattern of names, as team-a/*",
    r"^[-.a-z0-9*?]+$": "a pattern of names, as prod-*",
    r"^[-./A-Za-z0-9*?]+$": "a type of Secrets, as kubernetes.io/tls",
    r"^(\d{12}|": 'the twelve digits of an account in quotes, as "111122223333", or "*"',
    r"^[-a-z0-9*?]+$": "a pattern of namespaces' names, as team-*",
    r"^[-._a-zA-Z0-9]+$": "letters, digits, '-', '_' and '.', as tls.crt",
    r"^[A-Za-z_]": "letters, digits and '_', not beginning with a digit, as db",
    r"^([a-z0-9.-]+/)?": "a label's key as Kubernetes has them, as team or example.com/team",
    r"^([A-Za-z0-9]": "a label's value as Kubernetes has them: letters, digits, '-', '_' and '.'",
    r"^https://": "the address of the API server, as https://….eks.amazonaws.com, without a path",
    r":role/": "the ARN of a role, as arn:aws:iam::111122223333:role/keyferry",
    r"^\d{12}$": 'the twelve digits of an account in quotes, as "111122223333"',
    r"^[a-z]{2,}(-": "a region, as eu-west-1",
    r"[\w .:/=+@-]": "what a tag of AWS can have: letters, digits, spaces and _ . : / = + - @",
    r"[A-Za-z0-9_+=,.@:/-]+": "an external id: letters, digits and _ + = , . @ : / -",
    r"^[0-9A-Za-z][": "the name of an EKS cluster: letters, digits, '-' and '_'",
}
"""Part of a pattern → what fits it, in words. The first one that is found counts."""
_SHAPES = {
    "string_type": 'text; write it in quotes, as "…"',
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of fields to values",
    "model_attributes_type": "a mapping of fields to values",
}
_NO_BOOLEANS = ("yes", "no", "on", "off", "y", "n")
"""Text that YAML 1.1 takes for a boolean."""
_EXAMPLES = {
    "apiVersion": "apiVersion: keyferry.dev/v1",
    "clusters": '[{name: prod-eu, eks: {name: prod-eu, region: eu-west-1, account: "111122223333"}}]',
    "clusters[*].eks": '{name: prod-eu, region: eu-west-1, account: "111122223333"}',
    "clusters[*].labels": "{env: prod}",
    "clusters[*].restartKinds": "[Deployment, StatefulSet, DaemonSet]",
    "rules": "[{mappings: [team-a/*.yaml], sources: …, clusters: …, namespaces: …}]",
    "rules[*].clusters": "[prod-eu]",
    "rules[*].mappings": "[team-a/*.yaml]",
    "rules[*].namespaces": "[team-a]",
    "rules[*].sources": '{secretsManager: ["team-a/*"]}',
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
"""Field → what it can be, where it is missing or has another shape."""
_ELSEWHERE = {
    "metadata.namespace": "the namespaces to write to are in spec, as namespaces: [payments]",
    "metadata.namespaces": "the namespaces to write to are in spec, as namespaces: [payments]",
    "spec": "in a file of clusters, clusters stands at the top, beside kind",
}
"""Field that is not there → where what is meant is."""


def problems_of(document: Document, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Return what is wrong with a document that its model refuses."""
    schema = model.model_json_schema()
    told = [_Told(document, each) for each in error.errors(include_url=False, include_input=False)]
    return [problem for each in _without_other_branches(told) for problem in each.problems(schema)]


class _Told:
    """One error of pydantic, its location resolved: which of its parts are the document's own."""

    def __init__(self, document: Document, error: Any) -> None:  # noqa: ANN401  # pydantic's TypedDict
        self.document, self.kind = document, str(error["type"])
        self.context: Mapping[str, Any] = error.get("ctx") or {}
        self.expects = [_SHAPES[self.kind]] if self.kind in _SHAPES else []
        if self.kind == "literal_error":
            self.expects = [str(self.context["expected"]).replace("'", "")]
        loc = error["loc"]
        self.at_key = bool(loc) and loc[-1] == "[key]"
        self.path, self.unions = self._resolve(loc[:-1] if self.at_key else loc)
        self.union = self.unions[-1] if self.unions else None

    def _resolve(self, loc: Path) -> tuple[Path, list[Path]]:
        """Return the document's path, and where unions are that pydantic names a branch of."""
        path: Path = ()
        unions: list[Path] = []
        last = len(loc) - 1
        for number, step in enumerate(loc):
            held = self.document.get(*path)
            if _holds(held, step) or (number == last and self.kind == "missing"):
                path = (*path, step)
            else:
                unions.append(path)
        return path, unions

    @property
    def is_mismatch(self) -> bool:
        """Whether a branch of a union does not even have the shape of what is there."""
        return self.union == self.path and bool(self.expects)

    def problems(self, schema: Mapping[str, Any]) -> Iterator[Problem]:
        """Yield what to say."""
        name = _dotted(self.path) or "the document"
        match self.kind:
            case "missing":
                example = _example(self.path)
                message = f"{name} is missing; add it" + (f", as {example}" if example else "")
                yield self.document.problem(self.path[:-1], message, at_key=True)
            case "extra_forbidden":
                known = _fields_at(schema, self.path[:-1])
                place = _ELSEWHERE.get(_dotted(self.path))
                hint = f"; {place}" if place else nearest(str(self.path[-1]), known, "possible here")
                message = f"unknown field {self.path[-1]}{hint}"
                yield self.document.problem(self.path, message, at_key=True)
            case _:
                yield self.document.problem(self.path, self._message(name), at_key=self.at_key)

    @property
    def _held(self) -> str:
        return str(self.document.get(*self.path))

    def _message(self, name: str) -> str:
        limit = next((self.context[key] for key in ("max_length", "min_length") if key in self.context), None)
        match self.kind:
            case "string_pattern_mismatch" if name.startswith("spec.namespaces[") and "*" in self._held:
                return f'{name}: patterns have a place of their own, as {{names: ["{self._held}"]}}'
            case "string_pattern_mismatch" if name.startswith("spec.clusters[") and "*" in self._held:
                return f"{name}: patterns choose no clusters; labels do, as {{matchLabels: {{env: prod}}}}"
            case "string_pattern_mismatch":
                return f"{name} should be {_fitting(str(self.context['pattern']))}"
            case "string_too_long":
                return f"{name} should have {limit} characters at most"
            case "string_too_short" | "too_short":
                return f"{name} is empty; it needs something in it"
            case "bool_type" if self._held.lower() in _NO_BOOLEANS:
                return f"{name} should be true or false; in YAML 1.2 {self._held} is text"
            case "value_error":
                text = str(self.context["error"]).splitlines()[0].rstrip(":")
                return f"{name}: {text}" if self.path else text
        example = _example(self.path)
        if self.expects and example and (self.union is not None or self.kind in _SHAPES):
            return f"{name} should be {example}"
        if self.expects:
            return f"{name} should be {' or '.join(self.expects)}"
        return f"{name} is not right ({self.kind})"


def _without_other_branches(told: Iterable[_Told]) -> list[_Told]:
    """Return the errors, of each union only those of the branch that was meant; one where none fits."""
    told = list(told)
    meant = {union for each in told for union in each.unions if union != each.path or not each.is_mismatch}
    kept: list[_Told] = []
    open_unions: dict[Path, _Told] = {}
    for each in told:
        if each.union is None or not each.is_mismatch:
            kept.append(each)
        elif each.union in meant:
            continue
        elif each.union in open_unions:
            open_unions[each.union].expects += each.expects
        else:
            open_unions[each.union] = each
            kept.append(each)
    return kept


def _example(path: Path) -> str | None:
    """Return what a field can be; one of a list is looked for as `[*]`, and one with a name of one's own as `*`."""
    steps = ["[*]" if isinstance(step, int) else f".{step}" for step in path]
    named = [[*steps[:number], ".*", *steps[number + 1 :]] for number in reversed(range(len(steps)))]
    found = ("".join(each).removeprefix(".") for each in (steps, *named))
    return next((_EXAMPLES[each] for each in found if each in _EXAMPLES), None)


def _dotted(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _holds(held: object, step: str | int) -> bool:
    if isinstance(held, Mapping):
        return step in held
    return isinstance(held, list) and isinstance(step, int) and step < len(held)


def _fitting(pattern: str) -> str:
    return next((words for part, words in _PATTERNS.items() if part in pattern), f"as {pattern}")


def _fields_at(schema: Mapping[str, Any], path: Path) -> set[str]:
    """Return the fields that a JSON schema knows at a path."""
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
    """Yield a schema, or those that it refers to or chooses from."""
    if "$ref" in node:
        yield from _branches(schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], schema)
    elif "anyOf" in node:
        for each in node["anyOf"]:
            yield from _branches(each, schema)
    else:
        yield node

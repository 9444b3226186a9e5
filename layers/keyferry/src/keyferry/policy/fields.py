"""All that a mapping can say: what the policy judges, and what is harmless. It refuses whatever is neither.

A new field of a mapping belongs into one of the two tables; a test says so.
"""

from collections.abc import Iterator

from pydantic import BaseModel

from keyferry.formats.yamltext import FieldPath
from keyferry.mapping.mapping import SecretMapping

_JUDGED = {
    "SecretMapping": ("spec",),
    "Spec": ("sources", "clusters", "namespaces", "secret", "restart", "policies"),
    "Source": ("secrets_manager", "parameter_store", "find", "path", "regexp", "region", "failover", "role"),
    "Failover": ("region", "name"),
    "Role": ("arn", "external_id", "session_tags"),
    "Selector": ("match_labels", "match_expressions"),
    "NamespaceSelector": ("names",),
    "SecretSpec": ("name", "given_type", "labels", "annotations"),
    "Policies": ("creation", "keys", "deletion", "conflict"),
    "Workload": ("name",),
}
"""Model → its fields that `judge` looks at."""
_HARMLESS = {
    "SecretMapping": {
        "api_version": "says what the document is",
        "kind": "as api_version",
        "metadata": "each of its fields is in this table",
    },
    "Spec": {"owner": "names who is told of failures, and gives no right"},
    "Metadata": {
        "name": "no two mappings share one, and it names nothing but what is the mapping's own",
        "previous_names": "no mapping that exists has or had them, and places and Secrets are judged",
    },
    "Team": {"team": "as owner", "contact": "as owner"},
    "Source": {
        "tags": "leave fewer secrets",
        "metadata": "reads the tags of a secret whose value is allowed",
        "version": "another version of a secret that is allowed",
        "label": "another version of a secret that is allowed",
        "optional": "goes without the value of a secret that is missing",
    },
    "NamespaceSelector": {
        "match_labels": "leave fewer namespaces: labels count as if any namespace had them",
        "match_expressions": "as match_labels",
        "exclude": "leaves fewer namespaces",
    },
    "Expression": {
        "key": "of clusters: those that are chosen are judged; of namespaces: as match_labels",
        "operator": "as key",
        "values": "as key",
    },
    "SecretSpec": {
        "tls": "content, made of sources that are allowed; the type that it needs is judged",
        "registries": "as tls",
        "data": "content, made of sources that are allowed",
        "data_from": "as data",
        "variables": "as data, and not even written",
        "check_content": "as data",
        "immutable": "stops changes of the data, until somebody deletes the Secret and the next delivery makes it anew",
    },
    "Entry": {
        "source": "as SecretSpec.data",
        "path": "as SecretSpec.data",
        "remote_property": "as SecretSpec.data",
        "expected_type": "as SecretSpec.data",
        "template": "as SecretSpec.data; what it can compute is bounded",
        "template_file": "as template; the file lies in the folder of the mappings, and is not hidden",
        "value": "as SecretSpec.data",
        "decode": "as SecretSpec.data",
        "null_bytes": "as SecretSpec.data",
        "default": "as SecretSpec.data",
        "optional": "as SecretSpec.data",
    },
    "Tls": dict.fromkeys(("source", "path", "certificate", "key", "chain", "password"), "as SecretSpec.data"),
    "Registry": dict.fromkeys(("server", "username", "password", "email"), "as SecretSpec.data"),
    "DataFrom": dict.fromkeys(
        (
            "source",
            "path",
            "remote_property",
            "template",
            "template_file",
            "decode",
            "null_bytes",
            "keys",
            "invalid_characters",
        ),
        "as SecretSpec.data",
    ),
    "Variables": dict.fromkeys(("data", "data_from"), "as SecretSpec.data"),
    "KeyRule": dict.fromkeys(
        ("regexp", "strip_prefix", "add_prefix", "case", "template", "exclude", "merge"), "as SecretSpec.data"
    ),
    "Merge": dict.fromkeys(("into", "priority", "conflicts", "missing"), "as SecretSpec.data"),
    "Regexp": dict.fromkeys(("source", "target"), "as SecretSpec.data"),
    "Template": {
        "template": "the value of a label or an annotation whose key is judged, whatever it holds",
        "template_file": "as template",
        "shows_values": "as template: the values are those of sources, which are judged",
    },
    "Workload": {"kind": "a workload of a name that is allowed"},
}
"""Model → its fields that no policy has to judge, each with the reason."""
KNOWN = frozenset((model, field) for table in (_JUDGED, _HARMLESS) for model in table for field in table[model])
"""Name of a model and a field of it."""


def is_known(model: type[BaseModel], field: str) -> bool:
    """Return whether a field of a mapping, or of a part of one, is judged or harmless."""
    return (model.__name__, field) in KNOWN


def list_unjudged(mapping: SecretMapping) -> Iterator[FieldPath]:
    """Yield the path of each field that a mapping has set, and that is neither judged nor harmless."""
    yield from _list_unjudged(mapping, ())


def _list_unjudged(part: object, path: FieldPath) -> Iterator[FieldPath]:
    if isinstance(part, BaseModel):
        for field in type(part).model_fields.keys() & part.model_fields_set:
            step = type(part).model_fields[field].alias or field
            if not is_known(type(part), field):
                yield (*path, step)
            yield from _list_unjudged(getattr(part, field), (*path, step))
    elif isinstance(part, dict | list | tuple):
        for key, item in part.items() if isinstance(part, dict) else enumerate(part):
            yield from _list_unjudged(item, (*path, key))

"""The rules of the admission policy for workloads: the pipeline restarts them, and changes nothing else about them.

By RBAC alone, `patch` on a Deployment is the right to run any program in its namespace.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from keyferry.access.admission import choices
from keyferry.identity import Identity
from keyferry.kinds import KINDS
from keyferry.mapping.mapping import SecretMapping

type Object = dict[str, Any]

_SERVER_FIELDS = "k in ['generation', 'managedFields', 'resourceVersion']"
"""A CEL expression: whether `k` is a field of metadata that the API server itself changes with every write."""
_NONCE = "^[0-9a-f]{16}$"
"""The value of a stamp, as `secrets.token_hex(8)` makes it."""
_MAX_UPDATE_MANAGERS = 10
"""From how many entries of updates on the API server puts the oldest ones together
(k8s.io/apimachinery, DefaultMaxUpdateManagers)."""
_MERGED = "ancient-changes"
"""The manager of the entry into which they are put."""
_IS_UPDATE = "m.?operation.orValue('') == 'Update'"
_MANY_UPDATES = f"variables.wasManaged.filter(w, w.?operation.orValue('') == 'Update').size() >= {_MAX_UPDATE_MANAGERS}"
_PATH_OF_STAMPS = ("f:spec", "f:template", "f:metadata", "f:annotations")
"""Where stamps stand in an entry of managedFields."""


def build_rules(identity: Identity, mappings: Sequence[SecretMapping]) -> Object:
    """Return the part of a policy's spec that says what is matched, and what has to hold.

    Args:
        identity: the names of the stack.
        mappings: the mappings of the cluster that restart workloads.
    """
    pending, placed = _list_place_variables(identity, mappings)
    variables = [{"name": name, "expression": expression} for name, expression in _list_variables(identity)]
    return {
        "matchConstraints": {"resourceRules": _build_resource_rules()},
        "variables": [*variables, choices.LABELS_VARIABLE, *placed],
        "validations": [{"reason": "Forbidden", **validation} for validation in _list_validations(identity, pending)],
    }


def _build_resource_rules() -> list[Object]:
    """Return rules that match every kind of workload in the table, with its subresources (scale, status …)."""
    groups = dict.fromkeys(kind.group for kind in KINDS.values())
    return [
        {
            "apiGroups": [group],
            "apiVersions": ["*"],
            "operations": ["CREATE", "UPDATE", "DELETE"],
            "resources": [
                name for kind in KINDS.values() if kind.group == group for name in (kind.resource, f"{kind.resource}/*")
            ],
        }
        for group in groups
    ]


def _list_variables(identity: Identity) -> Iterator[tuple[str, str]]:
    """Yield the CEL variables, as (name, expression).

    They are the parts of the object before (`was…`) and after (`is…`) the change, each inside the one before it. A part
    that is missing is an empty map. `stamps` has the stamps that differ, `stamped` the Secrets, as stamps name them.
    """
    for name, whole in (("is", "object"), ("was", "oldObject")):
        yield f"{name}Whole", f"{whole} == null ? {{}} : dyn({whole})"
        yield f"{name}Metadata", f"variables.{name}Whole.?metadata.orValue({{}})"
        yield f"{name}Managed", f"variables.{name}Metadata.?managedFields.orValue([])"
        yield f"{name}OwnAnnotations", f"variables.{name}Metadata.?annotations.orValue({{}})"
        yield f"{name}Spec", f"variables.{name}Whole.?spec.orValue({{}})"
        yield f"{name}Template", f"variables.{name}Spec.?template.orValue({{}})"
        yield f"{name}TemplateMetadata", f"variables.{name}Template.?metadata.orValue({{}})"
        yield f"{name}Annotations", f"variables.{name}TemplateMetadata.?annotations.orValue({{}})"
    is_same = "k in variables.wasAnnotations && variables.wasAnnotations[k] == variables.isAnnotations[k]"
    written = f"variables.isAnnotations.filter(k, {_build_is_stamp([identity.stamp_domain])} && !({is_same}))"
    is_stamp = _build_is_stamp(_list_domains(identity))
    removed = f"variables.wasAnnotations.filter(k, {is_stamp} && !(k in variables.isAnnotations))"
    yield "stamps", f"{written} + {removed}"
    yield "stamped", "variables.stamps.map(k, k.substring(k.indexOf('/') + 1))"


def _list_domains(identity: Identity) -> Sequence[str]:
    """Return the domains of stamps: ours, then those of earlier prefixes, whose stamps may be removed alone."""
    return identity.stamp_domain, *identity.previous_stamp_domains


def _build_is_stamp(domains: Sequence[str], begin: str = "") -> str:
    """Return the CEL expression that is true if `k`, which begins with a text, goes on with one of the domains."""
    terms = [f"k.startsWith('{begin}{domain}/')" for domain in domains]
    return terms[0] if len(terms) == 1 else f"({' || '.join(terms)})"


def _list_place_variables(identity: Identity, mappings: Sequence[SecretMapping]) -> tuple[str, list[Object]]:
    """Return variables that each take away stamps that the mappings may write here, and the name of the last one."""
    by_secret = choices.group_by_secret(mappings).items()
    by_name = {identity.stamp_name(secret): writers for secret, writers in by_secret}
    pairs = [f"{place}/{name}" for name, writers in by_name.items() for place in choices.list_names(writers)]
    names_by_choice = choices.group_names((name, choices.build_choice(writers)) for name, writers in by_name.items())
    terms = choices.list_memberships("request.namespace + '/' + s", pairs) + [
        f"{membership} && ({choice})"
        for choice, names in names_by_choice.items()
        for membership in choices.list_memberships("s", names)
    ]
    pending, variables = "stamped", []
    for number, place in enumerate(choices.pack(terms, "||")):
        variables.append({"name": f"misplaced{number}", "expression": f"variables.{pending}.filter(s, !({place}))"})
        pending = f"misplaced{number}"
    return pending, variables


def _list_validations(identity: Identity, misplaced: str) -> Iterator[Object]:
    """Yield what has to hold.

    Args:
        identity: the names of the stack.
        misplaced: the variable with the stamps that no mapping writes here.
    """
    domain = identity.stamp_domain
    yield {
        "expression": _build_comparisons(identity),
        "message": f"Keyferry may change annotations {domain}/* of pod templates alone",
    }
    yield {
        "expression": f"variables.{misplaced}.size() == 0",
        "messageExpression": f"'no mapping restarts workloads in namespace ' + request.namespace + ' by {domain}/' +"
        f" variables.{misplaced}[0]",
    }
    yield {
        "expression": "variables.stamps.all(k, !(k in variables.isAnnotations) ||"
        f" variables.isAnnotations[k].matches('{_NONCE}'))",
        "message": "Keyferry stamps pod templates with 16 hexadecimal digits",
    }
    yield {
        "expression": _build_kept_managers_rule(identity),
        "message": "Keyferry takes nobody's managedFields away",
    }
    yield {
        "expression": _build_new_managers_rule(identity),
        "message": "Keyferry makes nobody the manager of anything but stamps",
    }


def _build_comparisons(identity: Identity) -> str:
    """Return the CEL expression that is true if only stamps in the pod template differ."""
    is_ours = _build_is_stamp([identity.stamp_domain])
    former = identity.previous_stamp_domains
    goes = f" || ({_build_is_stamp(former)} && !(k in variables.isAnnotations))" if former else ""
    counters = " || ".join(f"k == '{name}'" for kind in KINDS.values() for name in kind.counters)
    comparisons = [
        _build_comparison("Whole", "k in ['metadata', 'spec']"),
        _build_comparison("Metadata", f"k == 'annotations' || {_SERVER_FIELDS}"),
        _build_comparison("OwnAnnotations", counters),
        _build_comparison("Spec", "k == 'template'"),
        _build_comparison("Template", "k == 'metadata'"),
        _build_comparison("TemplateMetadata", "k == 'annotations'"),
        _build_comparison("Annotations", is_ours, goes),
    ]
    return " && ".join(["request.operation == 'UPDATE'", "!has(request.subResource)", *comparisons])


def _build_comparison(part: str, is_exempt: str, may_go: str = "") -> str:
    """Return a CEL expression that is true if a part of the object is the same before and after the change.

    Args:
        part: the name of the part, without `is` and `was`.
        is_exempt: a CEL expression of the field name `k`: true for fields that may differ.
        may_go: what else a field that was there may be: a CEL expression that begins with ` || `.
    """
    return _build_kept(f"variables.was{part}", f"variables.is{part}", is_exempt + may_go) + (
        f" && variables.is{part}.all(k, {is_exempt} || k in variables.was{part})"
    )


def _build_kept(before: str, now: str, is_exempt: str) -> str:
    """Return a CEL expression that is true if each field of a map is in another one too, with the same value."""
    return f"{before}.all(k, {is_exempt} || (k in {now} && {now}[k] == {before}[k]))"


def _build_kept_managers_rule(identity: Identity) -> str:
    """Return the CEL expression that is true if every other manager still has its entry in managedFields.

    An entry differs only where its manager had written a stamp, which is ours now: all the rest of it stays. And the
    API server itself puts the oldest entries of updates together, once there are too many.
    """
    merged = f"{_IS_UPDATE} && {_MANY_UPDATES} && variables.isManaged.exists(n, n.?manager.orValue('') == '{_MERGED}')"
    ours = " || ".join(f"m.?manager.orValue('').startsWith('{each.prefix}:')" for each in identity.identities)
    return (
        f"variables.wasManaged.all(m, {ours} || m in"
        f" variables.isManaged || ({merged}) || {_build_rest_is_in('variables.isManaged', _list_domains(identity))})"
    )


def _build_new_managers_rule(identity: Identity) -> str:
    """Return the CEL expression that is true if nobody has become the manager of anything but of stamps.

    Else the next apply of somebody who owns nothing of it would be a conflict. A map that a stamp is the first in has
    an owner too: the field `.`.
    """
    merged = f"{_IS_UPDATE} && {_MANY_UPDATES} && m.?manager.orValue('') == '{_MERGED}'"
    rest_was_in = _build_rest_is_in("variables.wasManaged", [identity.stamp_domain], " || k == '.'")
    return f"variables.isManaged.all(m, m in variables.wasManaged || ({merged}) || {rest_was_in})"


def _build_rest_is_in(entries: str, domains: Sequence[str], is_exempt_too: str = "") -> str:
    """Return the CEL expression that is true if the entry `m`, but for stamps, is in its manager's entry of a list.

    Args:
        entries: the list, as a CEL expression. Without an entry of the manager, it counts as an empty one.
        domains: the domains of the stamps.
        is_exempt_too: what else a field name `k` may be: a CEL expression that begins with ` || `.
    """
    is_same = " && ".join(f"n.?{field} == m.?{field}" for field in ("manager", "operation", "subresource"))
    levels = []
    for depth, name in enumerate((*_PATH_OF_STAMPS, "")):
        path = "".join(f"[?'{step}']" for step in _PATH_OF_STAMPS[:depth])
        is_exempt = (f"k == '{name}'" if name else _build_is_stamp(domains, "f:")) + is_exempt_too
        levels.append(
            _build_kept(f"m[?'fieldsV1']{path}.orValue({{}})", f"n{path}.orValue({{}})" if path else "n", is_exempt)
        )
    entry = f"[({entries}.filter(n, {is_same}).map(n, n.?fieldsV1.orValue({{}})) + [{{}}])[0]]"
    return f"{entry}.all(n, {' && '.join(levels)})"

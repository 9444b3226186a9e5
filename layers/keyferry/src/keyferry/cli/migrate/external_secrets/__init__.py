"""ExternalSecret and ClusterExternalSecret → mappings, with the meaning that the operator gives them."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from keyferry.cli.migrate.external_secrets import namespaces
from keyferry.cli.migrate.external_secrets.data import convert_data
from keyferry.cli.migrate.external_secrets.data_from import convert_data_from
from keyferry.cli.migrate.external_secrets.draft import Draft
from keyferry.cli.migrate.external_secrets.fields import (
    ClusterExternalSecretSpec,
    ExternalSecretSpec,
    Metadata,
    Target,
)
from keyferry.cli.migrate.external_secrets.target import (
    build_secret,
    check_combination,
    convert_metadata,
    convert_policies,
)
from keyferry.cli.migrate.external_secrets.template import Content, apply_template
from keyferry.cli.migrate.model import UNCHECKED, Conversion, Estate, FieldPath, Manifest, Refusal, Refusals, is_name
from keyferry.cli.migrate.placeholders import check_placeholders
from keyferry.cli.migrate.reading import read_part
from keyferry.cli.migrate.reloader import decide_restart
from keyferry.cli.migrate.stores import refuse_version
from keyferry.mapping.mapping import SecretMapping

_PARTS = {"apiVersion", "kind", "metadata", "spec", "status"}


def convert(manifest: Manifest, estate: Estate) -> list[Conversion]:
    """Return the mapping of an ExternalSecret; none where it writes no Secret (`creationPolicy: None`).

    Raises:
        Refusal, Refusals: no mapping makes exactly the Secret that it makes.
    """
    _check(manifest)
    namespace = estate.namespace_of(manifest)
    if namespace is None:
        raise Refusal("no namespace is named", "say --namespace, or render it with one", ("metadata",))
    metadata = _read_metadata(manifest)
    draft = Draft(manifest, estate, ("spec",), namespace)
    spec = read_part(manifest, ("spec",), ExternalSecretSpec)
    return _build(draft, spec, manifest.name or "", metadata, [{"names": [namespace]}])


def convert_cluster(manifest: Manifest, estate: Estate) -> list[Conversion]:
    """Return the mapping of a ClusterExternalSecret.

    Where its Secrets are made otherwise in each namespace, as by a SecretStore, it is one for each namespace that it
    names; where it does not name them, such a manifest is refused.

    Raises:
        Refusal, Refusals: no mapping makes exactly the Secrets that it makes.
    """
    _check(manifest)
    whole = read_part(manifest, ("spec",), ClusterExternalSecretSpec)
    spec = read_part(manifest, ("spec", "externalSecretSpec"), ExternalSecretSpec)
    choices = namespaces.choose_namespaces(whole)
    if not choices:
        return []

    def build(namespace: str | None, choices: Sequence[namespaces.Choice]) -> list[Conversion]:
        draft = Draft(manifest, estate, ("spec", "externalSecretSpec"), namespace)
        name = whole.external_secret_name or manifest.name or ""
        return _build(draft, spec, name, whole.external_secret_metadata or Metadata(), choices)

    try:
        return build(None, choices)
    except Refusals:
        names = namespaces.list_names(choices)
        if names is None:
            raise
        return [conversion for name in names for conversion in build(name, [{"names": [name]}])]


def _check(manifest: Manifest) -> None:
    """Check what is not of the spec.

    Raises:
        Refusal, Refusals: it is wrong.
    """
    refuse_version(manifest)
    check_placeholders(manifest, ("metadata",))
    check_placeholders(manifest, ("spec",))
    if not is_name(manifest.name or ""):
        raise Refusal(
            "metadata.name is no name of Kubernetes", "Kubernetes refuses it: correct it", ("metadata", "name")
        )
    unknown = sorted(manifest.body.keys() - _PARTS)
    if unknown:
        raise Refusal(f"{unknown[0]} is no field that is known", "correct or remove it", (unknown[0],))


def _read_metadata(manifest: Manifest) -> Metadata:
    """Return the labels and annotations of an object.

    Raises:
        Refusals: they are not text.
    """
    given = {noun: manifest.get("metadata", noun) for noun in ("labels", "annotations")}
    own = Manifest(manifest.file, manifest.line, {"metadata": given}, manifest.lines)
    return read_part(own, ("metadata",), Metadata)


def _build(
    draft: Draft, spec: ExternalSecretSpec, name: str, metadata: Metadata, choices: Sequence[namespaces.Choice]
) -> list[Conversion]:
    """Return the mapping.

    Args:
        draft: takes sources, notes and refusals.
        spec: the spec of the ExternalSecret.
        name: the name of the ExternalSecret.
        metadata: its labels and annotations.
        choices: the namespaces of the Secret.

    Raises:
        Refusals: there is none.
    """
    target = spec.target or Target()
    _check_entries(spec, draft)
    if target.creation_policy == "None":
        return _leave_unwritten(target, draft)
    draft.store_ref = spec.secret_store_ref
    content = _fill(draft, spec, target, metadata)
    policies = convert_policies(spec, draft)
    where: Any = None
    with draft.collect():
        where = _choose_namespaces(draft, choices)
    secret = build_secret(name, spec) | _build_content(draft, content)
    if draft.refusals:
        raise Refusals(draft.refusals)
    restart, differences = decide_restart(draft.namespace, secret["name"], draft.estate, secret.get("annotations"))
    for text in differences:
        draft.note(text)
    body = {
        "sources": draft.sources,
        "clusters": list(draft.estate.options.clusters),
        "namespaces": where,
        "secret": secret,
        **({} if restart == "auto" else {"restart": restart}),
        **_if_any("policies", policies),
    }
    return [_conclude(draft, _name_mapping(draft, secret["name"]), body)]


def _check_entries(spec: ExternalSecretSpec, draft: Draft) -> None:
    if not spec.data and not spec.data_from:
        draft.refuse("neither data nor dataFrom is there", "External Secrets refuses it: add one")


def _leave_unwritten(target: Target, draft: Draft) -> list[Conversion]:
    """Return no mapping.

    Raises:
        Refusals: the operator refuses the manifest.
    """
    check_combination(target, draft)
    if draft.refusals:
        raise Refusals(draft.refusals)
    return []


def _choose_namespaces(draft: Draft, choices: Sequence[namespaces.Choice]) -> list[Any]:
    """Return where the Secret goes. The namespace of an ExternalSecret is named, so that it has to be there."""
    where = namespaces.restrict(choices, draft)
    if draft.manifest.kind != "ExternalSecret":
        return list(where)
    return [draft.namespace if choice == {"names": [draft.namespace]} else choice for choice in where]


def _build_content(draft: Draft, content: Content) -> dict[str, Any]:
    """Return the parts of the Secret that are filled, without those that are empty."""
    parts: dict[str, Any] = {
        "labels": dict(convert_metadata("label", content.labels, draft)),
        "annotations": dict(convert_metadata("annotation", content.annotations, draft)),
        "variables": content.variables,
        "dataFrom": content.data_from,
        "data": content.data,
    }
    return {key: part for key, part in parts.items() if part}


def _fill(draft: Draft, spec: ExternalSecretSpec, target: Target, metadata: Metadata) -> Content:
    draft.retains = target.deletion_policy in (None, "Retain")
    content = Content(
        convert_data(spec.data or [], draft), convert_data_from(spec.data_from or [], draft), draft.retains
    )
    if target.template is None:
        content.keep_fetched()
        content.labels, content.annotations = metadata.labels or {}, metadata.annotations or {}
    else:
        apply_template(target.template, content, draft)
    return content


def _if_any(name: str, part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dict(part)} if part else {}


def _name_mapping(draft: Draft, secret: str) -> str:
    return f"{draft.namespace}-{secret}" if draft.namespace else draft.manifest.name or ""


def _conclude(draft: Draft, name: str, spec: dict[str, Any]) -> Conversion:
    """Return the conversion of what is a valid mapping.

    Raises:
        Refusals: the mapping language does not take it, and says why.
    """
    mapping = {"apiVersion": "keyferry.dev/v1", "kind": "SecretMapping", "metadata": {"name": name}, "spec": spec}
    try:
        SecretMapping.model_validate(mapping)
    except ValidationError as error:
        raise Refusals([_refuse_value(each, draft.at) for each in error.errors()]) from None
    return Conversion(draft.manifest, mapping, draft.notes, [UNCHECKED] if "checkContent" in spec["secret"] else [])


def _refuse_value(error: Mapping[str, Any], at: FieldPath) -> Refusal:
    where = ".".join(map(str, error["loc"]))
    message = str(error["msg"]).removeprefix("Value error, ")
    return Refusal(f"a mapping does not take it ({where}): {message}", "change the manifest first", at)

"""SecretStore and ClusterSecretStore of the AWS provider: which service, region and roles they read with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keyferry.cli.migrate.external_secrets.fields import Aws, Condition, StoreRef, StoreSpec
from keyferry.cli.migrate.model import EXTERNAL_SECRETS, Estate, FieldPath, Manifest, Refusal, Refusals
from keyferry.cli.migrate.placeholders import check_placeholders
from keyferry.cli.migrate.reading import read_part

SERVICES = {"SecretsManager": "secretsManager", "ParameterStore": "parameterStore"}
"""The service of a store → the field of a source."""
_AT: FieldPath = ("spec", "provider", "aws")
_STATIC_KEYS = "let the functions' role read it, or a role by `role` of the store (docs/deploy: other accounts)"
_OLD = "External Secrets has dropped it: write it as external-secrets.io/v1, whose dataFrom has `extract`"


@dataclass(frozen=True)
class Store:
    """What a store says of a source."""

    name: str
    """Kind and name, for messages."""
    service: str
    """The field of a source: secretsManager or parameterStore."""
    region: str | None
    roles: Sequence[Mapping[str, Any]] = ()
    """The roles to assume, in the form of a source."""
    prefix: str = ""
    """What the names of secrets and parameters begin with."""
    tags_of_place: Mapping[str, str] = field(default_factory=dict)
    """Session tags of the last role beside `esoNamespace`, where the store's policy adds them."""
    has_place: bool = False
    """Whether the last role gets the session tag `esoNamespace`."""
    conditions: Sequence[Condition] = ()
    """Which namespaces may use the store; all, if there are none."""
    notes: Sequence[str] = ()

    def describe(self, options_region: str | None, namespace: str | None) -> dict[str, Any]:
        """Return the fields of a source that say where and with which roles it is read.

        Args:
            options_region: the region of the stack, if it is known.
            namespace: the namespace that reads it; None where it is not one alone.

        Raises:
            Refusal: the session tags depend on the namespace, and there are several.
        """
        fields: dict[str, Any] = {}
        if self.region and self.region != options_region:
            fields["region"] = self.region
        roles = [dict(role) for role in self.roles]
        if self.has_place:
            if namespace is None:
                what = f"{self.name} gives its role the session tag esoNamespace, another one in each namespace"
                raise Refusal(what, "write a mapping for each namespace, with `sessionTags` of its own")
            roles[-1]["sessionTags"] = dict(self.tags_of_place) | {"esoNamespace": namespace}
        if roles:
            short = [role["arn"] if set(role) == {"arn"} else role for role in roles]
            fields["role"] = short[0] if len(short) == 1 else short
        return fields


def find_store(ref: StoreRef, namespace: str | None, estate: Estate, path: FieldPath) -> Store:
    """Return a store of a namespace, or of the cluster.

    Args:
        ref: its kind and name.
        namespace: the namespace of what uses it; None for any.
        estate: what was read.
        path: the reference, for refusals.

    Raises:
        Refusal, Refusals: it is missing, or there is no equivalent of it.
    """
    kind = ref.kind or "SecretStore"
    where = None if kind == "ClusterSecretStore" else namespace
    found = estate.list_named(EXTERNAL_SECRETS, kind, where, ref.name or "")
    title = f"{kind} {'/'.join(filter(None, (where, ref.name)))}"
    if not found:
        return _assume(title, estate, path)
    if len({repr(each.get("spec")) for each in found}) > 1:
        what = f"{title} is there twice, with other content ({found[0].locate()} and {found[1].locate()})"
        raise Refusal(what, "give the manifests of one cluster", path)
    try:
        return _read(found[0], title)
    except Refusal as refusal:
        raise _point_to(found[0], title, refusal, path) from None
    except Refusals as several:
        raise Refusals([_point_to(found[0], title, each, path) for each in several.refusals]) from None


def _point_to(store: Manifest, title: str, reason: Refusal, path: FieldPath) -> Refusal:
    """Return a reason about a store as one about what refers to it."""
    return Refusal(f"{title} ({store.locate(*reason.path)}): {reason.what}", reason.remedy, path)


def _assume(title: str, estate: Estate, path: FieldPath) -> Store:
    """Return what the command line says of stores that are missing."""
    options = estate.options
    if not options.region:
        remedy = "give its file too, or say --region, --role and --service for stores that are missing"
        raise Refusal(f"{title} is not among the manifests", remedy, path)
    note = f"{title} is not among the manifests: region, role and service are those of the command line."
    roles = [{"arn": options.role}] if options.role else []
    return Store(title, SERVICES[options.service], options.region, roles, notes=[note])


def _read(manifest: Manifest, title: str) -> Store:
    refuse_version(manifest)
    check_placeholders(manifest, ("spec",))
    spec = read_part(manifest, ("spec",), StoreSpec)
    provider = next(iter(spec.provider), "none")
    if provider != "aws":
        raise Refusal(f"its provider is {provider}, and AWS alone is read", "keep External Secrets for it", _AT[:2])
    aws = read_part(manifest, _AT, Aws)
    if aws.service not in SERVICES:
        raise Refusal(f"it reads {aws.service}, which no mapping does", "keep External Secrets for it", _AT)
    if (aws.auth or {}).get("secretRef") is not None:
        raise Refusal("it signs in with static keys", _STATIC_KEYS, (*_AT, "auth"))
    kind, name = title.split(" ", maxsplit=1)[0], manifest.name or ""
    policy = aws.session_tags_policy if aws.role else None
    own = {key: value for key, value in (aws.custom_session_tags or {}).items() if key and value and policy == "Custom"}
    return Store(
        title,
        SERVICES[aws.service],
        aws.region,
        _list_roles(aws),
        aws.prefix or "",
        own | {"esoStoreName": name, "esoStoreKind": kind},
        policy in ("Simple", "Custom"),
        spec.conditions or () if kind == "ClusterSecretStore" else (),
        list(_list_notes(title, spec, aws)),
    )


def _list_roles(aws: Aws) -> list[dict[str, Any]]:
    """Return the chain of roles; the external id and the session tags are for the last one alone, `role`."""
    roles: list[dict[str, Any]] = [{"arn": arn} for arn in aws.additional_roles or ()]
    if aws.role:
        last: dict[str, Any] = {"arn": aws.role}
        if aws.external_id:
            last["externalId"] = aws.external_id
        if aws.session_tags and aws.session_tags_policy not in ("Simple", "Custom"):
            last["sessionTags"] = {tag.key: tag.value for tag in aws.session_tags}
        roles.append(last)
    return roles


def _list_notes(title: str, spec: StoreSpec, aws: Aws) -> list[str]:
    notes = []
    if aws.role and aws.transitive_tag_keys:
        notes.append(f"{title} makes session tags transitive; here they are not, which a trust policy can ask for.")
    if spec.controller not in (None, "", "default"):
        notes.append(f"{title} is for operators of the class {spec.controller} alone; the mapping is for all clusters.")
    return notes


def refuse_version(manifest: Manifest) -> None:
    """Refuse an object of a version of the API that is not known.

    Raises:
        Refusal: it is.
    """
    version = manifest.version or ""
    if version not in ("v1", "v1beta1"):
        remedy = _OLD if version == "v1alpha1" else "v1 and v1beta1 are known: write it as external-secrets.io/v1"
        raise Refusal(f"{manifest} is of {EXTERNAL_SECRETS}/{version}", remedy, ("apiVersion",))

"""Check before a write that a Secret can hold the desired content: size, type, required keys, age, immutability."""

from collections.abc import Iterable, Mapping

from keyferry import secret_types
from keyferry.delivery.desired import Desired
from keyferry.delivery.observed import REVISION, Observed
from keyferry.errors import NotAllowed, Outdated, Refused, SourceUnavailable, in_part
from keyferry.model import SecretValue, split_version

MAX_DATA_BYTES = 1024 * 1024
"""The size of the data of a Secret, decoded (`MaxSecretSize` of Kubernetes)."""


def check_limits(desired: Desired, observed: Observed | None) -> None:
    """Check that a Secret can hold the desired content.

    Args:
        desired: the desired state.
        observed: the Secret; None if it is missing.

    Raises:
        Refused: the content is too large, the Secret has another type, or a required key is missing.
        NotAllowed: the policy does not allow the type that the Secret has.
        Outdated: the Secret has a newer value than the failover region that served the source.
        SourceUnavailable: the Secret would lose a key because a `find` selects less than before, or because no version
            has the label of a source any more.
    """
    data = predict_data(desired, observed)
    _check_size(desired, data)
    if observed is not None:
        _check_lost_keys(desired, observed)
        _check_lost_labels(desired, observed, data)
        _check_age(desired, observed)
    with in_part("secret.type"):
        if observed is not None:
            _check_type(desired, observed)
        _check_required_keys(desired, observed, data)


def _check_size(desired: Desired, data: Mapping[str, SecretValue]) -> None:
    size = sum(map(len, data.values()))
    if size > MAX_DATA_BYTES:
        raise Refused(
            f"Secret {desired.name} would hold {size:,} bytes;"
            f" Kubernetes allows {MAX_DATA_BYTES:,}: map fewer keys, or split them over two mappings"
        )


def _check_lost_keys(desired: Desired, observed: Observed) -> None:
    """Check that no key is removed because a `find` selects less than before, unless the mapping allows that.

    It can select less by mistake: the list that AWS returns can be some minutes old, or somebody has removed a tag.
    """
    spec, managers = desired.mapping.spec, desired.managers
    if spec.policies.deletion != "retain" or observed.annotations.get(REVISION) != desired.revision:
        return
    versions = observed.get_journal_versions()
    lost_keys = observed.keys_owned_by(*managers) - desired.data.keys()
    for alias, source in spec.sources.items():
        if lost_keys and source.find and versions.get(alias) != desired.versions[alias]:
            names = ", ".join(sorted(lost_keys))
            with in_part(f"sources.{alias}"):
                raise SourceUnavailable(
                    f"source {alias} no longer finds what {names} was made of: Secret {desired.name} is left as it is"
                    " (policies.deletion: retain); set merge there to let such keys go, or restore the source"
                )


def _check_lost_labels(desired: Desired, observed: Observed, data: Mapping[str, SecretValue]) -> None:
    """Check that no key goes, or falls back to its default, because its source, or its label, is not there any more.

    What is not found takes nothing away: somebody may be about to move the label, or has misspelt it in the mapping.
    A key that was never made of that source may be left out.
    """
    if desired.kept_journal is not None:  # the Secret stays as it is
        return
    is_ours = observed.is_written_by(desired.mapping)
    versions = observed.get_journal_versions() if is_ours else {}
    own_keys = observed.keys_owned_by(*desired.managers) | (observed.get_journal_keys() if is_ours else frozenset())
    changed_keys = {key for key in own_keys & observed.data.keys() if data.get(key) != observed.data[key]}
    retains = desired.mapping.spec.policies.deletion == "retain"
    for alias, version in desired.versions.items():
        lost_keys = _select_keys(desired, alias, changed_keys)
        may_go = not retains and (data or desired.mapping.spec.sources[alias].optional)
        if version == "" and versions.get(alias) != "" and lost_keys and not may_go:
            with in_part(f"sources.{alias}"):
                raise SourceUnavailable(_describe_lost_label(desired, alias, lost_keys, retains=retains))


def _select_keys(desired: Desired, alias: str, keys: Iterable[str]) -> list[str]:
    """Return those of some keys that entries of the mapping make of a source."""
    data = desired.mapping.spec.secret.data
    paths = {path for path, entry in desired.mapping.spec.secret.entries if entry.source == alias}
    fills_others = any(not path.startswith("data.") for path in paths) or any(
        part.source == alias for _, part in desired.mapping.spec.secret.selections
    )
    fills_variable = any(path.startswith("variables.") for path in paths)
    own = {key for key in data if f"data.{key}" in paths or (fills_variable and data[key].template is not None)}
    return sorted(key for key in keys if (key in own if key in data else fills_others))


def _describe_lost_label(desired: Desired, alias: str, keys: list[str], *, retains: bool) -> str:
    why = "policies.deletion: retain" if retains else "no Secret is left without keys"
    source = desired.mapping.spec.sources[alias]
    what, remedy = (
        f"no version has the label {source.label}",
        "put the label on a version, or correct it in the mapping",
    )
    if source.optional:
        what, remedy = "it is missing", "restore it"
    return (
        f"source {alias}: {what}, and Secret {desired.name} has {', '.join(keys)} already: it is left as it is ({why});"
        f" {remedy}" + ("; or set merge there to let such keys go" if retains else "")
    )


def _check_required_keys(desired: Desired, observed: Observed | None, data: Mapping[str, SecretValue]) -> None:
    secret_type = desired.get_type(observed)
    missing_keys = secret_types.describe_missing_keys(secret_type, data)
    if missing_keys:
        raise Refused(
            f"Secret {desired.mapping.spec.secret.name} would lack {missing_keys}, and type {secret_type} needs it:"
            " map it, or give the Secret another type"
        )


def _check_age(desired: Desired, observed: Observed) -> None:
    """Check that no failover region serves a value that is older than the one in the Secret.

    Versions can be compared by their dates alone. Only failover regions are checked: if the first region serves an
    older version, somebody has gone back to it.
    """
    is_ours = observed.is_written_by(desired.mapping)
    journal_versions = observed.get_journal_versions() if is_ours else {}
    for alias, region in desired.served.items():
        new_id, new_date = split_version(desired.versions[alias])
        old_id, old_date = split_version(journal_versions.get(alias, ""))
        # A version of a secret has the same id in all regions; versions of parameters are numbered in each region.
        is_same = new_id == old_id and desired.mapping.spec.sources[alias].store.SAME_VERSIONS_IN_REPLICAS
        if alias in journal_versions and not is_same and not (old_date and old_date <= new_date):
            with in_part(f"sources.{alias}"):
                raise Outdated(
                    f"source {alias}: region {region}, which serves in place of the first one, has a version of"
                    f" {new_date}, and Secret {desired.name} holds one of {old_date or 'an unknown date'}: it is left"
                    " as it was until the first region answers, or the other one has caught up"
                )


def _check_type(desired: Desired, observed: Observed) -> None:
    secret_type = desired.get_type(observed)
    if observed.type != secret_type:
        raise Refused(
            f"Secret {desired.name} has type {observed.type}, and a Secret's type never changes: delete it (the next"
            f" delivery creates it again as {secret_type}), or say type: {observed.type} in the mapping"
        )
    if secret_type in secret_types.NEVER_WRITTEN:
        raise Refused(
            f"Secret {desired.name} has type {secret_type}, which is the cluster's own and is never written: let the"
            " mapping add to another one"
        )
    if not desired.verdict.allows_type(secret_type):
        raise NotAllowed(
            f"Secret {desired.name} has type {secret_type}, and the policy allows the mapping"
            f" {', '.join(desired.verdict.allowed_types)}: let it add to another one, or have policy.yaml allow the"
            " type (types) and deploy the mappings"
        )


@in_part("secret.immutable")
def check_mutable(desired: Desired, observed: Observed) -> None:
    """Check that the data of a Secret can be changed, if it has to be.

    Raises:
        Refused: the Secret is immutable, and its data would change.
    """
    if observed.immutable and predict_data(desired, observed) != observed.data:
        raise Refused(
            f"Secret {desired.name} is immutable and holds other content:"
            " delete it (the next delivery creates it again), or map to another name"
        )


def predict_data(desired: Desired, observed: Observed | None) -> Mapping[str, SecretValue]:
    """Return the data that the Secret will have after the delivery.

    Keys of others stay, unless the mapping wants the Secret for itself (`keys: exclusive`). Our keys that are no longer
    desired are removed, unless somebody else owns them too.
    """
    if observed is None:
        return desired.data
    if desired.mapping.spec.policies.keys == "exclusive":
        return desired.data
    keys_of_others = {key for other in observed.fields_of_other_managers(*desired.managers) for key in other.keys}
    removed = observed.keys_owned_by(*desired.managers) - keys_of_others
    return {key: value for key, value in observed.data.items() if key not in removed} | dict(desired.data)

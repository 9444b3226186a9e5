"""What a Secret can take: how much data, which type with which keys, no older version, no change where immutable."""

from collections.abc import Mapping

from keyferry import secret_types
from keyferry.delivery.desired import Desired
from keyferry.delivery.observed import REVISION, Observed
from keyferry.errors import Outdated, Refused, SourceUnavailable
from keyferry.model import SecretValue, split_version

MAX_DATA_BYTES = 1024 * 1024
"""What a Secret may hold, decoded (`MaxSecretSize` of Kubernetes)."""


def check(desired: Desired, observed: Observed | None) -> None:
    """Check that the Secret can become what is desired.

    Raises:
        Refused: it cannot: the text says why, and what would help.
        Outdated: it holds what is newer.
        SourceUnavailable: it would lose what a source no longer finds.
    """
    data = data_after(desired, observed)
    _check_size(desired, data)
    if observed is not None:
        _check_found(desired, observed)
        _check_age(desired, observed)
        _check_type(desired, observed)
    _check_keys(desired, observed, data)


def _check_size(desired: Desired, data: Mapping[str, SecretValue]) -> None:
    size = sum(map(len, data.values()))
    if size > MAX_DATA_BYTES:
        raise Refused(
            f"Secret {desired.name} would hold {size:,} bytes;"
            f" Kubernetes allows {MAX_DATA_BYTES:,}: map fewer keys, or split them over two mappings"
        )


def _check_found(desired: Desired, observed: Observed) -> None:
    """Refuse to remove keys because a source finds less than before: a listing can be behind, and a tag taken off."""
    spec, managers = desired.mapping.spec, desired.managers
    if spec.policies.deletion != "retain" or observed.annotations.get(REVISION) != desired.revision:
        return
    held, lost = observed.versions_in_journal(), observed.keys_owned_by(*managers) - desired.data.keys()
    for alias, source in spec.sources.items():
        if lost and source.find and held.get(alias) != desired.versions[alias]:
            raise SourceUnavailable(
                f"source {alias} no longer finds what {', '.join(sorted(lost))} was made of: Secret {desired.name} is"
                " left as it is (policies.deletion: retain); set merge there to let such keys go, or restore the source"
            )


def _check_keys(desired: Desired, observed: Observed | None, data: Mapping[str, SecretValue]) -> None:
    kind = desired.type(observed)
    lacking = secret_types.describe_missing_keys(kind, data)
    if lacking:
        raise Refused(
            f"Secret {desired.mapping.spec.secret.name} would lack {lacking}, and type {kind} needs it:"
            " map it, or give the Secret another type"
        )


def _check_age(desired: Desired, observed: Observed) -> None:
    """Refuse what a region served in place of the first one, unless the Secret is known to hold nothing newer.

    Versions have no order but their dates. Where the first region goes back, it was told to.
    """
    held = observed.versions_in_journal() if observed.written_by(*desired.mapping.names) else {}
    for alias, region in desired.served.items():
        (there, made), (here, before) = split_version(desired.versions[alias]), split_version(held.get(alias, ""))
        # Replicas of a secret share the ids of its versions; parameters are numbered in each region.
        same = there == here and desired.mapping.spec.sources[alias].store.SAME_VERSIONS_IN_REPLICAS
        if alias in held and not same and not (before and before <= made):
            raise Outdated(
                f"source {alias}: region {region}, which serves in place of the first one, has a version of {made}, and"
                f" Secret {desired.mapping.spec.secret.name} holds one of {before or 'an unknown date'}: it is left as"
                " it was until the first region answers, or the other one has caught up"
            )


def _check_type(desired: Desired, observed: Observed) -> None:
    wanted = desired.type(observed)
    if observed.type != wanted:
        raise Refused(
            f"Secret {desired.name} has type {observed.type}, and a Secret's type never changes:"
            f" delete it (the next delivery makes it anew as {wanted}), or say type: {observed.type} in the mapping"
        )


def check_mutable(desired: Desired, observed: Observed) -> None:
    """Check that the data of a Secret can change where they have to.

    Raises:
        Refused: the Secret is immutable.
    """
    if observed.immutable and data_after(desired, observed) != observed.data:
        raise Refused(
            f"Secret {desired.name} is immutable and holds other content:"
            " delete it (the next delivery makes it anew), or map to another name"
        )


def data_after(desired: Desired, observed: Observed | None) -> Mapping[str, SecretValue]:
    """Return the data that the Secret will have: what an apply leaves out it removes, unless others own it too."""
    if observed is None:
        return desired.data
    if desired.mapping.spec.policies.keys == "exclusive":
        return desired.data
    others = {key for owner in observed.owners_beside(*desired.managers) for key in owner.keys}
    removed = observed.keys_owned_by(*desired.managers) - others
    return {key: value for key, value in observed.data.items() if key not in removed} | dict(desired.data)

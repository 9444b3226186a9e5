"""`spec.target` and what goes with it: the Secret with its policies, labels and annotations."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from keyferry.cli.migrate.external_secrets.draft import Draft
from keyferry.cli.migrate.external_secrets.fields import ExternalSecretSpec, Target
from keyferry.cli.migrate.model import LAST_APPLIED, OPERATORS_OWN
from keyferry.delivery.ownership import MARKERS
from keyferry.model import MANAGED_BY, PREFIX
from keyferry.secret_types import WITH_CONTENT

_DURATION = re.compile(r"[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)\Z")
_WEBHOOK = "External Secrets refuses it: correct it"
_COMBINATIONS = {("Merge", "Delete"), ("CreateOrMerge", "Delete"), ("None", "Delete"), ("None", "Merge")}
"""Policies of creation and deletion that are refused together."""


def convert_metadata(noun: str, given: Mapping[str, Any], draft: Draft) -> Iterator[tuple[str, Any]]:
    """Yield the labels or annotations that the Secret gets, without those that say whose an object is.

    Args:
        noun: `label` or `annotation`.
        given: those that the operator copies or makes.
        draft: is told of those that are left out.
    """
    marks = {marker.key for marker in MARKERS if marker.noun == noun and marker.value is None} | {MANAGED_BY}
    for key, text in given.items():
        if key in marks:
            draft.note(f"The {noun} {key} says whose an object is, and is not copied to the Secret.")
        elif key == LAST_APPLIED or key.startswith((OPERATORS_OWN, f"{PREFIX}/")):
            continue
        else:
            yield key, text


def convert_policies(spec: ExternalSecretSpec, draft: Draft) -> dict[str, str]:
    """Return the policies of the mapping.

    Owner and Orphan have the Secret for themselves: the operator takes the keys of others out of it
    (ApplyTemplate: it begins with no data).
    """
    target = spec.target or Target()
    creation = target.creation_policy or "Owner"
    if target.manifest is not None:
        kind = target.manifest.get("kind", "object")
        draft.refuse(f"the target is a {kind}", "keep External Secrets for it: a mapping makes Secrets", "target")
    check_combination(target, draft)
    policies: dict[str, str] = {}
    if _writes_once(spec, target, draft):
        if creation in ("Merge", "CreateOrMerge"):
            what = f"creationPolicy {creation} with a Secret that is written once has no equivalent"
            draft.refuse(what, "take immutable, refreshPolicy or refreshInterval out first", "target", "creationPolicy")
        draft.note(
            "The Secret is written once: one that is there stays as it is, whoever made or edits it. External Secrets"
            " writes at its first look, and makes it anew when somebody else has edited it."
            if not target.immutable
            else "The Secret is written once: one that is there stays as it is, and is not made immutable."
        )
        return {"creation": "createOnce"}
    if creation in ("Owner", "Orphan"):
        policies["keys"] = "exclusive"
    elif creation == "Merge":
        policies |= {"creation": "merge", "conflict": "takeOver"}
    else:
        policies |= {"conflict": "takeOver"}
    return policies | _convert_deletion(target, creation, draft)


def check_combination(target: Target, draft: Draft) -> None:
    """Refuse what the operator's webhook refuses (externalsecret_validator.go)."""
    creation, deletion = target.creation_policy, target.deletion_policy
    if (creation, deletion) in _COMBINATIONS:
        draft.refuse(f"deletionPolicy {deletion} with creationPolicy {creation}", _WEBHOOK, "target", "deletionPolicy")


def _writes_once(spec: ExternalSecretSpec, target: Target, draft: Draft) -> bool:
    """Return whether the operator leaves a Secret that it has made as it is (shouldRefresh, and `immutable`)."""
    interval = spec.refresh_interval if spec.refresh_interval is not None else "1h"
    if not _DURATION.fullmatch(interval):
        what = f"refreshInterval {interval} is no duration of Go"
        draft.refuse(what, "write it as 1h30m, or 0s: the operator cannot read the manifest", "refreshInterval")
    if spec.sync_windows is not None:
        draft.note("Changes are delivered when they happen: there are no sync windows.")
    is_zero = not re.search("[1-9]", interval) or interval.startswith("-")
    if spec.refresh_policy == "OnChange":
        draft.note("refreshPolicy OnChange: a change of the mapping does not change the Secret; delete it for that.")
    if spec.refresh_policy in ("CreatedOnce", "OnChange"):
        return True
    return is_zero or bool(target.immutable)


def _convert_deletion(target: Target, creation: str, draft: Draft) -> dict[str, str]:
    """Return the policy of deletion. The operator deletes no Secret that it does not own, and fails."""
    policy = target.deletion_policy or "Retain"
    if policy == "Delete" and creation != "Owner":
        draft.note(
            "deletionPolicy Delete: what is missing from the beginning is left out; what goes later stays in the"
            " Secret, and the delivery fails. External Secrets takes it out as long as something is left."
        )
        return {}
    return {} if policy == "Retain" else {"deletion": policy.lower()}


def build_secret(name: str, spec: ExternalSecretSpec) -> dict[str, Any]:
    """Return the beginning of a Secret: its name, type and whether it is immutable."""
    target = spec.target or Target()
    secret: dict[str, Any] = {"name": target.name or name}
    if target.template and target.template.type:
        secret["type"] = target.template.type
        if target.template.type in WITH_CONTENT:
            secret["checkContent"] = False
    if target.immutable:
        secret["immutable"] = True
    return secret

"""How originals change: by us, or by a person where a manifest is kept: Git, a chart, an object that makes it."""

from collections.abc import Mapping
from typing import Any

import yaml

from keyferry.cli.migrate.handover.originals import PARENT, Original
from keyferry.cli.migrate.handover.steps import DeleteOriginal, PatchOriginal, Step, Wait
from keyferry.delivery.apply import Object


def set_policies(original: Original, policies: Mapping[str, str], when: str = "") -> Step:
    """Return how an ExternalSecret gets other policies; `when` goes on with the sentence, as ` again`."""
    what = f"set {original} to {' and '.join(policies.values())}{when}"
    if original.keeper:
        return Wait(f"{original.keeper} has {what}", _describe_policies(original, policies))
    return PatchOriginal(what, original, {"spec": {"target": dict(policies)}})


def _describe_policies(original: Original, policies: Mapping[str, str]) -> str:
    spec: Object = {"target": dict(policies)}
    if original.keeper.startswith(f"{PARENT}/"):
        spec = {"externalSecretSpec": spec}
    return f"{original.keeping}. Change it there, and apply that:\n{indent({'spec': spec})}"


def remove(original: Original, *, is_recorded: bool) -> Step:
    """Return how an ExternalSecret goes: by us, or by a person where it is kept elsewhere, or nowhere.

    Args:
        original: the ExternalSecret.
        is_recorded: whether its Secret keeps its manifest by then.
    """
    if original.keeper:
        return Wait(f"{original.keeper} has {original} removed", _describe_removal(original))
    if not is_recorded:
        return Wait(f"you have removed {original}", _describe_large(original))
    return DeleteOriginal(f"remove {original}", original)


def _describe_removal(original: Original) -> str:
    told = f"{original.keeping}. Now its Secret stays without it: take it out there, and apply that."
    if original.keeper.startswith(f"{PARENT}/"):
        return f"{told} Its ExternalSecrets in other namespaces go with it: first wait until this is said of each."
    return told


def _describe_large(original: Original) -> str:
    return (
        f"{_describe_no_room(original)}. Keep it yourself, and remove it: now its Secret stays without it."
        f" kubectl --namespace {original.namespace} get {original.resource.full_name} {original.name} --output yaml"
        f" > {original.name}.yaml, then kubectl delete --filename {original.name}.yaml"
    )


def _describe_no_room(original: Original) -> str:
    return f"{original} is too large to be kept in annotations, so --back cannot make it again from these"


def describe_objects(original: Original, secret: str) -> str:
    """Return the change that lets a SecretProviderClass make a Secret no more."""
    why = original.keeping if original.keeper else _describe_no_room(original)
    return (
        f"{why}. Take the entry with secretName: {secret} out of spec.secretObjects there, and apply that. Its other"
        " fields stay, as pods mount it."
    )


def describe_return(manifest: Mapping[str, Any], keeper: str) -> str:
    """Return the change that puts an original back."""
    metadata = manifest["metadata"]
    return (
        f"{keeper} kept {manifest['kind']} {metadata['namespace']}/{metadata['name']}. Put it back there, and apply"
        f" that:\n{indent(manifest)}"
    )


def indent(value: Mapping[str, Any]) -> str:
    """Return YAML as it stands below a sentence."""
    text = yaml.safe_dump(dict(value), sort_keys=False, default_flow_style=False)
    return "\n".join(f"    {line}" for line in text.rstrip().split("\n"))

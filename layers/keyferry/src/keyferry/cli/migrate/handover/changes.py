"""How originals change: by us, or by a person where a manifest is kept: Git, a chart, an object that makes it."""

from collections.abc import Mapping
from typing import Any

import yaml

from keyferry.cli.migrate.handover.keepers import find_keeper
from keyferry.cli.migrate.handover.originals import Original
from keyferry.cli.migrate.handover.steps import PatchOriginal, Step, Wait
from keyferry.delivery.apply import Object


def set_policies(original: Original, policies: Mapping[str, str], when: str = "") -> Step:
    """Return how an ExternalSecret gets other policies; `when` goes on with the sentence, as ` again`."""
    what, keeper = f"set {original} to {' and '.join(policies.values())}{when}", find_keeper(original.metadata)
    if keeper:
        return Wait(f"{keeper} has {what}", _describe_policies(original, keeper, policies))
    return PatchOriginal(what, original, {"spec": {"target": dict(policies)}})


def _describe_policies(original: Original, keeper: str, policies: Mapping[str, str]) -> str:
    spec: Object = {"target": dict(policies)}
    if keeper.startswith("ClusterExternalSecret/"):
        spec = {"externalSecretSpec": spec}
    return f"{keeper} keeps {original}. Change it there, and apply that:\n{indent({'spec': spec})}"


def describe_removal(original: Original, keeper: str) -> str:
    """Return the change that removes an ExternalSecret."""
    told = f"{keeper} keeps {original}. Now its Secret stays without it: take it out there, and apply that."
    if keeper.startswith("ClusterExternalSecret/"):
        return f"{told} Its ExternalSecrets in other namespaces go with it: first wait until this is said of each."
    return told


def describe_objects(original: Original, keeper: str, secret: str) -> str:
    """Return the change that lets a SecretProviderClass make a Secret no more."""
    return (
        f"{keeper} keeps {original}. Take the entry with secretName: {secret} out of spec.secretObjects there, and"
        " apply that. Its other fields stay, as pods mount it."
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

"""The processor of each function, and of the layers that it has: a layer for the other one does not load."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from keyferry.aws.errors import translate_errors
from keyferry.cli.doctor.finding import Check, Finding
from keyferry.cli.doctor.stack.functions import read_configuration
from keyferry.cli.doctor.stack.settings import FUNCTIONS, Settings
from keyferry.cli.doctor.subject import Subject


def list_checks(subject: Subject) -> list[Check]:
    """Return a check for each function."""
    return [Check("processor", each.name, partial(check_processor, subject, each)) for each in FUNCTIONS]


def check_processor(subject: Subject, settings: Settings) -> Iterator[Finding]:
    """Yield whether the layers of a function are for its processor, and this is the one that the stack asks for."""
    found = read_configuration(subject, settings)
    if found is None:
        return  # said by `check_settings`
    (own,) = found.get("Architectures", ["x86_64"])
    wanted = subject.stack.parameters.get("Architecture", own)
    if own != wanted:
        why = f"it runs on {own}, and the stack is for {wanted}"
        yield Finding("processor", "error", settings.name, why, subject.format_restore())
        return
    for layer in found.get("Layers", ()):
        compatible = _read_architectures(subject, layer["Arn"])
        if compatible and own not in compatible:
            why = f"it runs on {own}, and its layer {_name(layer['Arn'])} is for {', '.join(compatible)}"
            build = f"build for Architecture={own} in samconfig.toml"
            yield Finding("processor", "error", settings.name, f"{why}: {build}", subject.call.deploy)
            return
    yield Finding("processor", "ok", settings.name, own)


def _read_architectures(subject: Subject, arn: str) -> list[str]:
    """Return the processors that a version of a layer is for; empty where it does not say.

    The version itself is not asked for, since that hands out its code.
    """
    layer, _, _version = arn.rpartition(":")
    with translate_errors(f"lambda:ListLayerVersions on {_name(arn)}"):
        pages = subject.client("lambda").get_paginator("list_layer_versions").paginate(LayerName=layer)
        versions = (version for page in pages for version in page["LayerVersions"])
        described: Mapping[str, Any] = next((each for each in versions if each["LayerVersionArn"] == arn), {})
    architectures: list[str] = described.get("CompatibleArchitectures", [])
    return architectures


def _name(arn: str) -> str:
    return ":".join(arn.split(":")[-2:])

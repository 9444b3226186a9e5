"""Puts together the mapping of one Secret of a SecretProviderClass, and what is otherwise with it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from keyferry.cli.migrate.model import Conversion, Estate, Manifest, Refusal, Refusals
from keyferry.cli.migrate.provider_class.descriptors import File, Parameters, list_overwritten
from keyferry.cli.migrate.provider_class.objects import Entry, refuse
from keyferry.cli.migrate.provider_class.secret_objects import Secret, build_entry
from keyferry.cli.migrate.provider_class.sources import build_source, name_sources
from keyferry.cli.migrate.reloader import decide_restart
from keyferry.mapping.mapping import SecretMapping

_NO_KEY = re.compile(r"[^-._a-zA-Z0-9]")
"""What names of files may have, and keys not."""


@dataclass(frozen=True)
class Class:
    """A SecretProviderClass that was read and checked."""

    manifest: Manifest
    estate: Estate
    namespace: str
    entries: Sequence[Entry]
    """Its objects."""
    parameters: Parameters
    files: Sequence[File]
    """The files that the provider writes."""


def list_rest(read: Class, secrets: Sequence[Secret]) -> list[File]:
    """Return the files of a class that are in none of some Secrets; not an object of which a part is."""
    used = {file.name for secret in secrets for file in secret.files}
    lines = {file.entry.line for secret in secrets for file in secret.files}
    return [file for file in read.files if file.name not in used and (file.path or file.entry.line not in lines)]


def watch_rest(read: Class, secret: Secret) -> None:
    """Let a mapping fail where the provider does: any object of the class is missing, or a path finds no text.

    Args:
        read: the class.
        secret: the Secret, which gets a variable for each file that is not in it.
    """
    rest, aliases = list_rest(read, [secret]), name_sources(read.entries)
    if not rest:
        return
    entries = {_NO_KEY.sub("_", file.name): build_entry(file, aliases) for file in rest}
    name, data = secret.spec.pop("name"), secret.spec.pop("data")
    variables = secret.spec.pop("variables", {"data": {}})["data"]
    secret.spec = {"name": name, **secret.spec, "variables": {"data": entries | variables}, "data": data}
    secret.files.extend(rest)
    told = f"Pods mount nothing, and so get no Secret, where one of these cannot be read: {', '.join(entries)}."
    secret.comments.append((("spec", "secret", "variables"), told))


def build_conversion(read: Class, secret: Secret, rest: Sequence[File]) -> Conversion:
    """Return the mapping of a Secret.

    Args:
        read: the class.
        secret: the Secret.
        rest: the files that are in no Secret.

    Raises:
        Refusals: the mapping language does not take it.
    """
    aliases = name_sources(read.entries)
    used = {file.entry.line: file.entry for file in secret.files}
    options = read.estate.options
    name, annotations = secret.spec["name"], secret.spec.get("annotations", {})
    restart, differences = decide_restart(read.namespace, name, read.estate, annotations, provider_class=read.manifest)
    spec: dict[str, Any] = {
        "sources": {aliases[line]: build_source(entry, read.parameters) for line, entry in used.items()},
        "clusters": list(options.clusters),
        "namespaces": [read.namespace],
        "secret": secret.spec,
        **({} if restart == "auto" else {"restart": restart}),
        "policies": {"keys": "exclusive"},  # the driver writes the whole Secret anew
    }
    metadata = {"name": f"{read.namespace}-{name}"}
    mapping = {"apiVersion": "keyferry.dev/v1", "kind": "SecretMapping", "metadata": metadata, "spec": spec}
    _check(mapping, secret, {aliases[line]: entry for line, entry in used.items()})
    overwritten = _describe_overwritten(read, secret)
    notes = [
        *secret.notes,
        *overwritten,
        *_describe_mounts(read),
        *_describe_rest(rest),
        *_describe_failover(read.parameters),
        *differences,
    ]
    return Conversion(read.manifest, mapping, notes, secret.comments)


def _check(mapping: Mapping[str, Any], secret: Secret, sources: Mapping[str, Entry]) -> None:
    try:
        SecretMapping.model_validate(mapping)
    except ValidationError as error:
        raise Refusals([_explain(each, secret, sources) for each in error.errors()]) from None


def _explain(error: Mapping[str, Any], secret: Secret, sources: Mapping[str, Entry]) -> Refusal:
    """Return the reason that a mapping cannot have something, at what it was made of."""
    where = error["loc"]
    message = str(error["msg"]).removeprefix("Value error, ")
    what = f"a mapping cannot have it ({'.'.join(map(str, where))}): {message}"
    entry = sources.get(str(where[2])) if where[:2] == ("spec", "sources") and len(where) > 2 else None
    if entry:
        return refuse(what, "correct the object", entry.line)
    return Refusal(what, "correct it, or write this mapping by hand", secret.path)


def _describe_overwritten(read: Class, secret: Secret) -> Iterator[str]:
    names = {file.name for file in secret.files}
    for name in dict.fromkeys(file.name for file in list_overwritten(read.files) if file.name in names):
        yield f"The file {name} is written twice, and the last one counts; the driver's rotation fails for it."


def _describe_mounts(read: Class) -> Iterator[str]:
    workloads = read.estate.workloads.get(read.namespace, ())
    if workloads and not any(read.manifest.name in workload.classes for workload in workloads):
        yield (
            "No workload that was read mounts the class: the driver writes the Secret only while a pod does, the"
            " mapping always."
        )


def _describe_rest(rest: Sequence[File]) -> Iterator[str]:
    if rest:
        what = "is a file of the pods and in no Secret" if len(rest) == 1 else "are files of the pods and in no Secret"
        names = ", ".join(file.name for file in rest)
        yield f"{names} {what}: add a key for what the pods read, and mount the Secret."


def _describe_failover(parameters: Parameters) -> Iterator[str]:
    if parameters.failover_region:
        yield (
            f"{parameters.failover_region} is asked only where the first region does not answer: what that region"
            " refuses is an error of the provider at once."
        )

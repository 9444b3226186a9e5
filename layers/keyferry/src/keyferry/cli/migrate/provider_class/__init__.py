"""Makes mappings of a SecretProviderClass of the AWS provider: one for each Secret that the driver writes."""

from collections import Counter
from collections.abc import Mapping, Sequence

from keyferry.cli.migrate.model import Conversion, Estate, Manifest, NoSecret, Options, Refusal, Refusals
from keyferry.cli.migrate.placeholders import check_placeholders
from keyferry.cli.migrate.provider_class import objects
from keyferry.cli.migrate.provider_class.descriptors import (
    IN_ORDER,
    File,
    Parameters,
    check_parameters,
    find_mixed_up,
    get_service,
    list_files,
    list_overwritten,
)
from keyferry.cli.migrate.provider_class.files import build_files, describe_volume
from keyferry.cli.migrate.provider_class.mapping import Class, build_conversion, list_rest, watch_rest
from keyferry.cli.migrate.provider_class.secret_objects import Secret, build_secret
from keyferry.cli.migrate.provider_class.sources import name_sources

_PARAMETERS = ("spec", "parameters")
_NAMES = ("region", "failoverRegion", "pathTranslation", "usePodIdentity")
"""The parameters beside `objects` that count."""


def convert(manifest: Manifest, estate: Estate) -> list[Conversion]:
    """Return the mappings of a SecretProviderClass.

    Raises:
        NoSecret: it gives pods files alone.
        Refusal: it is of another provider, or the provider would fail.
        Refusals: several of its Secrets cannot be made by a mapping.
    """
    read = _read(manifest, estate)
    raw = manifest.get("spec", "secretObjects")
    if raw is not None and not isinstance(raw, list):
        raise Refusal("secretObjects is no list", "write each with a dash", ("spec", "secretObjects"))
    secrets = _build_secrets(read, raw) if raw else [_build_files_alone(read)]
    _check_names(secrets)
    rest = list_rest(read, secrets)
    for secret in secrets:
        watch_rest(read, secret)
    return [build_conversion(read, secret, rest) for secret in secrets]


def _read(manifest: Manifest, estate: Estate) -> Class:
    provider = manifest.get("spec", "provider")
    if provider != "aws":
        what = f"the provider {provider} is not that of AWS" if provider else "no provider is named"
        remedy = "keep it: what is not in AWS is no matter of Keyferry" if provider else "write provider: aws"
        raise Refusal(what, remedy, ("spec", "provider"))
    for path in (("metadata",), ("spec", "secretObjects"), *((*_PARAMETERS, name) for name in _NAMES)):
        check_placeholders(manifest, path)
    namespace = estate.namespace_of(manifest)
    if not namespace:
        raise Refusal("no namespace is named", "say --namespace, or render it with one", ("metadata",))
    if manifest.name is None:
        raise Refusal("metadata.name is missing, or no text", "write the name", ("metadata",))
    given = _read_parameters(manifest)
    entries = objects.parse(given.get("objects", ""))
    if not entries:
        raise Refusal("it has no objects, and the provider writes nothing", "list them in objects", objects.PATH)
    parameters = _choose_parameters(given, estate.options)
    return Class(manifest, estate, namespace, entries, parameters, list_files(entries, parameters))


def _read_parameters(manifest: Manifest) -> Mapping[str, str]:
    raw = manifest.get(*_PARAMETERS)
    if not isinstance(raw, Mapping):
        raise Refusal("it has no parameters", "write objects into spec.parameters", ("spec",))
    for name, value in raw.items():
        if not isinstance(value, str):
            remedy = "write objects: | and the list below it" if name == "objects" else "put it in quotes"
            what = f"the parameter {name} is no text, and the cluster refuses it"
            raise Refusal(what, remedy, (*_PARAMETERS, name))
    refusal = check_parameters(raw)
    if refusal:
        raise refusal
    return raw


def _choose_parameters(given: Mapping[str, str], options: Options) -> Parameters:
    """Return the regions, and what becomes of slashes in names of files."""
    named = given.get("region") or options.region
    region = named or _get_node_region(options) or options.own_region
    failover = given.get("failoverRegion") or None
    if failover and failover == region:
        what = f"{region}: failover region cannot be the same as the primary region"
        raise Refusal(what, "correct failoverRegion, or take it out", (*_PARAMETERS, "failoverRegion"))
    translation = given.get("pathTranslation") or "_"
    differs = region != options.own_region and (named or options.own_region)
    return Parameters(
        region, failover, "" if translation.lower() == "false" else translation, region if differs else None
    )


def _get_node_region(options: Options) -> str | None:
    """Return the region of the nodes, in which the provider reads where a class names none; None if it is not known.

    Raises:
        Refusal: the clusters are in several regions, and so the class reads several secrets.
    """
    regions = set(options.cluster_regions.values())
    if len(regions) > 1:
        places = ", ".join(f"{name} in {region}" for name, region in options.cluster_regions.items())
        what = f"it names no region, so pods read in that of their cluster: {places}"
        raise Refusal(what, "migrate it for the clusters of one region at a time, or write region", _PARAMETERS)
    return next(iter(regions), None)


def _build_secrets(read: Class, raw: Sequence[object]) -> list[Secret]:
    files, aliases = _index_files(read), name_sources(read.entries)
    secrets, refusals = list[Secret](), list[Refusal]()
    for number, secret in enumerate(raw):
        try:
            secrets.append(build_secret(secret, ("spec", "secretObjects", number), files, aliases))
        except Refusal as refusal:
            refusals.append(refusal)
    if refusals:
        raise Refusals(refusals) if len(refusals) > 1 else refusals[0]
    return secrets


def _index_files(read: Class) -> Mapping[str, File]:
    """Return the files by their names.

    Raises:
        Refusal: which value a file holds is a matter of chance, or of the order of the provider's answers.
    """
    files = {file.name: file for file in read.files}
    for file in list_overwritten(read.files):
        other = files[file.name]
        is_ordered = file.entry is other.entry or {get_service(each.entry) for each in (file, other)} == {IN_ORDER}
        if not is_ordered:
            what = f"two objects write the file {file.name}, and the last one to arrive counts"
            raise objects.refuse(what, "give one of them an objectAlias", file.line)
    mixed = find_mixed_up(read.entries)
    if mixed:
        line, name = next(iter(mixed.items()))
        what = f"the parameter {name} is there twice, and the provider gives both values to the last one"
        raise objects.refuse(what, "take one of them out, or write it by its ARN", line)
    return files


def _build_files_alone(read: Class) -> Secret:
    if not read.estate.options.files:
        volume = describe_volume(str(read.manifest.name))
        raise NoSecret(
            "It has no secretObjects: pods get files of it, and no Secret. For the same files from a Secret, give"
            f" --files, which makes a mapping with them as keys; then {volume}."
        )
    return build_files(str(read.manifest.name), list(_index_files(read).values()), name_sources(read.entries))


def _check_names(secrets: Sequence[Secret]) -> None:
    names = Counter(secret.spec["name"] for secret in secrets)
    for number, secret in enumerate(secrets):
        if names[secret.spec["name"]] > 1:
            what = f"several secretObjects write the Secret {secret.spec['name']}, and the last one counts"
            raise Refusal(what, "leave one of them", ("spec", "secretObjects", number, "secretName"))

"""A mapping, the values of its sources and a place → what the Secret there should hold."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from keyferry import secret_types
from keyferry.errors import SourceUnusable
from keyferry.formats import jmespath, jsontext
from keyferry.formats.encodings import Decoding, decode
from keyferry.formats.fields import LabelValue
from keyferry.mapping.data import Entry, Registry, Tls
from keyferry.mapping.keys import rename
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.secret import DataFrom, Template
from keyferry.model import Place, SecretValue, SourceValue, split_version
from keyferry.render import contents

_LABEL = TypeAdapter[str](LabelValue)


@dataclass(frozen=True)
class Rendered:
    """What a mapping makes of the values of its sources, for one namespace."""

    data: Mapping[str, SecretValue]
    versions: Mapping[str, str]
    """Source → the version that was read."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    served: Mapping[str, str]
    """Source → the region that served it, where that is not its first one."""


def render(mapping: SecretMapping, sources: Mapping[str, SourceValue], place: Place) -> Rendered:
    """Return what the Secret should hold.

    Args:
        mapping: what to make.
        sources: the value of each of its sources, by alias.
        place: where it goes.

    Raises:
        SourceUnusable: a value from which a key cannot be made. The text names mapping, key and source, no value.
    """
    labels, annotations = metadata(mapping, place, sources)
    return Rendered(
        data=_data(mapping, _regardless_of_region(mapping, sources), place),
        versions={alias: source.version for alias, source in sorted(sources.items())},
        served={alias: source.served for alias, source in sorted(sources.items()) if source.served},
        labels=labels,
        annotations=annotations,
    )


def _regardless_of_region(mapping: SecretMapping, sources: Mapping[str, SourceValue]) -> dict[str, SourceValue]:
    """Return values whose versions, of which passwords have their salts, are the same in every region that serves them.

    A parameter's date is that of its write in one region.
    """
    declared = mapping.spec.sources
    return {
        alias: replace(value, version=split_version(value.version)[0]) if declared[alias].failover else value
        for alias, value in sources.items()
    }


def metadata(
    mapping: SecretMapping, place: Place, sources: Mapping[str, SourceValue]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the labels and annotations of a place. No value gets into them, since many people can read them: tags can.

    Args:
        mapping: what gives them.
        place: where they go.
        sources: what was read. A template over tags that were not is left out.

    Raises:
        SourceUnusable: a template fails, or makes what no label can be.
    """
    spec, tags = mapping.spec.secret, {alias for alias, each in mapping.spec.sources.items() if each.metadata}
    seen = {alias: sources[alias] for alias in tags & sources.keys()}
    hidden = tags - seen.keys()
    labels = _texts(spec.labels, seen, hidden, place, f"mapping {mapping.name}, label")
    for key, value in labels.items():
        try:
            _LABEL.validate_python(value)
        except ValidationError:
            raise SourceUnusable(
                f"mapping {mapping.name}, label {key}: the template makes what no label can be: 63 letters, digits,"
                " '-', '_' and '.' at most, beginning and ending with a letter or digit"
            ) from None
    return labels, _texts(spec.annotations, seen, hidden, place, f"mapping {mapping.name}, annotation")


def _texts(
    given: Mapping[str, str | Template], tags: Mapping[str, SourceValue], hidden: set[str], place: Place, where: str
) -> dict[str, str]:
    made = {}
    for key, text in given.items():
        if isinstance(text, str):
            made[key] = text
        elif not hidden & _names(text.template or "", f"{where} {key}").keys():
            made[key] = _fill(text.template or "", tags, place, f"{where} {key}")
    return made


def _data(mapping: SecretMapping, sources: Mapping[str, SourceValue], place: Place) -> dict[str, SecretValue]:
    made: dict[str, SecretValue] = {}
    secret, where = mapping.spec.secret, f"mapping {mapping.name}"
    for number, each in enumerate(secret.data_from, 1):
        made |= _many(each, sources[each.source], f"{where}, dataFrom {number}: source {each.source}")
    if secret.tls:
        made |= _tls(secret.tls, sources, place, f"{where}, tls")
    if secret.registries:
        made |= _registries(secret.registries, sources, place, f"{where}, registries")
    for key, entry in secret.data.items():
        found = _entry(entry, sources, place, f"{where}, key {key}")
        made.pop(key, None)
        if found is not None:
            made[key] = found
    contents.check(secret.type, made, where)
    return made


def _tls(tls: Tls, sources: Mapping[str, SourceValue], place: Place, where: str) -> dict[str, SecretValue]:
    # Imported here: it is large, and few mappings have certificates.
    from keyferry.render import certificates  # noqa: PLC0415

    parts = {name: _certain(entry, sources, place, f"{where}.{name}").reveal() for name, entry in tls.entries}
    password = parts.pop("password", None)
    bundle, at = certificates.Bundle(), where
    try:
        for name, content in parts.items():
            at = f"{where}.{name}"
            bundle += certificates.open_bundle(content, password)
        at = where
        return {key: SecretValue(content) for key, content in certificates.chain(bundle).data.items()}
    except certificates.UnusableCertificate as error:
        raise SourceUnusable(f"{at}: {error}") from None


def _registries(
    registries: Iterable[Registry], sources: Mapping[str, SourceValue], place: Place, where: str
) -> dict[str, SecretValue]:
    accounts: dict[str, dict[str, str]] = {}
    for each in registries:
        account = accounts[each.server] = {}
        for name, entry in each.entries:
            at = f"{where} ({each.server}), {name}"
            try:
                account[name] = _certain(entry, sources, place, at).reveal().decode()
            except UnicodeDecodeError:
                raise SourceUnusable(f"{at} is binary, and a sign-in is text") from None
        account |= {"email": each.email} if each.email else {}
    return {secret_types.DOCKER_CONFIG_JSON_KEY: SecretValue(contents.docker_config(accounts).encode())}


def _certain(entry: Entry, sources: Mapping[str, SourceValue], place: Place, where: str) -> SecretValue:
    """Return what an entry makes that is not optional."""
    return _entry(entry, sources, place, where) or SecretValue(b"")


def _entry(entry: Entry, sources: Mapping[str, SourceValue], place: Place, where: str) -> SecretValue | None:
    if entry.value is not None:
        return _encoded(entry.value, where)
    if entry.template is not None:
        return _encoded(_fill(entry.template, sources, place, where), where)
    source, where = sources[entry.source or ""], f"{where}: source {entry.source}"
    if entry.path is None:
        return _decoded(source.content, entry.decode, where)
    found = _search(entry.path, source, where)
    if found is not None:
        return _decoded(_text(found, where), entry.decode, where)
    if entry.default is None and not entry.optional:
        raise SourceUnusable(f"{where}: path {entry.path} finds nothing; look at the secret's keys, or change the path")
    return None if entry.default is None else _encoded(entry.default, where)


def _many(each: DataFrom, source: SourceValue, where: str) -> dict[str, SecretValue]:
    held = _members(each, source, where)
    try:
        renamed = dict(rename(held, each.keys, each.invalid_characters, lambda text, key: _key(text, key, where)))
    except ValueError as error:
        raise SourceUnusable(f"{where}: {error}") from None
    return {
        renamed[key]: _member(value, each, f"{where}, key {jsontext.escape_surrogates(key)}")
        for key, value in held.items()
    }


def _members(each: DataFrom, source: SourceValue, where: str) -> Mapping[str, object]:
    """Return what has a key each: the values of what was found, or the members of a JSON object."""
    if source.members is not None:
        return {name: value.content for name, value in source.members.items()}
    held = _document(source, where) if each.path is None else _search(each.path, source, where)
    if not isinstance(held, dict):
        what = f"path {each.path} finds" if each.path else "the value is"
        raise SourceUnusable(f"{where}: {what} no JSON object, whose keys could be taken")
    return held


def _key(template: str, key: str, where: str) -> str:
    from keyferry.render import templates  # noqa: PLC0415  # as in _names

    return templates.fill(template, {"key": key}, f"{where}, key {jsontext.escape_surrogates(key)}")


def _member(value: object, each: DataFrom, where: str) -> SecretValue:
    if value is None:
        raise SourceUnusable(f"{where} is null; give it a value, or name it in data with a default")
    found = value if isinstance(value, SecretValue) else _text(value, where)
    return _decoded(found, each.decode, where)


def _text(found: object, where: str) -> SecretValue:
    return _encoded(jsontext.to_text(found), where)


def _decoded(value: SecretValue, how: Decoding | None, where: str) -> SecretValue:
    try:
        return value if how is None else SecretValue(decode(value.reveal(), how))
    except ValueError as error:
        raise SourceUnusable(f"{where} is {error}, as decode says") from None


def _encoded(text: str, where: str) -> SecretValue:
    try:
        return SecretValue(text.encode())
    except UnicodeEncodeError:  # its text holds the value
        raise SourceUnusable(f"{where}: half a character (\\ud800 to \\udfff alone), which no text can hold") from None


def _search(path: str, source: SourceValue, where: str) -> object:
    """Return what a path finds; None where that is nothing, or null."""
    held = _document(source, where)
    try:
        found = jmespath.search(path, held)
        jsontext.to_text(found)
    except Exception as error:
        # The library's own texts can quote the value.
        raise SourceUnusable(f"{where}: path {path} does not fit the value ({type(error).__name__})") from None
    return found


def _document(source: SourceValue, where: str) -> Any:  # noqa: ANN401  # JSON is anything
    if source.binary:
        raise SourceUnusable(f"{where} is binary: use it whole, without a path")
    try:
        return jsontext.parse(source.content.reveal())
    except jsontext.DuplicateKeyError as error:
        raise _twice(error, where) from None
    except ValueError:
        raise SourceUnusable(f"{where} is not JSON: use it whole, without a path") from None


def _fill(template: str, sources: Mapping[str, SourceValue], place: Place, where: str) -> str:
    from keyferry.render import templates  # noqa: PLC0415  # as in _names

    used = _names(template, where).keys() & sources.keys()
    values = {alias: _in_scope(sources[alias], f"{where}: source {alias}") for alias in used}
    versions = {alias: sources[alias].version for alias in used}
    return templates.fill(template, values | asdict(place), where, {"where": where, "versions": versions})


def _names(template: str, where: str) -> Mapping[str, int]:
    # Imported here: a function that meets no template starts without Jinja.
    from keyferry.render import templates  # noqa: PLC0415

    try:
        return templates.names(template)
    except ValueError as error:
        raise SourceUnusable(f"{where}: {error}") from None


def _in_scope(source: SourceValue, where: str) -> object:
    """Return what a template sees: the document where the value is a JSON object, its text otherwise; all of a find.

    What is no text it sees as a value that some filters take, and that cannot be written.
    """
    if source.members is not None:
        return {name: _in_scope(value, f"{where}, {name}") for name, value in source.members.items()}
    try:
        found = None if source.binary else jsontext.parse(source.content.reveal())
    except jsontext.DuplicateKeyError as error:
        raise _twice(error, where) from None
    except ValueError:
        found = None  # a password can begin with a brace
    try:
        return found if isinstance(found, dict) else source.content.reveal().decode()
    except UnicodeDecodeError:
        return source.content


def _twice(error: jsontext.DuplicateKeyError, where: str) -> SourceUnusable:
    return SourceUnusable(f"{where} has the key {error} twice: take one of them out")

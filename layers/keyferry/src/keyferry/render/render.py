"""Render what a mapping's Secret holds in one namespace: its data, labels and annotations, from the sources' values."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial

from keyferry import secret_types
from keyferry.budget import MAX_METADATA_STEPS, Budget, OverBudget
from keyferry.errors import SourceUnusable, in_part
from keyferry.formats import jsontext
from keyferry.mapping.data import Entry, Registry, Tls
from keyferry.mapping.keys import rename
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.secret import DataFrom, Template
from keyferry.model import Place, SecretValue, SourceValue, split_version
from keyferry.render import contents, labels, values

type SourceValues = Mapping[str, SourceValue]
"""Alias of a source → its value."""


@dataclass(frozen=True)
class _Inputs:
    """What the content of one Secret is made from."""

    sources: SourceValues
    place: Place
    budget: Budget
    notes: list[str] = field(default_factory=list)
    """Notes for the report, which are added as the content is made."""


@dataclass(frozen=True)
class Rendered:
    """The content of a mapping's Secret in one namespace."""

    data: Mapping[str, SecretValue]
    versions: Mapping[str, str]
    """Alias of a source → the version that was read."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    served: Mapping[str, str]
    """Alias of a source → the failover region that served it, for those that the first region did not serve."""
    notes: tuple[str, ...] = ()
    """What the report says of how the data was made."""


def render(mapping: SecretMapping, sources: SourceValues, place: Place, budget: Budget | None = None) -> Rendered:
    """Return the content of a mapping's Secret in one namespace.

    Args:
        mapping: the mapping.
        sources: the values of all its sources.
        place: the cluster and namespace of the Secret.
        budget: what its data may take; by default that of one Secret.

    Raises:
        SourceUnusable: a key, label or annotation cannot be made from the values, or takes more than the budget of one
            Secret. The message names the mapping, the key and the source, and no value.
    """
    inputs = _Inputs(_drop_regional_dates(mapping, sources), place, budget or Budget())
    own_labels, annotations = render_metadata(mapping, place, sources)
    data = _render_data(mapping, inputs)
    return Rendered(
        data=data,
        notes=tuple(inputs.notes),
        versions={alias: source.version for alias, source in sorted(sources.items())},
        served={alias: source.served for alias, source in sorted(sources.items()) if source.served},
        labels=own_labels,
        annotations=annotations,
    )


def can_lack(mapping: SecretMapping, alias: str) -> bool:
    """Return whether the Secret can be made without a source: all that uses it is optional, or has a default."""
    secret = mapping.spec.secret
    entries = [entry for _, entry in secret.entries if entry.source == alias]
    if any(data_from.source == alias for data_from in secret.data_from):
        return False
    if any(alias in _list_variables(template, f"mapping {mapping.name}") for template in secret.templates):
        return False
    return all(entry.can_be_left_out for entry in entries)


def _drop_regional_dates(mapping: SecretMapping, sources: SourceValues) -> dict[str, SourceValue]:
    """Return the values of sources; those with failover regions get a version without a date.

    A parameter's version contains the date when it was written in its region. Salts of passwords are made from
    versions, and have to be the same whatever region serves a value.
    """
    specs = mapping.spec.sources
    return {
        alias: replace(value, version=split_version(value.version)[0]) if specs[alias].failover else value
        for alias, value in sources.items()
    }


def render_metadata(
    mapping: SecretMapping, place: Place, sources: SourceValues
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the labels and annotations that a mapping gives its Secret in one namespace.

    Many people can read labels and annotations, so their templates see the tags of sources (`metadata: tags`), but no
    values.

    Args:
        mapping: the mapping.
        place: the cluster and namespace of the Secret.
        sources: the values that were read, which may be none. A template that needs tags that are missing here is left
            out.

    Raises:
        SourceUnusable: a template fails, or its result is not a valid label.
    """
    spec = mapping.spec.secret
    tag_sources = {alias for alias, source in mapping.spec.sources.items() if source.metadata}
    tags = {alias: sources[alias] for alias in tag_sources & sources.keys()}
    unread = tag_sources - tags.keys()
    inputs = _Inputs(tags, place, Budget(MAX_METADATA_STEPS))
    rendered = _render_texts("label", spec.labels, inputs, unread, mapping.name)
    for key, value in rendered.items():
        with in_part(f"secret.labels.{key}"):
            labels.check(value, f"mapping {mapping.name}, label {key}")
    return rendered, _render_texts("annotation", spec.annotations, inputs, unread, mapping.name)


def _render_texts(
    noun: str, texts: Mapping[str, str | Template], inputs: _Inputs, unread: set[str], mapping: str
) -> dict[str, str]:
    """Return labels or annotations, without those whose templates use a source of `unread`."""
    rendered = {}
    for key, text in texts.items():
        where = f"mapping {mapping}, {noun} {key}"
        with in_part(f"secret.{noun}s.{key}"):
            if isinstance(text, str):
                rendered[key] = text
            elif not unread & _list_variables(text.template or "", where).keys():
                rendered[key] = _fill_template(text.template or "", inputs, where)
    return rendered


def _render_data(mapping: SecretMapping, inputs: _Inputs) -> dict[str, SecretValue]:
    data: dict[str, SecretValue] = {}
    secret, where = mapping.spec.secret, f"mapping {mapping.name}"
    for number, data_from in enumerate(secret.data_from, 1):
        beginning = f"{where}, dataFrom {number}: source {data_from.source}"
        with in_part(f"secret.dataFrom.{number - 1}"):
            data |= _render_data_from(data_from, secret.data.keys(), inputs, beginning)
    if secret.tls:
        with in_part("secret.tls"):
            data |= _render_tls(secret.tls, inputs, f"{where}, tls")
    if secret.registries:
        data |= _render_registries(secret.registries, inputs, f"{where}, registries")
    for key, entry in secret.data.items():
        with in_part(f"secret.data.{key}"):
            value = _render_entry(entry, inputs, f"{where}, key {key}")
        data.pop(key, None)
        if value is not None:
            data[key] = value
    with in_part("secret.type"):
        contents.check(secret.type, data, where)
    return data


def _render_tls(tls: Tls, inputs: _Inputs, where: str) -> dict[str, SecretValue]:
    # Imported here, since the library behind it is large and few mappings have certificates.
    from keyferry.render.pki.parts import join  # noqa: PLC0415

    parts: dict[str, bytes] = {}
    for name, entry in tls.entries:
        with in_part(f"secret.tls.{name}"):
            parts[name] = _render_required(entry, inputs, f"{where}.{name}").reveal()
    password = parts.pop("password", None)
    chain = join(parts, password, where)
    inputs.notes.extend(chain.notes)
    return {key: SecretValue(content) for key, content in chain.data.items()}


def _render_registries(registries: Iterable[Registry], inputs: _Inputs, where: str) -> dict[str, SecretValue]:
    accounts: dict[str, dict[str, str]] = {}
    for number, registry in enumerate(registries):
        account = accounts[registry.server] = {}
        for name, entry in registry.entries:
            with in_part(f"secret.registries.{number}.{name}"):
                account[name] = _render_sign_in(entry, inputs, f"{where} ({registry.server}), {name}")
        account |= {"email": registry.email} if registry.email else {}
    return {secret_types.DOCKER_CONFIG_JSON_KEY: SecretValue(contents.build_docker_config(accounts).encode())}


def _render_sign_in(entry: Entry, inputs: _Inputs, where: str) -> str:
    try:
        return _render_required(entry, inputs, where).reveal().decode()
    except UnicodeDecodeError:
        raise SourceUnusable(f"{where} is binary, and a sign-in is text") from None


def _render_required(entry: Entry, inputs: _Inputs, where: str) -> SecretValue:
    """Return the value of an entry that is not optional."""
    return _render_entry(entry, inputs, where) or SecretValue(b"")


def _render_entry(entry: Entry, inputs: _Inputs, where: str) -> SecretValue | None:
    """Return the value of an entry; None for an optional one whose path selects nothing."""
    if entry.value is not None:
        return values.encode_text(entry.value, where)
    if entry.template is not None:
        return values.encode_text(_fill_template(entry.template, inputs, where), where)
    source, where = inputs.sources[entry.source or ""], f"{where}: source {entry.source}"
    if source.is_missing:
        return None if entry.default is None else values.encode_text(entry.default, where)
    if entry.path is None:
        return values.decode_value(source.content, entry.decode, where)
    selected = values.search_path(entry.path, source, entry.source or "", where, inputs.budget)
    if selected is not None:
        return values.decode_part(selected, entry.decode, where)
    if entry.default is None and not entry.optional:
        reason = values.describe_nothing(entry.path, source, entry.source or "", inputs.budget)
        raise SourceUnusable(f"{where}: path {entry.path} finds nothing: {reason}")
    return None if entry.default is None else values.encode_text(entry.default, where)


def _render_data_from(
    data_from: DataFrom, named: Collection[str], inputs: _Inputs, where: str
) -> dict[str, SecretValue]:
    """Return the values of the keys of a source, without those that `data` names."""
    fill = partial(_fill_key_template, where, inputs.budget)
    try:
        members = _list_members(data_from, inputs.sources[data_from.source], where, inputs.budget)
        new_keys = dict(rename(members, data_from.keys, data_from.invalid_characters, fill, inputs.budget))
    except (ValueError, OverBudget) as error:
        raise SourceUnusable(f"{where}: {error}") from None
    return {
        new_keys[key]: _render_member(member, data_from, new_keys[key], _name_key(where, key))
        for key, member in members.items()
        if new_keys[key] not in named
    }


def _list_members(data_from: DataFrom, source: SourceValue, where: str, budget: Budget) -> Mapping[str, object]:
    """Return the values that get a key of their own: those of a `find`, or the fields of a JSON object."""
    if source.members is not None:
        return {name: value.content for name, value in source.members.items()}
    return values.list_members(data_from.path, source, data_from.source, where, budget)


def _render_member(member: object, data_from: DataFrom, key: str, where: str) -> SecretValue:
    if member is None:
        raise SourceUnusable(f"{where} is null; give it a value, or name {key} in data too: with default, or optional")
    if isinstance(member, SecretValue):
        return values.decode_value(member, data_from.decode, where)
    return values.decode_part(member, data_from.decode, where)


def _name_key(where: str, key: str) -> str:
    return f"{where}, key {jsontext.escape_surrogates(key)}"


def _fill_key_template(where: str, budget: Budget, template: str, key: str) -> str:
    from keyferry.render import templates  # noqa: PLC0415  # as in _list_variables

    return templates.fill(template, {"key": key}, _name_key(where, key), budget)


def _fill_template(template: str, inputs: _Inputs, where: str) -> str:
    """Return the text of a template over the values of sources, `cluster` and `namespace`."""
    from keyferry.render import templates  # noqa: PLC0415  # as in _list_variables

    sources, budget = inputs.sources, inputs.budget
    aliases = sorted(_list_variables(template, where).keys() & sources.keys())
    try:
        variables = {
            alias: values.get_template_value(sources[alias], f"{where}: source {alias}", budget) for alias in aliases
        }
    except OverBudget as error:
        raise SourceUnusable(f"{where}: {error}") from None
    versions = {alias: sources[alias].version for alias in aliases}
    origin = {"where": where, "versions": versions}
    return templates.fill(template, variables | asdict(inputs.place), where, budget, origin)


def _list_variables(template: str, where: str) -> Mapping[str, int]:
    # Imported here, so that a function that meets no template starts without Jinja.
    from keyferry.render import templates  # noqa: PLC0415

    try:
        return templates.list_variables(template)
    except ValueError as error:
        raise SourceUnusable(f"{where}: {error}") from None

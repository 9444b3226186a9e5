"""Render what a mapping's Secret holds in one namespace: its data, labels and annotations, from the sources' values."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from keyferry import secret_types
from keyferry.budget import MAX_METADATA_STEPS, Budget
from keyferry.errors import NothingFound, SourceUnusable, in_part
from keyferry.mapping.data import Entry, Registry, Tls
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.secret import SecretSpec, Template, Variables
from keyferry.model import MixedText, Place, SecretValue, SourceValue, split_version
from keyferry.render import contents, labels
from keyferry.render.data import values
from keyferry.render.data.inputs import Inputs, SourceValues, fill_template, list_variables
from keyferry.render.data.keys import render_data_from, render_entries, render_required

_NOTHING = "its sources have no key at all, or are missing; give one of them a key, or remove the mapping"
"""Why nothing is written. External Secrets, of whose manifests such mappings are made, writes no Secret either."""


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
    inputs = Inputs(_drop_regional_dates(mapping, sources), place, budget or Budget())
    own_labels, annotations = render_metadata(mapping, place, sources)
    inputs = _add_variables(mapping, inputs)
    data = _render_data(mapping, inputs)
    shown_labels, shown_annotations = _render_metadata(mapping, inputs, shows_values=True)
    return Rendered(
        data=data,
        notes=tuple(inputs.notes),
        versions={alias: source.version for alias, source in sorted(sources.items())},
        served={alias: source.served for alias, source in sorted(sources.items()) if source.served},
        labels=own_labels | shown_labels,
        annotations=annotations | shown_annotations,
    )


def can_lack(mapping: SecretMapping, alias: str) -> bool:
    """Return whether the Secret can be made without a source: all that uses it is optional, or has a default."""
    secret = mapping.spec.secret
    entries = [entry for _, entry in secret.entries if entry.source == alias]
    if any(data_from.source == alias for _, data_from in secret.selections):
        return False
    if any(alias in list_variables(template, f"mapping {mapping.name}") for template in secret.templates):
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
    values. Those that are to show some (`showsValues`) are left out: `render` makes them.

    Args:
        mapping: the mapping.
        place: the cluster and namespace of the Secret.
        sources: the values that were read, which may be none. A template that needs tags that are missing here is left
            out.

    Raises:
        SourceUnusable: a template fails, or its result is not a valid label.
    """
    tag_sources = {alias for alias, source in mapping.spec.sources.items() if source.metadata}
    tags = {alias: sources[alias] for alias in tag_sources & sources.keys()}
    inputs = Inputs(tags, place, Budget(MAX_METADATA_STEPS))
    return _render_metadata(mapping, inputs, tag_sources - tags.keys(), shows_values=False)


def _render_metadata(
    mapping: SecretMapping, inputs: Inputs, unread: Collection[str] = (), *, shows_values: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the labels and annotations that show values, or the others, without those that use a source of `unread`.

    Raises:
        SourceUnusable: a template fails, or its result is not a valid label.
    """
    secret, made = mapping.spec.secret, dict[str, dict[str, str]]()
    for noun, texts in (("label", secret.labels), ("annotation", secret.annotations)):
        chosen = {key: text for key, text in texts.items() if _shows_values(text) is shows_values}
        made[noun] = _render_texts(noun, chosen, inputs, unread, mapping.name)
    return made["label"], made["annotation"]


def _shows_values(text: str | Template) -> bool:
    return isinstance(text, Template) and text.shows_values


def _render_texts(
    noun: str, texts: Mapping[str, str | Template], inputs: Inputs, unread: Collection[str], mapping: str
) -> dict[str, str]:
    """Return labels or annotations, without those whose templates use a source of `unread`."""
    rendered = {}
    for key, text in texts.items():
        where = f"mapping {mapping}, {noun} {key}"
        with in_part(f"secret.{noun}s.{key}"):
            if isinstance(text, str):
                rendered[key] = text
            elif not set(unread) & list_variables(text.template or "", where).keys():
                rendered[key] = made = fill_template(text.template or "", inputs, where)
                if isinstance(made, MixedText):
                    raise SourceUnusable(f"{where}: the template writes a binary value, and this is text")
                if noun == "label":
                    labels.check(made, where)
    return rendered


def _render_data(mapping: SecretMapping, inputs: Inputs) -> dict[str, SecretValue]:
    secret, where = mapping.spec.secret, f"mapping {mapping.name}"
    entries = _list_entries(secret.data, mapping, inputs)
    data = render_data_from(secret.data_from, entries.keys(), inputs, "secret.dataFrom", f"{where}, dataFrom")
    if secret.tls:
        with in_part("secret.tls"):
            data |= _render_tls(secret.tls, inputs, f"{where}, tls")
    if secret.registries:
        data |= _render_registries(secret.registries, inputs, f"{where}, registries")
    render_entries(entries, data, inputs, "secret.data", f"{where}, key")
    if not data and _needs_content(mapping) and not _is_made_of_variables(secret):
        raise NothingFound(f"{where}: {_NOTHING}")
    _check_content(secret, data, inputs, where)
    return data


def _add_variables(mapping: SecretMapping, inputs: Inputs) -> Inputs:
    """Return what the content is made from with the variables, where there are some."""
    variables = mapping.spec.secret.variables
    if variables is None:
        return inputs
    entries = _list_entries(variables.data, mapping, inputs)
    made = _render_variables(variables, entries, inputs, f"mapping {mapping.name}")
    if not made and _needs_content(mapping):
        raise NothingFound(f"mapping {mapping.name}, variables: {_NOTHING}")
    return replace(inputs, variables={name: values.get_text(value) for name, value in made.items()})


def _check_content(secret: SecretSpec, data: Mapping[str, SecretValue], inputs: Inputs, where: str) -> None:
    """Check what the type of a Secret requires of its keys, or note what is wrong with them (`checkContent: false`)."""
    try:
        with in_part("secret.type"):
            contents.check(secret.type, data, where)
    except SourceUnusable as error:
        if secret.check_content:
            raise
        what = str(error).removeprefix(where).lstrip(",: ")
        inputs.notes.append(f"{what}: written all the same (checkContent: false)")


def _list_entries(entries: Mapping[str, Entry], mapping: SecretMapping, inputs: Inputs) -> dict[str, Entry]:
    """Return the entries that make something, or fail: those of an optional source that is missing make nothing, and a
    key that `dataFrom` makes stays.
    """
    specs, sources = mapping.spec.sources, inputs.sources
    return {
        key: entry
        for key, entry in entries.items()
        if not (
            entry.source and entry.default is None and specs[entry.source].optional and sources[entry.source].is_missing
        )
    }


def _render_variables(
    variables: Variables, entries: Mapping[str, Entry], inputs: Inputs, where: str
) -> dict[str, SecretValue]:
    """Return what templates see as `variables`. All of it is made, also what no template needs."""
    part, named = "secret.variables", entries.keys()
    made = render_data_from(variables.data_from, named, inputs, f"{part}.dataFrom", f"{where}, variables, dataFrom")
    render_entries(entries, made, inputs, f"{part}.data", f"{where}, variable")
    return made


def _needs_content(mapping: SecretMapping) -> bool:
    """Return whether no Secret is written where nothing is found: not with `deletion: merge`, which leaves it empty.

    Facts: Reconcile of pkg/controllers/externalsecret of External Secrets, where it has found no data.
    """
    spec = mapping.spec
    goes_without = any(part.remote_property for _, part in spec.secret.selections) or any(
        source.optional for source in spec.sources.values()
    )
    return spec.policies.deletion != "merge" and (goes_without or spec.secret.variables is not None)


def _is_made_of_variables(secret: SecretSpec) -> bool:
    """Return whether templates of variables alone make the keys: they may make none of what was found."""
    parts = secret.data_from
    return bool(secret.variables and parts and not secret.data) and all(part.template is not None for part in parts)


def _render_tls(tls: Tls, inputs: Inputs, where: str) -> dict[str, SecretValue]:
    # Imported here, since the library behind it is large and few mappings have certificates.
    from keyferry.render.pki.parts import join  # noqa: PLC0415

    parts: dict[str, bytes] = {}
    for name, entry in tls.entries:
        with in_part(f"secret.tls.{name}"):
            parts[name] = render_required(entry, inputs, f"{where}.{name}").reveal()
    password = parts.pop("password", None)
    chain = join(parts, password, where)
    inputs.notes.extend(chain.notes)
    return {key: SecretValue(content) for key, content in chain.data.items()}


def _render_registries(registries: Iterable[Registry], inputs: Inputs, where: str) -> dict[str, SecretValue]:
    accounts: dict[str, dict[str, str]] = {}
    for number, registry in enumerate(registries):
        account = accounts[registry.server] = {}
        for name, entry in registry.entries:
            with in_part(f"secret.registries.{number}.{name}"):
                account[name] = _render_sign_in(entry, inputs, f"{where} ({registry.server}), {name}")
        account |= {"email": registry.email} if registry.email else {}
    return {secret_types.DOCKER_CONFIG_JSON_KEY: SecretValue(contents.build_docker_config(accounts).encode())}


def _render_sign_in(entry: Entry, inputs: Inputs, where: str) -> str:
    try:
        return render_required(entry, inputs, where).reveal().decode()
    except UnicodeDecodeError:
        raise SourceUnusable(f"{where} is binary, and a sign-in is text") from None

"""Make the keys of a Secret, or its variables: one by one (`data`), and many at once (`dataFrom`)."""

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from itertools import pairwise

from keyferry.budget import Budget, OverBudget
from keyferry.errors import SourceUnusable, in_part
from keyferry.formats import jsontext
from keyferry.mapping.data import Entry
from keyferry.mapping.keys import Merge, rename
from keyferry.mapping.secret import DataFrom
from keyferry.model import SecretValue, SourceValue
from keyferry.render.data import properties, values
from keyferry.render.data.inputs import Inputs, fill_template
from keyferry.render.data.merging import merge


def render_entries(
    entries: Mapping[str, Entry], data: dict[str, SecretValue], inputs: Inputs, part: str, where: str
) -> None:
    """Add the values of entries to the data of a Secret, or to its variables; an optional one takes its key away.

    Args:
        entries: key → entry.
        data: what there is already.
        inputs: what the values are made from.
        part: the part of the mapping that has the entries, as `KeyferryError.part` has it.
        where: the mapping and what a key is called, for messages.

    Raises:
        SourceUnusable: a value cannot be made.
    """
    for key, entry in entries.items():
        with in_part(f"{part}.{key}"):
            value = render_entry(entry, inputs, f"{where} {key}")
        data.pop(key, None)
        if value is not None:
            data[key] = value


def render_data_from(
    listed: Iterable[DataFrom], named: Collection[str], inputs: Inputs, part: str, where: str
) -> dict[str, SecretValue]:
    """Return the values of many keys, without those that `data` names; otherwise as `render_entries`.

    An optional source that is missing makes no key, and no rule looks at it.
    """
    data: dict[str, SecretValue] = {}
    for number, data_from in enumerate(listed):
        if data_from.source and inputs.sources[data_from.source].is_missing:
            continue
        beginning = f"{where} {number + 1}: " + (f"source {data_from.source}" if data_from.source else "its template")
        with in_part(f"{part}.{number}"):
            data |= _render_members(data_from, named, inputs, beginning)
    return data


def render_required(entry: Entry, inputs: Inputs, where: str) -> SecretValue:
    """Return the value of an entry that is not optional."""
    return render_entry(entry, inputs, where) or SecretValue(b"")


def render_entry(entry: Entry, inputs: Inputs, where: str) -> SecretValue | None:
    """Return the value of an entry; None for an optional one that selects nothing.

    Raises:
        SourceUnusable: the value cannot be made. The message begins with `where`.
    """
    if entry.value is not None:
        return values.encode_text(entry.value, where)
    if entry.template is not None:
        text = values.encode_text(fill_template(entry.template, inputs, where), where)
        return values.decode_value(text, entry.decode, where)
    source, where = inputs.sources[entry.source or ""], f"{where}: source {entry.source}"
    if not source.is_missing:
        value = _select(entry, source, inputs.budget, where)
        if value is not None or entry.optional:
            return _check_null_bytes(value, entry, where)
    return None if entry.default is None else values.encode_text(entry.default, where)


def _check_null_bytes[T: SecretValue | None](value: T, part: Entry | DataFrom, where: str) -> T:
    """Return a value. One with a null byte in it is an error where its part of the mapping says so.

    Raises:
        SourceUnusable: it is.
    """
    if part.null_bytes == "refuse" and value is not None and b"\0" in value.reveal():
        raise SourceUnusable(f"{where} has a null byte, which nullBytes: refuse does not let through")
    return value


def _select(entry: Entry, source: SourceValue, budget: Budget, where: str) -> SecretValue | None:
    """Return what an entry takes of the value of its source; None where that is nothing, and needs not be there."""
    alias = entry.source or ""
    if entry.selection is None:
        return values.decode_value(source.content, entry.decode, where)
    if entry.remote_property is not None:
        found = properties.search_property(entry.remote_property, source, alias, where, budget)
        if found is not None:
            return values.decode_value(values.encode_text(found.text, where), entry.decode, where)
    else:
        selected = values.search_path(entry.selection, source, alias, where, budget, entry.expected_type)
        if selected is not None:
            values.check_type(selected, entry.expected_type, entry.selection, where)
            return values.decode_part(selected, entry.decode, where)
    if not entry.can_be_left_out:
        raise SourceUnusable(f"{where}: {values.describe_nothing(entry, source, budget)}")
    return None


def _render_members(data_from: DataFrom, named: Collection[str], inputs: Inputs, where: str) -> dict[str, SecretValue]:
    """Return the values of the keys that one part of `dataFrom` makes, without those that `data` names."""
    try:
        renamed = _rename(data_from, _list_members(data_from, inputs, where), inputs.budget, where)
    except (ValueError, OverBudget) as error:
        raise SourceUnusable(f"{where}: {error}") from None
    made = {
        new: _render_member(member, data_from, new, _name_key(where, key))
        for new, (key, member) in renamed.items()
        if data_from.remote_property is not None or data_from.null_bytes or new not in named
    }
    return {key: value for key, value in made.items() if key not in named}


def _rename(
    data_from: DataFrom, members: Mapping[str, object], budget: Budget, where: str
) -> dict[str, tuple[str, object]]:
    """Return the values under the keys that the rules give them, each with its key before the last of these."""
    fill, rules = partial(_fill_key_template, where, budget), data_from.keys
    merging = [number for number, rule in enumerate(rules) if rule.merge]
    for begin, end in pairwise([-1, *merging]):
        new_keys = rename(members, rules[begin + 1 : end], None, fill, budget)
        members = merge(rules[end].merge or Merge(), {new: members[key] for key, new in new_keys}, where, budget)
    new_keys = rename(members, rules[max(merging, default=-1) + 1 :], data_from.invalid_characters, fill, budget)
    return {new: (key, members[key]) for key, new in new_keys}


def _list_members(data_from: DataFrom, inputs: Inputs, where: str) -> Mapping[str, object]:
    """Return the values that get a key of their own: those of a `find`, of a JSON object, or of a template's YAML."""
    if data_from.template is not None:
        return values.list_yaml_members(fill_template(data_from.template, inputs, where), where, inputs.budget)
    alias = data_from.source or ""
    source = inputs.sources[alias]
    if source.members is not None:
        return {name: value.content for name, value in source.members.items()}
    if data_from.remote_property is not None:
        return properties.list_property_members(data_from.remote_property, source, alias, where, inputs.budget)
    return values.list_members(data_from.path, source, alias, where, inputs.budget)


def _render_member(member: object, data_from: DataFrom, key: str, where: str) -> SecretValue:
    if member is None:
        raise SourceUnusable(f"{where} is null; give it a value, or name {key} in data too: with default, or optional")
    if isinstance(member, SecretValue):
        value = values.decode_value(member, data_from.decode, where)
    else:
        value = values.decode_part(member, data_from.decode, where)
    return _check_null_bytes(value, data_from, where)


def _name_key(where: str, key: str) -> str:
    return f"{where}, key {jsontext.escape_surrogates(key)}"


def _fill_key_template(where: str, budget: Budget, template: str, key: str) -> str:
    from keyferry.render import templates  # noqa: PLC0415  # as in list_variables

    return templates.fill(template, {"key": key}, _name_key(where, key), budget)

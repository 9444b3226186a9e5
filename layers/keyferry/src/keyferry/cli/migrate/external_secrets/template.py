"""`spec.target.template`: what the Secret is made like, in the order in which the operator applies it.

Facts: ApplyTemplate of pkg/controllers/externalsecret/externalsecret_controller_template.go, and templating/parser.go.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from keyferry.cli.migrate.external_secrets import texts
from keyferry.cli.migrate.external_secrets.data import decode
from keyferry.cli.migrate.external_secrets.draft import Draft
from keyferry.cli.migrate.external_secrets.fields import Template, TemplateFrom, TemplateRef
from keyferry.cli.migrate.model import FieldPath, Refusal
from keyferry.formats import goyaml
from keyferry.formats.goyaml.scalars import resolve

_AT: FieldPath = ("target", "template")
_KEY = re.compile(r"([A-Za-z_][-._/A-Za-z0-9]*):(?: |$)")
"""A line that begins with a key."""
_REFUSED = "External Secrets refuses it: correct it"


@dataclass
class Content:
    """What fills a Secret: the values that the manifest fetches, and what templates make of them."""

    fetched: Mapping[str, dict[str, Any]]
    """The entries of `spec.data`, by key."""
    fetched_from: list[dict[str, Any]]
    """The entries of `spec.dataFrom`."""
    has_all: bool = True
    """Whether all that is fetched is there; else a template of what is not there fails, as in the original."""
    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    data_from: list[dict[str, Any]] = field(default_factory=list)
    labels: dict[str, Any] = field(default_factory=dict)
    annotations: dict[str, Any] = field(default_factory=dict)
    has_templates: bool = False

    def keep_fetched(self) -> None:
        """Let the Secret have all that is fetched."""
        self.data |= self.fetched
        self.data_from += self.fetched_from

    def make_entry(self, text: str, path: FieldPath) -> dict[str, Any]:
        """Return the entry of a template: the value itself where it is one field; a text where it has no actions.

        Raises:
            Refusal: it has no equivalent, or names a field that nothing makes.
        """
        if "{{" not in text:
            return {"value": text}
        name = texts.find_plain_field(text)
        if name is not None and name in self.fetched and self.has_all:
            return self.fetched[name]
        if name is not None and name not in self.fetched and not self.fetched_from:
            raise Refusal(f"the template reads .{name}, which no entry of data makes", _REFUSED, path)
        self.has_templates = True
        return {"template": texts.translate(text, path)}

    def make_metadata(self, template: str, path: FieldPath) -> str | dict[str, Any]:
        """Return a label or an annotation of a translated template: its text, where it needs no value for that."""
        constant = texts.fill_constant(template, path)
        if constant is not None:
            return constant
        self.has_templates = True
        return {"template": template, "showsValues": True}

    @property
    def variables(self) -> dict[str, Any]:
        """What has to be fetched for templates, or is fetched in vain: what is missing is an error all the same."""
        made = list(self.data.values())
        is_kept = all(entry in made for entry in self.fetched.values())
        # With nothing fetched, the operator writes no Secret, whatever else the template makes.
        can_be_empty = any(entry not in self.fetched.values() for entry in made) and not (self.fetched and self.has_all)
        is_kept = is_kept and all(part in self.data_from for part in self.fetched_from) and not can_be_empty
        if not self.has_templates and is_kept:
            return {}
        parts = {"dataFrom": self.fetched_from, "data": dict(self.fetched)}
        return {name: part for name, part in parts.items() if part}


def apply_template(template: Template, content: Content, draft: Draft) -> None:
    """Fill the content of a Secret by a template."""
    if template.engine_version == "v1":
        draft.refuse("engineVersion v1 is gone", "External Secrets refuses it: write the template for v2", *_AT)
    for key in (template.metadata.finalizers if template.metadata else None) or ():
        draft.refuse(f"the finalizer {key} has no equivalent", "take it out of the manifest first", *_AT, "metadata")
    if template.merge_policy == "Merge" or not (template.data or template.template_from):
        content.keep_fetched()
    for number, part in enumerate(template.template_from or ()):
        with draft.collect():
            _apply_template_from(part, content, draft, (*_AT, "templateFrom", number))
    for key, text in (template.data or {}).items():
        with draft.collect():
            content.data[key] = content.make_entry(text, (*draft.at, *_AT, "data", key))
    if not (content.data or content.data_from or draft.refusals):
        content.data_from.append({"template": "{}"})  # templates of labels and annotations alone make no key
    _apply_metadata(template, content, draft)


def _apply_metadata(template: Template, content: Content, draft: Draft) -> None:
    metadata = template.metadata
    for noun, filled in (("labels", content.labels), ("annotations", content.annotations)):
        for key, text in ((getattr(metadata, noun) if metadata else None) or {}).items():
            with draft.collect():
                _add_metadata(key, text, content, filled, (*draft.at, *_AT, "metadata", noun, key))
    for noun, filled in (("label", content.labels), ("annotation", content.annotations)):
        for key in sorted(key for key, made in filled.items() if isinstance(made, dict)):
            draft.note(f"The {noun} {key} shows values to all who see it, as there; a sweep does not compare it.")


def _apply_template_from(part: TemplateFrom, content: Content, draft: Draft, path: FieldPath) -> None:
    target, at = (part.target or "Data").lower(), (*draft.at, *path)
    if target not in ("data", "labels", "annotations"):
        raise Refusal(f"target {part.target} is none of Data, Labels and Annotations", _REFUSED, (*at, "target"))
    decoded = decode(part.values_decoding_strategy)
    if decoded and target != "data":
        what = "valuesDecodingStrategy of labels and annotations has no equivalent"
        raise Refusal(what, "write their text out", (*at, "valuesDecodingStrategy"))
    for key, text, place in _list_texts(part, draft, at):
        if target != "data":
            _add_metadata(key, text, content, content.labels if target == "labels" else content.annotations, place)
        elif key is None:
            _add_keys(text, content, decoded, place)
        else:
            content.data[key] = _decode(content.make_entry(text, place), text, decoded, place)


def _decode(entry: dict[str, Any], text: str, decoded: dict[str, str], path: FieldPath) -> dict[str, Any]:
    """Return an entry whose value is decoded, once more where it is decoded already.

    Raises:
        Refusal: it is a fixed text.
    """
    if "value" in entry and decoded:
        raise Refusal("valuesDecodingStrategy of a fixed text has no equivalent", "write the text decoded", path)
    return ({"template": texts.translate(text, path)} if decoded and "decode" in entry else entry) | decoded


def _add_keys(text: str, content: Content, decoded: dict[str, str], path: FieldPath) -> None:
    """Add a template that makes keys and values. In a mapping, keys of `data` would win over its own.

    Raises:
        Refusal: it makes a key anew whose template could fail, and would no longer be tried.
    """
    own = _find_keys(text)
    for key in (own or set()) & content.data.keys():
        if "value" not in content.data[key] and content.data[key] not in content.fetched.values():
            what = f"templateAs KeysAndValues, or literal, that writes {key} anew behind its template has no equivalent"
            raise Refusal(what, f"take out what makes {key} first", path)
        del content.data[key]
    earlier = content.data.keys()
    content.has_templates = True
    keys = {"keys": [_fail_at(earlier)]} if own is None and earlier else {}
    content.data_from.append({"template": texts.translate(text, path), **decoded, **keys})


def _fail_at(keys: Iterable[str]) -> dict[str, str]:
    """Return a rule of keys by which the delivery fails where a template makes one of these keys."""
    what = "another template of the mapping makes the key, and would win"
    return {"template": f"{{% if key in {sorted(keys)} %}}{{{{ '{what}' | go('fail') }}}}{{% endif %}}{{{{ key }}}}"}


def _find_keys(text: str) -> set[str] | None:
    """Return the keys that a template makes, where each of its lines is a key with a value, or belongs to one."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith((" ", "#"))]
    matches = [_KEY.match(line) for line in lines]
    keys = {match[1] for match in matches if match}
    return None if None in matches or any(resolve(key) != key for key in keys) else keys


def _add_metadata(key: str | None, text: str, content: Content, filled: dict[str, Any], path: FieldPath) -> None:
    """Add a label or an annotation, or all that a template makes in YAML where there is no key.

    Raises:
        Refusal: it has no equivalent, or is made anew behind its template, which could fail.
    """
    template = texts.translate(text, path)
    if key is not None:
        made = {key: content.make_metadata(template, path)}
    else:
        made = _make_metadata(template, text, content, path)
    for again in sorted(key for key in made.keys() & filled.keys() if isinstance(filled[key], dict)):
        raise Refusal(f"{again} is made anew behind a template of its own", f"take out what makes {again} first", path)
    filled |= made


def _make_metadata(template: str, text: str, content: Content, path: FieldPath) -> dict[str, Any]:
    """Return the labels or annotations that a template makes in YAML. Their keys have to be known.

    Raises:
        Refusal: they are not, or it is no YAML.
    """
    constant = texts.fill_constant(template, path)
    if constant is not None:
        try:
            return dict(goyaml.parse_texts(constant))
        except ValueError as error:
            raise Refusal(f"the text is no mapping of keys to text in YAML: {error}", _REFUSED, path) from None
    keys = sorted(_find_keys(text) or ())
    if not keys:
        what = "the template makes labels or annotations whose keys depend on values"
        raise Refusal(what, "write a line for each key, without other lines around them", path)
    return {
        key: content.make_metadata(f"{{% filter go('textOf', {key!r}, {keys}) %}}{template}{{% endfilter %}}", path)
        for key in keys
    }


def _list_texts(part: TemplateFrom, draft: Draft, at: FieldPath) -> Iterator[tuple[str | None, str, FieldPath]]:
    """Yield key (None where the text makes keys), text and path of each template, in the operator's order."""
    if part.config_map:
        yield from _list_items(part.config_map, draft, (*at, "configMap"))
    if part.secret:
        what = f"the template is in the Secret {part.secret.name}, and would have to be copied into the mapping's file"
        raise Refusal(what, "move the template to a ConfigMap, if it holds no secret", (*at, "secret"))
    if part.literal is not None:
        yield None, part.literal, (*at, "literal")


def _list_items(ref: TemplateRef, draft: Draft, at: FieldPath) -> Iterator[tuple[str | None, str, FieldPath]]:
    if draft.namespace is None:
        what = f"the ConfigMap {ref.name} is another one in each of the namespaces"
        raise Refusal(what, "write the template into the manifest", at)
    found = draft.estate.find_config_map(draft.namespace, ref.name)
    if found is None:
        what = f"the ConfigMap {ref.name} is not among the manifests"
        raise Refusal(what, "give its file too, with the namespace; or write the template into the manifest", at)
    for number, item in enumerate(ref.items):
        text = found.get("data", item.key)
        if not isinstance(text, str):
            what = f"the ConfigMap {ref.name} ({found.locate()}) has no text under the key {item.key}"
            raise Refusal(what, _REFUSED, (*at, "items", number))
        yield (None if item.template_as == "KeysAndValues" else item.key), text, (*at, "items", number)

"""What is asked, what of ours answers, and what the answer of the original is compared as."""

import base64
import json
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from pydantic import ValidationError

from keyferry.budget import Budget
from keyferry.cli.migrate import go_templates
from keyferry.cli.migrate.jmespaths import find_difference
from keyferry.errors import SourceUnusable
from keyferry.formats import encodings, gjson, goyaml, jmespath, jsontext
from keyferry.mapping.keys import InvalidCharacters, Merge, Regexp, rename
from keyferry.model import SecretValue, SourceValue
from keyferry.render import templates as jinja
from keyferry.render.data.merging import merge
from keyferry.render.data.properties import list_property_members
from keyferry.render.data.values import encode_text, write_as_go
from tests.oracle import expressions, gjson_paths, jmespaths, templates, yaml_texts
from tests.oracle.ask import Answer
from tests.oracle.documents import documents, objects

type Question = Mapping[str, Any]


class Refused(Exception):
    """We make nothing: an error at the conversion, or of the delivery."""


@dataclass(frozen=True)
class Comparison:
    """One question that is asked about random values."""

    questions: st.SearchStrategy[Question]
    make: Callable[[Question], Any]
    """What we make; raises Refused."""
    read: Callable[[Answer], Any]
    """What the original makes; None for an error, or for nothing."""


def _find_path(question: Question) -> str | None:
    text, path = question["text"], question["path"]
    try:
        gjson.check(path)
        jsontext.parse(text.encode())
        found = (gjson.select if question["ask"] == "property" else gjson.get)(text, path, Budget())
    except (ValueError, gjson.Unsupported):
        raise Refused from None
    return None if found is None else found.text


def _find_text(question: Question) -> str:
    with warnings.catch_warnings(action="ignore"):
        try:
            jmespath.check(question["path"])
            document = jsontext.parse(question["text"].encode())
            found = jmespath.search(question["path"], document, Budget(), write_as_go)
            if isinstance(found, str) and not find_difference(question["path"]):
                return found
        except Exception:  # of a type of the library's own
            raise Refused from None
    raise Refused


def _fill(question: Question) -> str:
    is_key = question["ask"] == "transform"
    variables = {name: _read_value(text) for name, text in question.get("values", {}).items()}
    try:
        translate = go_templates.translate_key if is_key else go_templates.translate
        values = {"key": question["text"]} if is_key else {"variables": variables}
        text = jinja.fill(translate(question["template"]), values, "mapping m", Budget())
        return encode_text(text, "mapping m").reveal().decode(errors="backslashreplace")
    except (go_templates.Untranslatable, SourceUnusable):
        raise Refused from None


def _read_value(text: str) -> str | SecretValue:
    """Return a value as templates see it: one that is not UTF-8 stays as it is."""
    return SecretValue(text.encode(errors="surrogateescape")) if text.startswith("\udcff") else text


def _rename(question: Question) -> list[str]:
    try:
        rule = Regexp(source=question["source"], target=question["target"])
    except ValidationError:
        raise Refused from None
    return [rule.replace(key, Budget()) for key in question["keys"]]


_merges = st.fixed_dictionaries(
    {
        "ask": st.just("merge"),
        "values": st.dictionaries(st.sampled_from(("a", "b", "c", "base")), objects, max_size=3),
        "keys": st.lists(st.sampled_from(("a", "b", "base")), max_size=2, unique=True),
        "target": st.sampled_from(("", "", "all.json", "a")),
        "strategy": st.sampled_from(("Ignore", "Ignore", "Error")),
        "source": st.sampled_from(("IgnoreNotFound", "Strict")),
    }
)
_LETTER = re.compile(r"\b[yYnN]\b")
_CONVERSIONS: Mapping[str, InvalidCharacters] = {"Default": "replace", "Unicode": "escape"}


def _convert(question: Question) -> list[str]:
    invalid, fill = _CONVERSIONS[question["strategy"]], _refuse_template
    try:
        return [new for key in question["keys"] for _, new in rename([key], [], invalid, fill, Budget())]
    except ValueError:
        raise Refused from None


def _refuse_template(template: str, key: str) -> str:
    raise AssertionError(f"no rule has the template {template} for {key}")


_DECODINGS: Mapping[str, encodings.Decoding] = {"Base64": "base64", "Base64URL": "base64url", "Auto": "auto"}


def _decode(question: Question) -> str | None:
    try:
        return _write(encodings.decode(question["text"].encode("latin-1"), _DECODINGS[question["strategy"]]))
    except ValueError:
        return None


def _write(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _extract(question: Question) -> dict[str, str]:
    source = SourceValue(SecretValue(question["text"].encode()), "v1")
    try:
        return list_property_members(gjson.WHOLE, source, "db", "mapping m", Budget())
    except SourceUnusable:
        raise Refused from None


def _merge(question: Question) -> dict[str, object]:
    rule = Merge(
        into=question["target"] or None,
        priority=question["keys"],
        conflicts="overwrite" if question["strategy"] == "Ignore" else "fail",
        missing="ignore" if question["source"] == "IgnoreNotFound" else "fail",
    )
    try:
        return merge(rule, question["values"], "mapping m", Budget())
    except SourceUnusable:
        raise Refused from None


def _read_yaml(question: Question) -> Any:  # noqa: ANN401  # YAML is anything
    if _LETTER.search(question["text"]):  # text in manifests, on purpose
        raise Refused
    try:
        return goyaml.parse(question["text"], 1)[0]
    except goyaml.InvalidYaml:
        raise Refused from None


def _read_texts(question: Question) -> dict[str, str]:
    try:
        return goyaml.parse_texts(question["text"])
    except ValueError:
        raise Refused from None


def _read_integer(text: str) -> int | float:
    """Return what Go writes as an integer: also a fraction without one, which has no more digits than 64 bits."""
    return int(text) if -(2**63) <= int(text) < 2**64 else float(text)


def _read_json(answer: Answer) -> Any:  # noqa: ANN401  # JSON is anything
    return None if answer.error else json.loads(answer.text, parse_int=_read_integer)


def _read_text(answer: Answer) -> str | None:
    return None if answer.error else answer.text.decode(errors="backslashreplace")


def _read_values(answer: Answer) -> dict[str, str] | None:
    return None if answer.error else {key: value.decode() for key, value in answer.values.items()}


_FIELD = re.compile(r"\.(?:user|password|port|config|list|yaml|encoded|url|bytes|missing)\b|\(index \. \"[a-z.]+\"\)")
_any_template = templates.calls() | templates.calls() | templates.actions() | templates.templates()
_key_template = (templates.actions() | templates.calls()).map(lambda text: _FIELD.sub(".value", text))
_paths = st.tuples(documents, gjson_paths.paths) | gjson_paths.guided()
_jmespaths = jmespaths.guided() | st.tuples(documents, jmespaths.simple | jmespaths.expressions)


def _ask(question: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Question]:
    return st.fixed_dictionaries({"ask": st.just(question), **fields})


def _ask_path(question: str, pairs: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[Question]:
    return pairs.map(lambda pair: {"ask": question, "text": pair[0], "path": pair[1]})


def _find(answer: Answer) -> str | None:
    return answer.text.decode(errors="replace") if answer.exists else None


def _find_json_text(answer: Answer) -> str | None:
    return str(json.loads(answer.text)) if answer.kind == "string" else None


COMPARISONS: Mapping[str, Comparison] = {
    "gjson": Comparison(_ask_path("gjson", _paths), _find_path, _find),
    "properties": Comparison(_ask_path("property", gjson_paths.guided()), _find_path, _find),
    "jmespath": Comparison(_ask_path("jmespath", _jmespaths), _find_text, _find_json_text),
    "templates": Comparison(_ask("template", template=_any_template, values=templates.values), _fill, _read_text),
    "templates of keys": Comparison(
        _ask("transform", template=_key_template, text=expressions.keys), _fill, _read_text
    ),
    "regular expressions": Comparison(
        _ask(
            "regexp",
            source=expressions.sources,
            target=expressions.targets,
            keys=st.lists(expressions.keys, min_size=1),
        ),
        _rename,
        lambda answer: None if answer.error else list(answer.keys),
    ),
    "conversions": Comparison(
        _ask(
            "convert", strategy=st.sampled_from(sorted(_CONVERSIONS)), keys=st.lists(expressions.long_keys, max_size=3)
        ),
        _convert,
        lambda answer: list(answer.keys),
    ),
    "extract": Comparison(_ask("extract", text=documents), _extract, _read_values),
    "merges": Comparison(_merges, _merge, _read_values),
    "decodings": Comparison(
        _ask("decode", strategy=st.sampled_from(sorted(_DECODINGS)), text=expressions.encoded),
        _decode,
        lambda answer: None if answer.error else _write(answer.text),
    ),
    "YAML": Comparison(_ask("yaml", text=yaml_texts.texts), _read_yaml, _read_json),
    "YAML of keys": Comparison(_ask("keysAndValues", text=yaml_texts.texts), _read_texts, _read_values),
}
"""Name → what is compared. A text of `decode` has a character for each byte."""

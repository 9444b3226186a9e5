"""The errors of pydantic about a document → problems in plain words, each with its position."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from keyferry.cli.check.documents import Document
from keyferry.cli.check.fields import others
from keyferry.cli.check.fields.causes import Causes
from keyferry.cli.check.fields.empty import describe_empty
from keyferry.cli.check.fields.shapes import describe_pattern, dotted, find_example
from keyferry.cli.check.fields.unknown import NO_SPACE, SHOWN_NEVER
from keyferry.cli.check.problems import Problem
from keyferry.cli.check.text.characters import search_odd
from keyferry.formats.yamltext import FieldPath
from keyferry.kinds import describe_other_kind

_TYPES = {
    "string_type": 'text; write it in quotes, as "…"',
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of fields to values",
    "model_attributes_type": "a mapping of fields to values",
}
"""Type of pydantic's error → what the value should be."""
_BLAMED: Mapping[str, FieldPath] = {
    "a Secret of type": ("spec", "secret", "type"),
    "deletion: merge would": ("spec", "policies", "deletion"),
}
"""Beginning of what is wrong with a mapping as a whole → the field that it is about."""
_BOOLEANS_OF_YAML_1_1 = ("yes", "no", "on", "off", "y", "n")
"""Text that is a boolean in YAML 1.1."""


def list_problems(document: Document, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Return the problems of a document for which its model has raised an error: one for each cause."""
    details = error.errors(include_url=False, include_input=False)
    errors = _select_branches(_FieldError(document, each) for each in details)
    causes, problems = Causes(document, model, [each.path for each in errors if each.is_unknown]), list[Problem]()
    for field_error in errors:
        problem = causes.explain(field_error)
        problems += [problem] if problem else []
    return problems + [each.problem() for each in errors if not causes.explains(each)]


class _FieldError:
    """One error of pydantic, with the path of its field in the document.

    The location that pydantic gives has the names of branches of unions beside the steps of that path.
    """

    def __init__(self, document: Document, details: Any) -> None:  # noqa: ANN401  # pydantic's TypedDict
        self.document, self.type = document, str(details["type"])
        self.context: Mapping[str, Any] = details.get("ctx") or {}
        self.expected = [_TYPES[self.type]] if self.type in _TYPES else []
        if self.type == "literal_error":
            self.expected = [str(self.context["expected"]).replace("'", "")]
        location = details["loc"]
        self.at_key = bool(location) and location[-1] == "[key]"
        self.path, self.unions = self._resolve(location[:-1] if self.at_key else location)
        self.union = self.unions[-1] if self.unions else None

    def _resolve(self, location: FieldPath) -> tuple[FieldPath, list[FieldPath]]:
        """Return the path in the document, and the paths of the unions of which pydantic names a branch."""
        path: FieldPath = ()
        unions: list[FieldPath] = []
        last = len(location) - 1
        for number, step in enumerate(location):
            if _has_step(self.document.get(*path), step) or (number == last and self.type == "missing"):
                path = (*path, step)
            else:
                unions.append(path)
        return path, unions

    @property
    def is_unknown(self) -> bool:
        """Whether the language has no such field where this one stands."""
        return self.type == "extra_forbidden"

    @property
    def is_mismatch(self) -> bool:
        """Whether the value has another type than the branch of a union that the error is about."""
        return self.union == self.path and bool(self.expected)

    def problem(self) -> Problem:
        """Return the problem."""
        blamed = next((path for text, path in _BLAMED.items() if str(self.context.get("error")).startswith(text)), ())
        path = blamed or self.path
        name = dotted(path) or "the document"
        if self.type != "missing":
            return self.document.problem(path, self._message(name), at_key=self.at_key)
        example = find_example(self.path)
        message = f"{name} is missing; add it" + (f", as {example}" if example else "")
        return self.document.problem(self.path[:-1], message, at_key=True)

    @property
    def _value(self) -> Any:  # noqa: ANN401  # YAML is anything
        return self.document.get(*self.path)

    @property
    def _text(self) -> str:
        return str(self._value)

    @property
    def _is_kind_of_workload(self) -> bool:
        is_named = self.path[:2] == ("spec", "restart") and self.path[-1] == "kind"
        return self.type == "literal_error" and (is_named or self.path[-2:-1] == ("restartKinds",))

    def _find_slip(self) -> str:
        """Return which slip of the hand has made a value of another type of this one; empty if none has."""
        value = self._value
        if isinstance(value, list) and (elsewhere := _describe_items(value)):
            return elsewhere
        if value is None:
            return describe_empty(self.path)
        odd = search_odd(value) if isinstance(value, str) and "string_type" not in self.type else None
        if odd:
            return odd[1]
        if isinstance(value, str) and value.startswith("-") and not value.startswith("--"):
            return "a space is missing after the hyphen of an item"
        if isinstance(value, str) and "=" in value and self.path[-1] in ("labels", "matchLabels"):
            return "a colon and a space stand between a key and its value, as {env: prod}"
        if isinstance(value, str) and NO_SPACE.match(value) and "://" not in value and "string_type" not in self.type:
            return "a space is missing after a colon, as in name: payments-db"
        return ""

    def _message(self, name: str) -> str:
        slip = self._find_slip() if self.expected else ""
        if slip:
            return f"{name}: {slip}"
        if self.at_key and _is_joined(str(self.path[-1]), self._value):
            return f"{dotted(self.path[:-1])}: a colon and a space stand after a key"
        if self._is_kind_of_workload and (words := describe_other_kind(self._text)):
            return f"{name} {words}" if words.startswith("should") else f"{name}: {words}"
        if self.type == "value_error":
            text = str(self.context["error"]).splitlines()[0].rstrip(":")
            return f"{name}: {text}" if self.path else text
        return (
            f"{name}{self._describe_limit(name)}" if not self.expected else f"{name} should be {self._describe_type()}"
        )

    def _describe_limit(self, name: str) -> str:
        """Return what is wrong with a value of the right type, to stand after its name."""
        match self.type:
            case "string_pattern_mismatch" if name.startswith("spec.namespaces[") and "*" in self._text:
                return f': patterns have a place of their own, as {{names: ["{self._text}"]}}'
            case "string_pattern_mismatch" if name.startswith("spec.clusters[") and "*" in self._text:
                return ": patterns choose no clusters; labels do, as {matchLabels: {env: prod}}"
            case "string_pattern_mismatch" if self._text.endswith(","):
                return ": the comma at its end is a part of the text; take it out"
            case "string_pattern_mismatch" if " - " in self._text and isinstance(self.path[-1], int):
                return ": the next item is indented deeper than this one; begin the items of one list alike"
            case "string_pattern_mismatch":
                return f" should be {describe_pattern(str(self.context['pattern']))}"
            case "string_too_long":
                longest = self.context["max_length"]
                length = f", and has {len(self._text):,}" if len(self._text) > longest else ""
                return f" should have {longest:,} characters at most{length}"
            case "string_too_short" | "too_short":
                return " is empty; it needs something in it"
        return f" is not right ({self.type})"

    def _describe_type(self) -> str:
        """Return what a value of another type should be."""
        example = find_example(self.path)
        if self.type == "bool_type" and self._text.lower() in _BOOLEANS_OF_YAML_1_1:
            return f"true or false; in YAML 1.2 {self._text} is text"
        if example and (self.union is not None or self.type in _TYPES):
            return example
        if self.type == "string_type" and self.path[-1] not in SHOWN_NEVER:
            if isinstance(self._value, list | dict):
                return (
                    f"text alone, without {'brackets' if isinstance(self._value, list) else 'braces or keys below it'}"
                )
            spelled = "" if isinstance(self._value, str) else self.document.spelling(self.path)
            return f'text; write it in quotes, as "{spelled or "…"}"'
        return " or ".join(self.expected)


def _describe_items(items: list[Any]) -> str:
    """Return what a mapping has in place of a list of another program; empty for all other lists."""
    fields = [key for item in items if isinstance(item, dict) for key in item]
    return next((words for field in fields if (words := others.describe_field(field))), "")


def _is_joined(key: str, value: object) -> bool:
    """Return whether a key has its value in it. Such a key is never shown."""
    return bool(NO_SPACE.match(key)) or (" " in key and value is None)


def _select_branches(errors: Iterable[_FieldError]) -> list[_FieldError]:
    """Return the errors without those of branches of a union that have another type than the value.

    Where all branches of a union have, one error remains, which expects any of them.
    """
    errors = list(errors)
    matched = {union for error in errors for union in error.unions if union != error.path or not error.is_mismatch}
    selected: list[_FieldError] = []
    mismatches: dict[FieldPath, _FieldError] = {}
    for error in errors:
        if error.union is None or not error.is_mismatch:
            selected.append(error)
        elif error.union in matched:
            continue
        elif error.union in mismatches:
            mismatches[error.union].expected += error.expected
        else:
            mismatches[error.union] = error
            selected.append(error)
    return selected


def _has_step(value: object, step: str | int) -> bool:
    """Return whether a value has this key or index."""
    if isinstance(value, Mapping):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)

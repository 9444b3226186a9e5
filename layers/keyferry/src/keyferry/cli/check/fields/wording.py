"""The errors of pydantic about a document → problems in plain words, each with its position."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from keyferry.cli.check.documents import Document
from keyferry.cli.check.fields import others
from keyferry.cli.check.fields.levels import Meaning, find_meaning, find_misplaced, list_fields
from keyferry.cli.check.fields.shapes import describe_pattern, dotted, find_example
from keyferry.cli.check.problems import Problem, nearest, similarity
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
_BOOLEANS_OF_YAML_1_1 = ("yes", "no", "on", "off", "y", "n")
"""Text that is a boolean in YAML 1.1."""
_SHOWN_NEVER = ("value", "default", "template")
"""Fields with texts that messages do not show, in case that somebody writes a secret there."""
_NO_SPACE = re.compile(r"([A-Za-z][\w./-]*)(\s*[:=]|\s+[\[{])")
"""A key with its value in one word."""
_NEARLY = 0.9
"""How similar a name is to that of a field, of which it is then a slip."""
_MISPLACED = {
    "metadata.namespace": "the namespaces to write to are in spec, as namespaces: [payments]",
    "metadata.namespaces": "the namespaces to write to are in spec, as namespaces: [payments]",
    "spec": "in a file of clusters, clusters stands at the top, beside kind",
}
"""Unknown field → where the field that is meant stands."""


def list_problems(document: Document, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Return the problems of a document for which its model has raised an error: one for each cause."""
    details = error.errors(include_url=False, include_input=False)
    errors = _select_branches(_FieldError(document, each) for each in details)
    causes, problems = _Causes(document, model), list[Problem]()
    for field_error in errors:
        problem = causes.explain(field_error)
        problems += [problem] if problem else []
    return problems + [each.problem() for each in errors if not causes.explains(each)]


def list_empty(document: Document, model: type[BaseModel]) -> list[Problem]:
    """Return a problem for each field without a value that its model would take for one that is left out."""
    empty = {
        (*path, name): None
        for path, inner in document.parts((), model)
        for name, field in ((field.alias or name, field) for name, field in inner.model_fields.items())
        if name in document.get(*path) and document.get(*path, name) is None and _takes_nothing(field.annotation)
    }
    problems = [
        document.problem(path, f"{dotted(path)}: {_describe_empty(path)}") for path in empty.keys() - document.told
    ]
    document.told.update(empty)
    return problems


def _takes_nothing(annotation: object) -> bool:
    return type(None) in get_args(annotation)


def _describe_empty(path: FieldPath) -> str:
    example = find_example(path)
    return "empty; give it a value" + (f", as {example}" if example else ", or take it out")


class _Causes:
    """The fields that stand in a wrong place or are not known, of which other errors are only the effect."""

    def __init__(self, document: Document, model: type[BaseModel]) -> None:
        self.document, self.model = document, model
        self.told = set(document.told)
        self.meant: set[FieldPath] = set()

    def explain(self, error: "_FieldError") -> Problem | None:
        """Return the problem of a key that is not known, not possible or in a wrong place; None for other errors."""
        path, meaning = error.path, find_meaning(self.document, self.model, error.path)
        misplaced = find_misplaced(self.document, self.model, error.path)
        if misplaced:
            path, meaning = misplaced
            message = f"{path[-1]} belongs {_describe_place(path, meaning)}; here it is a key of {path[-2]}"
        elif error.type == "extra_forbidden" and not self.is_within_told(error.path):
            message = self._describe_unknown(path, meaning)
        elif error.at_key and not self.is_within_told(error.path):
            message = error.problem().message
        else:
            return None
        is_new = not self.is_within_told(path)
        self.told.add(path)
        self.meant |= {meaning.path} if meaning else set()
        return self.document.problem(path, message, at_key=True) if is_new else None

    def is_within_told(self, path: FieldPath) -> bool:
        """Return whether it was told already that a part is wrong, or one around it."""
        return any(path[:length] in self.told for length in range(len(path) + 1))

    def explains(self, error: "_FieldError") -> bool:
        """Return whether an error is the effect of what was told, or that itself."""
        path = error.path
        if error.type == "extra_forbidden" or error.at_key or self.is_within_told(path) or path in self.meant:
            return True
        is_empty = self.document.get(*path) is None  # because what belongs to it stands elsewhere, or is called else
        if is_empty and any(told[:-1] == path[:-1] for told in self.document.told):
            return True
        is_around = any(inner[: len(path)] == path for inner in self.told | self.meant)
        return is_around and (error.type == "value_error" or is_empty)

    def _describe_unknown(self, path: FieldPath, meaning: Meaning | None) -> str:
        name, fields = str(path[-1]), list_fields(self.model, path[:-1])
        dotted_path, elsewhere = dotted(path), others.describe_field(name)
        head = _NO_SPACE.match(name)
        if head:
            return f"a colon and a space stand after a key, as {head[1]}: …"
        if meaning and meaning.parent == path[:-1] and similarity(meaning.name, name) > _NEARLY:
            return f"unknown field {name}; did you mean {meaning.name}?"
        if dotted_path in _MISPLACED:
            return f"unknown field {name}; {_MISPLACED[dotted_path]}"
        if elsewhere:
            return f"unknown field {name}; {elsewhere}"
        if meaning is None:
            return f"unknown field {name}{nearest(name, fields, 'possible here')}"
        if meaning.parent == path[:-1]:
            return f"unknown field {name}; did you mean {meaning.name}?"
        place = _describe_place(path, meaning)
        if meaning.name == name:
            return f"unknown field {name}; it belongs {place}"
        return f"unknown field {name}; did you mean {meaning.name}? It belongs {place}"


def _describe_place(path: FieldPath, meaning: Meaning) -> str:
    """Return where a field belongs that stands at a path."""
    parent = meaning.parent
    where = f"into {dotted(parent)}" if parent else "to the top of the document"
    is_around = path[: len(parent)] == parent and len(path) > len(parent) + 1
    return f"{where}, beside {path[len(parent)]}" if is_around else where


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
    def is_mismatch(self) -> bool:
        """Whether the value has another type than the branch of a union that the error is about."""
        return self.union == self.path and bool(self.expected)

    def problem(self) -> Problem:
        """Return the problem."""
        name = dotted(self.path) or "the document"
        if self.type != "missing":
            return self.document.problem(self.path, self._message(name), at_key=self.at_key)
        example = find_example(self.path)
        message = f"{name} is missing; add it" + (f", as {example}" if example else "")
        return self.document.problem(self.path[:-1], message, at_key=True)

    @property
    def _text(self) -> str:
        return str(self.document.get(*self.path))

    @property
    def _is_kind_of_workload(self) -> bool:
        is_named = self.path[:2] == ("spec", "restart") and self.path[-1] == "kind"
        return self.type == "literal_error" and (is_named or self.path[-2:-1] == ("restartKinds",))

    def _find_slip(self) -> str:
        """Return which slip of the hand has made a value of another type of this one; empty if none has."""
        value = self.document.get(*self.path)
        if isinstance(value, list) and (elsewhere := _describe_items(value)):
            return elsewhere
        if value is None:
            return _describe_empty(self.path)
        odd = search_odd(value) if isinstance(value, str) and "string_type" not in self.type else None
        if odd:
            return odd[1]
        if isinstance(value, str) and value.startswith("-") and not value.startswith("--"):
            return "a space is missing after the hyphen of an item"
        if isinstance(value, str) and _NO_SPACE.match(value) and "://" not in value and "string_type" not in self.type:
            return "a space is missing after a colon, as in name: payments-db"
        return ""

    def _message(self, name: str) -> str:
        slip = self._find_slip() if self.expected else ""
        if slip:
            return f"{name}: {slip}"
        if self.at_key and _NO_SPACE.match(str(self.path[-1])):
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
        if self.type == "string_type" and self.path[-1] not in _SHOWN_NEVER:
            is_plain = not isinstance(self.document.get(*self.path), str | list | dict)
            spelled = self.document.spelling(self.path) if is_plain else ""
            return f'text; write it in quotes, as "{spelled or "…"}"'
        return " or ".join(self.expected)


def _describe_items(items: list[Any]) -> str:
    """Return what a mapping has in place of a list of another program; empty for all other lists."""
    fields = [key for item in items if isinstance(item, dict) for key in item]
    return next((words for field in fields if (words := others.describe_field(field))), "")


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

"""Parts of a manifest → models of their fields, or every reason why they are none."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from keyferry.cli.check.documents import fields_of_models
from keyferry.cli.check.problems import nearest
from keyferry.cli.migrate.model import FieldPath, Manifest, Refusal, Refusals

_NOT_TEXT = {bool: "a boolean", int: "a number", float: "a number", dict: "a mapping", list: "a list"}


def read_part[Model: BaseModel](manifest: Manifest, path: FieldPath, model: type[Model]) -> Model:
    """Return a part of a manifest.

    Raises:
        Refusals: the part is missing, or has fields that its model has not, or values of another type.
    """
    part = manifest.get(*path)
    if part is None:
        raise Refusals([Refusal(f"{_spell(path)} is missing", "Kubernetes refuses the manifest: complete it", path)])
    try:
        return model.model_validate(part)
    except ValidationError as error:
        raise Refusals(list(_list_refusals(error, path, part, model))) from None


def _list_refusals(error: ValidationError, at: FieldPath, part: object, model: type[BaseModel]) -> Iterator[Refusal]:
    for each in error.errors(include_url=False, include_context=False):
        path = _shorten(each["loc"], part)
        known = _list_fields(model, path[:-1])
        yield Refusal(*_describe(each["type"], _spell(at + path), each["input"], each["msg"], known), at + path)


def _list_fields(model: type[BaseModel], path: FieldPath) -> list[str]:
    """Return the names of the fields that a part of a model has."""
    for step in path:
        inner = (each for name, each, _ in fields_of_models(model) if name == step)
        model = model if isinstance(step, int) else next(inner, model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _shorten(location: FieldPath, part: Any) -> FieldPath:  # noqa: ANN401  # YAML is anything
    """Return the part of a location that is a path of the manifest: pydantic adds names of types to it."""
    path: FieldPath = ()
    for step in location:
        known = isinstance(part, dict | list) and (step in part if isinstance(part, dict) else isinstance(step, int))
        if not known:
            return path if not isinstance(part, dict) or str(step)[:1].isupper() else (*path, step)
        part, path = part[step], (*path, step)
    return path


def _describe(kind: str, path: str, value: Any, message: str, known: list[str]) -> tuple[str, str]:  # noqa: ANN401
    """Return what is wrong with a field, and what would be right."""
    name = path.rpartition(".")[2]
    if kind == "extra_forbidden":
        similar = nearest(name, known).rstrip("?")
        return f"{path} is no field that is known{similar}", "the API server refuses or drops it: correct or remove it"
    if kind == "missing":
        return f"{path} is missing", "Kubernetes refuses the manifest: complete it"
    if kind == "string_type" and type(value) in _NOT_TEXT:
        return f"{path} is {_NOT_TEXT[type(value)]}, and has to be text", "Kubernetes refuses it: write it in quotes"
    if kind == "literal_error":
        return f"{path} is {_quote(value)}", message.replace("Input should be", "it can be")
    return f"{path}: {message[:1].lower()}{message[1:]}", "Kubernetes refuses it: correct it"


def _quote(value: object) -> str:
    return repr(value)[:60]


def _spell(path: FieldPath) -> str:
    """Return a path as people write it: `spec.data[0].remoteRef`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")

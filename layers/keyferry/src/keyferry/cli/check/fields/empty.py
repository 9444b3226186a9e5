"""Fields without a value, which a model would take for ones that are left out."""

from typing import get_args

from pydantic import BaseModel

from keyferry.cli.check.documents import Document
from keyferry.cli.check.fields.shapes import dotted, find_example
from keyferry.cli.check.problems import Problem
from keyferry.formats.yamltext import FieldPath


def list_empty(document: Document, model: type[BaseModel]) -> list[Problem]:
    """Return a problem for each field without a value that its model would take for one that is left out."""
    empty = {
        (*path, name): None
        for path, inner in document.parts((), model)
        for name, field in ((field.alias or name, field) for name, field in inner.model_fields.items())
        if name in document.get(*path) and document.get(*path, name) is None and _takes_nothing(field.annotation)
    }
    problems = [
        document.problem(path, f"{dotted(path)}: {describe_empty(path)}") for path in empty.keys() - document.told
    ]
    document.told.update(empty)
    return problems


def _takes_nothing(annotation: object) -> bool:
    return type(None) in get_args(annotation)


def describe_empty(path: FieldPath) -> str:
    """Return what is wrong with a field without a value, and what would be right."""
    example = find_example(path)
    return "empty; give it a value" + (f", as {example}" if example else ", or take it out")

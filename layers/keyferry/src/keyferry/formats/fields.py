"""Names as Kubernetes and AWS have them: what a field of a mapping may hold."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints, ValidationInfo

from keyferry.formats import jmespath, re2

Name = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253)
]
"""A DNS subdomain, as Kubernetes names Secrets."""
Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
"""A DNS label, as Kubernetes names namespaces."""


Glob = Annotated[str, StringConstraints(pattern=r"^[-a-z0-9*?]+$", max_length=63)]
"""A pattern of namespaces' names: `*` stands for any characters, `?` for one."""


def _is_no_path(key: str) -> str:
    if key == "." or key.startswith(".."):
        raise ValueError("keys become file names: neither . nor .. at the beginning")
    return key


Key = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253), AfterValidator(_is_no_path)]
"""A key of a Secret's data."""
LabelKey = Annotated[
    str, StringConstraints(pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$", max_length=317)
]
"""The key of a label, as Kubernetes allows it."""
LabelValue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
"""The value of a label, as Kubernetes allows it."""
Alias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""What a mapping calls one of its sources: a name that templates can use."""


CHECKED = "checked"
"""Key of a validation's context that says: this was checked when it was compiled, so leave out what takes long."""


def _can_be_evaluated(path: str, info: ValidationInfo) -> str:
    if not (info.context or {}).get(CHECKED):
        jmespath.check(path)
    return path


Path = Annotated[str, AfterValidator(_can_be_evaluated)]


def _is_regular(pattern: str, info: ValidationInfo) -> str:
    if not (info.context or {}).get(CHECKED):
        re2.compiled(pattern)
    return pattern


Regular = Annotated[str, AfterValidator(_is_regular)]
"""A regular expression, as RE2 has them."""
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$")]
"""An AWS region."""

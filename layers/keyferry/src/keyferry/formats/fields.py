"""Types of the fields of mappings: names as Kubernetes and AWS allow them, expressions and patterns."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints, ValidationInfo

from keyferry.formats import gjson, jmespath, re2

Name = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253)
]
"""A DNS subdomain, such as the name of a Secret."""
Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
"""A DNS label, such as the name of a namespace."""
Glob = Annotated[str, StringConstraints(pattern=r"^[-a-z0-9*?]+$", max_length=63)]
"""A pattern of names of namespaces: `*` stands for any characters, `?` for one."""


def _check_file_name(key: str) -> str:
    if key == "." or key.startswith(".."):
        raise ValueError("keys become file names: neither . nor .. at the beginning")
    return key


Key = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253), AfterValidator(_check_file_name)]
"""A key of a Secret's data."""
LabelKey = Annotated[
    str,
    StringConstraints(pattern=r"^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$", max_length=317),
]
"""The key of a Kubernetes label."""
LabelValue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
"""The value of a Kubernetes label."""
Alias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of a source in its mapping. Templates use it as a variable."""

CHECKED = "checked"
"""Key of pydantic's validation context. Where it is true, the mapping was checked when it was compiled, and slow checks
are left out.
"""


def _check_jmespath(path: str, info: ValidationInfo) -> str:
    if not (info.context or {}).get(CHECKED):
        jmespath.check(path)
    return path


JmesPath = Annotated[str, AfterValidator(_check_jmespath)]
"""A JMESPath expression."""


def _check_property(path: str, info: ValidationInfo) -> str:
    if not (info.context or {}).get(CHECKED):
        gjson.check(path)
    return path


Property = Annotated[str, AfterValidator(_check_property)]
"""A property as External Secrets has it: a key of a JSON object, or a path of gjson."""


def _check_regexp(pattern: str, info: ValidationInfo) -> str:
    if not (info.context or {}).get(CHECKED):
        re2.compile_pattern(pattern)
    return pattern


RegularExpression = Annotated[str, AfterValidator(_check_regexp)]
"""A regular expression of RE2."""
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$")]
"""An AWS region."""

"""What stands where the name or ARN of a secret or parameter should, and what would be right in its place.

People bring identifiers along from other programs: ECS' task definitions, CloudFormation, the console, another store.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from keyferry.arn import Arn
from keyferry.stores import placeholders

if TYPE_CHECKING:
    from keyferry.stores.registry import Store

_ACCOUNT = re.compile(r"[0-9]{12}")
_QUOTED = re.compile(r"([\"'`])(.*)\1", re.DOTALL)
_DYNAMIC = re.compile(
    r"\{\{\s*resolve:(?P<service>secretsmanager|ssm|ssm-secure):(?P<name>arn:(?:[^:}]*:){4}(?:secret:)?[^:}]+|[^:}]+)"
    r"(?P<rest>[^}]*)\}\}"
)
"""A dynamic reference ("Get values stored in other services" in the guide of CloudFormation)."""
_SCHEME = re.compile(
    r"(?P<scheme>aws-?sm|asm|(?:aws-?)?secrets-?manager|sm|(?:aws-?)?(?:ssm|ps|parameter-?store)|https?|secret)"
    r":(?P<slashes>/{0,3})(?P<name>.+)",
    re.IGNORECASE,
)
"""What other programs put before a name: `aws-sm://`, `ssm:`, `secret:`; or the address of a page of the console."""
_UNKNOWN_PLACEHOLDER = re.compile(r"\$\{[A-Za-z0-9_]*[^A-Za-z0-9_}][^}]*\}|\$\(.*\)")
"""What CloudFormation, Terraform or a shell would fill in."""
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_OTHERS: Mapping[str, str] = {
    "iam": "a role to read with stands in role",
    "sts": "a role to read with stands in role, by its ARN in IAM",
    "kms": "which key decrypts a value, AWS knows by itself",
}
"""Service of an ARN → what is right for it."""
_STORES: Mapping[str, tuple[str, str]] = {
    "secretsmanager": ("secret", "secretsManager"),
    "ssm": ("parameter", "parameterStore"),
}
"""Service of an ARN → what it is the ARN of, and the field for it."""


def check_identifier(identifier: str, store: "Store") -> None:
    """Check that a text has the form of a name or an ARN of a store, as far as a mistake in it is known.

    Args:
        identifier: the text, with placeholders.
        store: the store that the mapping takes it for.

    Raises:
        ValueError: it has not; the message says what it is, and what is right.
    """
    problem = next(_list_problems(identifier, store), None)
    if problem:
        raise ValueError(f"not the {'ARN' if _is_arn(identifier) else 'name'} of a {store.NOUN}: {problem}")


def check_name(name: str, noun: str, store: "Store") -> None:
    """Check that a store can have a name, or names that begin so.

    Args:
        name: the name, with placeholders: each stands for a letter at least.
        noun: what the name is, for the message.
        store: the store.

    Raises:
        ValueError: it cannot; the message says what it can have.
    """
    pattern, allowed = store.ALLOWED_NAMES
    filled = placeholders.fill_sample(name)
    if len(filled) > store.MAX_NAME_LENGTH:
        raise ValueError(f"not {noun}: it has {len(filled):,} characters, and {store.LENGTH_LIMIT}")
    if not pattern.fullmatch(filled):
        raise ValueError(f"not {noun}: {allowed}")


def _is_arn(text: str) -> bool:
    return text.lower().startswith("arn:")


def _list_problems(text: str, store: "Store") -> Iterator[str]:
    """Yield what is wrong, the surest first."""
    if text != text.strip():
        yield f"blanks or a line end around it, no spaces: write {text.strip()}"
    elif match := _QUOTED.fullmatch(text):
        yield f"quotes are part of it: write {match[2]}"
    elif match := _DYNAMIC.fullmatch(text):
        yield f"a dynamic reference of CloudFormation: {_explain_reference(match)}"
    elif _is_arn(text):
        yield from _list_arn_problems(text, store)
    else:
        yield from _list_name_problems(text, store)


def _explain_reference(match: re.Match[str]) -> str:
    name, parts = match["name"], match["rest"].split(":")[1:]
    if match["service"] == "secretsmanager":
        return _describe_parts(name, parts[1:])
    version = f', version: "{parts[0]}"' if parts and parts[0] else ""
    return f"write {{parameterStore: {name}{version}}}"


def _describe_parts(name: str, parts: list[str]) -> str:
    """Return how to write a secret that other services call by JSON key, label and version id, in this order."""
    key, label, version = [*parts, "", "", ""][:3]
    field = f", version: {version}" if version else f", label: {label}" if label not in ("", "AWSCURRENT") else ""
    path = f", and path: {key} where its value is used" if key else ""
    return f"write {{secretsManager: {name}{field}}}{path}"


def _list_arn_problems(text: str, store: "Store") -> Iterator[str]:
    arn = Arn.parse(text)
    service = next(service for service, (noun, _) in _STORES.items() if noun == store.NOUN)
    remedy = f"write the name, or an ARN as arn:aws:{service}:eu-west-1:111122223333:{store.RESOURCE_TYPE}prod/db"
    if arn is None:
        yield f"it is not whole: {remedy}"
    elif arn.service in _STORES and arn.service != service:
        noun, field = _STORES[arn.service]
        yield f"it is that of a {noun}: write {{{field}: {text}}}"
    elif arn.service != service:
        yield f"it is one of {arn.service or 'no service'}: {_OTHERS.get(arn.service, remedy)}"
    elif arn.service == "ssm" and not arn.account and arn.resource.startswith("parameter/aws/"):
        yield f"a public parameter belongs to no account: write /{arn.resource.removeprefix('parameter/')}"
    elif not _ACCOUNT.fullmatch(arn.account):
        yield f"where the twelve digits of the account stand, it has {arn.account or 'nothing'}: {remedy}"
    elif arn.name_of(service, "") is None:
        yield f"it has no partition, region or name that AWS could have: {remedy}"
    else:
        yield from _list_resource_problems(arn, store)


def _list_resource_problems(arn: Arn, store: "Store") -> Iterator[str]:
    """Yield what is wrong in the last part of an ARN of the right service."""
    kind, name = store.RESOURCE_TYPE, arn.resource.removeprefix(store.RESOURCE_TYPE)
    base = str(arn).removesuffix(arn.resource)
    if not arn.resource.startswith(kind) or not name:
        yield f"after the account, {kind} and the name follow"
    elif "*" in name or "?" in name:
        yield _explain_pattern(name, store)
    elif store.NOUN == "parameter" and name.startswith("/"):
        yield f"one slash stands before the name: write {base}{kind}{name.lstrip('/')}"
    elif ":" in name:
        name, *parts = name.split(":")
        yield _explain_suffix(f"{base}{kind}{name}", parts, store, "the form that ECS takes")


def _list_name_problems(text: str, store: "Store") -> Iterator[str]:
    if match := _SCHEME.fullmatch(text):
        yield _explain_scheme(match, store)
    elif match := _UNKNOWN_PLACEHOLDER.search(text):
        yield f"nothing fills in {match[0]}: write it out; ${{namespace}} and ${{cluster}} alone are filled in"
    elif store.NOUN == "parameter" and text.startswith("parameter/"):
        yield f"it begins as the last part of an ARN does: write {text.removeprefix('parameter')}"
    elif "#" in text:
        name, _, key = text.partition("#")
        yield f"what follows # is a key of the value: {_describe_parts(name, [key])}"
    elif "*" in text:
        yield _explain_pattern(text, store)
    elif store.NOUN == "parameter" and len(text) > 1 and text.endswith("/"):
        yield f"a name does not end in a slash: write {text.rstrip('/')}, or {{find: parameterStore, path: {text}}}"
    elif ":" in text and not text.startswith(":"):
        name, *parts = text.split(":")
        yield _explain_suffix(name, parts, store, "a colon ends it")


def _explain_scheme(match: re.Match[str], store: "Store") -> str:
    scheme, name = match["scheme"].lower(), match["name"]
    if scheme.startswith("http"):
        return "an address of a web page: write the name that the page shows"
    if scheme == "secret":
        return "the last part of an ARN: write the whole ARN, or the name alone, without secret: and the ARN's end"
    is_parameter = scheme.endswith(("ssm", "ps", "store"))
    if is_parameter and "/" in name:
        name = f"/{name.lstrip('/')}"
    field = "parameterStore" if is_parameter else "secretsManager"
    prefix = f"{match['scheme']}:{match['slashes']}"
    wrong_field = "" if field == store.MAPPING_FIELD else f", and it stands in {store.MAPPING_FIELD}"
    return f"{prefix} is of another program{wrong_field}: write {{{field}: {name}}}"


def _explain_pattern(name: str, store: "Store") -> str:
    _, allowed = store.ALLOWED_NAMES
    beginning = re.split(r"[*?]", name)[0]
    if store.NOUN == "parameter":
        beginning = f"/{beginning.strip('/')}"
    return f"{allowed}; for many, write {{find: {store.MAPPING_FIELD}, path: {beginning or 'prod/'}}}"


def _explain_suffix(name: str, parts: list[str], store: "Store", what: str) -> str:
    """Return what is right for a name that colons and more follow."""
    first = parts[0]
    if store.NOUN == "parameter":
        field = f'version: "{first}"' if first.isdigit() else f"label: {first or '…'}"
        return f"a version or label has a field of its own: write {{{store.MAPPING_FIELD}: {name}, {field}}}"
    if len(parts) == 1 and first.startswith("AWS"):
        parts = ["", first]
    elif len(parts) == 1 and UUID.fullmatch(first):
        parts = ["", "", first]
    return f"{what}: {_describe_parts(name, parts)}"

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
    r"(?P<scheme>aws-?sm|asm|(?:aws-?|resolve:)?secrets-?manager|sm|(?:aws-?|resolve:)?(?:ssm|ps|parameter-?store)"
    r"|resolve:ssm-secure|ssm-secure|(?:ref\+)?aws(?:secrets|ssm)|https?|secret)"
    r":(?P<slashes>/{0,3})(?P<name>.*)",
    re.IGNORECASE,
)
"""What other programs put before a name: `aws-sm://`, `ssm:`, `secret:`; or the address of a page of the console."""
_ELSEWHERE = re.compile(r"(?:[a-z][a-z0-9+.-]*:/|(?:vault|gcp-?sm|azure-?k(?:ey)?v(?:ault)?):)/*", re.IGNORECASE)
"""What other programs put before the name of what is neither in Secrets Manager nor in Parameter Store."""
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


_REGION = re.compile(r"(?:^|&)region=([a-z0-9-]+)")
_SAMPLES = {"secret": "prod/db", "parameter": "/prod/db"}
"""Noun for what a store holds → a name, for messages."""
_LABELS = ("AWSCURRENT", "AWSPREVIOUS")
"""The staging labels of Secrets Manager that can be read."""
_VERSION_ID = re.compile(r"[^\s:]{32,64}")
_MEMBER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A key of a JSON object that a path has without quotes."""


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
    if foreign := placeholders.describe_foreign(name):
        raise ValueError(f"not {noun}: {foreign}")
    filled = placeholders.fill_sample(name)
    if len(filled) > store.MAX_NAME_LENGTH:
        raise ValueError(f"not {noun}: it has {len(filled):,} characters, and {store.LENGTH_LIMIT}")
    if not pattern.fullmatch(filled):
        raise ValueError(f"not {noun}: {allowed}")


def _is_arn(text: str) -> bool:
    return text.lower().startswith("arn:")


def _list_problems(text: str, store: "Store") -> Iterator[str]:
    """Yield what is wrong, the surest first."""
    if not text.strip(" \t\r\n\"'`"):
        yield f"nothing but blanks or quotes: write the name, as {_SAMPLES[store.NOUN]}"
    elif text != text.strip():
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
    return _describe_parameter(name, parts[0] if parts else "")


def _describe_parameter(name: str, selector: str, region: str = "") -> str:
    """Return how to write a parameter that other services call with a version or a label after a colon."""
    field = f'version: "{selector}"' if selector.isdigit() else f"label: {selector}"
    return f"write {{parameterStore: {name}{f', {field}' if selector else ''}{region}}}"


def _describe_parts(name: str, parts: list[str], region: str = "") -> str:
    """Return how to write a secret that other services call by JSON key, label and version id, in this order."""
    key, label, version = [*parts, "", "", ""][:3]
    is_version = bool(_VERSION_ID.fullmatch(version))
    label = label.upper() if label.upper() in _LABELS else label
    field = f", label: {_quote(label)}" if label not in ("", "AWSCURRENT") else ""
    field = f", version: {_quote(version)}" if is_version else field
    path = f", and path: {_describe_key(key)} where its value is used" if key else ""
    wrong = f"; {version} is no version id, which has 32 to 64 characters" if version and not is_version else ""
    return f"write {{secretsManager: {name}{field}{region}}}{path}{wrong}"


def _quote(text: str) -> str:
    """Return a text as YAML has it, where it could be taken for a number."""
    return f'"{text}"' if text.isdigit() else text


def _describe_key(key: str) -> str:
    """Return the path to a key, whose parts other programs separate by slashes."""
    steps = [step for step in key.split("/") if step] or [key]
    if all(map(_MEMBER.fullmatch, steps)):
        return ".".join(steps)
    quoted = ".".join(step if _MEMBER.fullmatch(step) else f'"{step}"' for step in steps)
    return f"'{quoted}'"


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
    elif match := _ELSEWHERE.match(text):
        yield _explain_elsewhere(match[0], store)
    elif foreign := placeholders.describe_foreign(text):
        yield foreign
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
    prefix = f"{match['scheme']}:{match['slashes']}"
    if not re.match(r"[^?#:]", name):
        return f"no name follows {prefix}: write a name alone, as {_SAMPLES[store.NOUN]}"
    is_parameter = scheme.endswith(("ssm", "ssm-secure", "ps", "store"))
    field = "parameterStore" if is_parameter else "secretsManager"
    wrong_field = "" if field == store.MAPPING_FIELD else f", and it stands in {store.MAPPING_FIELD}"
    way = _explain_rest(name, match["slashes"], is_parameter=is_parameter)
    return f"{prefix} is of another program{wrong_field}: {way}"


def _explain_rest(text: str, slashes: str, *, is_parameter: bool) -> str:
    """Return how to write what stands after the scheme of another program: name, query, key or version."""
    name, _, key = text.partition("#")
    name, _, query = name.partition("?")
    name, *parts = [name] if name.lower().startswith("arn:") else name.split(":")
    match = _REGION.search(query)
    region = f", region: {match[1]}" if match else ""
    if not is_parameter:
        return _describe_parts(name, [key] if key else _order_parts(parts), region)
    has_slash = len(slashes) in (1, 3) or "/" in name
    way = _describe_parameter(f"/{name}" if has_slash else name, (parts or [""])[0], region)
    path = f", and path: {_describe_key(key)} where its value is used" if key else ""
    return f"{way}{path}{f', or /{name} if its name begins with a slash' if slashes and not has_slash else ''}"


def _explain_elsewhere(scheme: str, store: "Store") -> str:
    """Return what is right for what other programs read from another place."""
    return (
        f"{scheme} is of another program, and of what AWS does not hold: store the value as a {store.NOUN}, and write"
        f" the name of that, as {_SAMPLES[store.NOUN]}"
    )


def _explain_pattern(name: str, store: "Store") -> str:
    _, allowed = store.ALLOWED_NAMES
    beginning = re.split(r"[*?]", name)[0]
    if store.NOUN == "parameter":
        beginning = f"/{beginning.strip('/')}"
    return f"{allowed}; for many, write {{find: {store.MAPPING_FIELD}, path: {beginning or 'prod/'}}}"


def _explain_suffix(name: str, parts: list[str], store: "Store", what: str) -> str:
    """Return what is right for a name that colons and more follow."""
    if store.NOUN == "parameter":
        if not parts[0]:
            return f"a colon ends it: write {{parameterStore: {name}}}"
        return f"a version or label has a field of its own: {_describe_parameter(name, parts[0])}"
    return f"{what}: {_describe_parts(name, _order_parts(parts))}"


def _order_parts(parts: list[str]) -> list[str]:
    """Return JSON key, label and version id of a secret, of which some programs name one alone."""
    if parts[:1] == ["SecretString"]:
        return parts[1:]
    if len(parts) == 1 and parts[0].startswith("AWS"):
        return ["", parts[0]]
    return ["", "", parts[0]] if len(parts) == 1 and UUID.fullmatch(parts[0]) else parts

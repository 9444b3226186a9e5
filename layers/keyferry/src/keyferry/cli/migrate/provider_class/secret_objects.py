"""Makes the `secret` of a mapping of one of the `secretObjects` of a SecretProviderClass.

Source: controllers/secretproviderclasspodstatus_controller.go and pkg/util/secretutil/secret.go of the driver.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keyferry import secret_types
from keyferry.cli.migrate.jmespaths import find_difference
from keyferry.cli.migrate.model import DRIVERS_LABEL, UNCHECKED, FieldPath, Refusal
from keyferry.cli.migrate.provider_class.descriptors import File
from keyferry.cli.migrate.provider_class.objects import refuse
from keyferry.formats import jmespath
from keyferry.model import MANAGED_BY
from keyferry.wording import suggest

_TLS_FILTERS = {secret_types.CERTIFICATE: "filter_pem", secret_types.PRIVATE_KEY: "traditional_key"}
"""Key of a Secret for TLS → the filter that makes of a file what the driver makes of it."""
TLS_NOTE = "Certificate and key are taken out of PEM; the driver takes them out of PKCS#12, too."


@dataclass
class Secret:
    """What a mapping says of a Secret, and what it reads for it."""

    spec: dict[str, Any]
    """The `secret` of the mapping."""
    path: FieldPath = ("spec",)
    """What it was made of, in the manifest."""
    files: list[File] = field(default_factory=list)
    """The files that it is made of."""
    notes: list[str] = field(default_factory=list)
    comments: list[tuple[FieldPath, str]] = field(default_factory=list)


def build_secret(raw: object, path: FieldPath, files: Mapping[str, File], aliases: Mapping[int, str]) -> Secret:
    """Return what a mapping says of the Secret of one of the `secretObjects`.

    Args:
        raw: the entry.
        path: its path in the manifest.
        files: the files that the provider writes, by their names.
        aliases: the names of the sources, by the lines of their objects.

    Raises:
        Refusal: the driver would make no Secret of it, or one that a mapping cannot make.
    """
    body = raw if isinstance(raw, Mapping) else {}
    for name in ("secretName", "type", "data"):
        if not body.get(name):
            noun = {"secretName": "secret name", "type": "secret type"}.get(name, name)
            raise Refusal(f"{noun} is empty, and the driver writes no Secret", f"write {name}", (*path, name))
    secret = Secret({"name": _read_text(body, "secretName", path)}, path)
    kind = _read_text(body, "type", path) or secret_types.OPAQUE
    if kind != secret_types.OPAQUE:
        secret.spec["type"] = kind
    if kind in secret_types.WITH_CONTENT:
        secret.spec["checkContent"] = False
        secret.comments.append(UNCHECKED)
    _add_metadata(secret, body, path)
    if kind == secret_types.TLS:
        secret.notes.append(TLS_NOTE)
        secret.spec["variables"] = {"data": {}}
    secret.spec["data"] = {}
    items = body["data"]
    if not isinstance(items, list):
        raise Refusal("data is no list", "write each key as {objectName: …, key: …}, with a dash", (*path, "data"))
    for number, item in enumerate(items):
        _add_key(secret, item, (*path, "data", number), files, aliases)
    return secret


def _read_text(body: Mapping[str, Any], name: str, path: FieldPath) -> str:
    value = body.get(name)
    if not isinstance(value, str | None):
        raise Refusal(f"{name} is no text, and the cluster refuses it", "put it in quotes", (*path, name))
    return (value or "").strip()


def _add_metadata(secret: Secret, body: Mapping[str, Any], path: FieldPath) -> None:
    for noun in ("labels", "annotations"):
        values = body.get(noun) or {}
        if not isinstance(values, Mapping) or not all(isinstance(value, str) for value in values.values()):
            what = f"{noun} have a value that is no text, and the cluster refuses it"
            raise Refusal(what, "put it in quotes", (*path, noun))
        kept = {key: value for key, value in values.items() if key not in (DRIVERS_LABEL, MANAGED_BY)}
        if kept:
            secret.spec[noun] = kept
    other = (body.get("labels") or {}).get(MANAGED_BY)
    if other is not None:
        secret.notes.append(f"The label {MANAGED_BY} is keyferry, and not {other}.")


def _add_key(
    secret: Secret, raw: object, path: FieldPath, files: Mapping[str, File], aliases: Mapping[int, str]
) -> None:
    body = raw if isinstance(raw, Mapping) else {}
    name, key = _read_text(body, "objectName", path), _read_text(body, "key", path)
    if not name or not key:
        field_name = "key" if name else "objectName"
        raise Refusal(f"{field_name} in secretObjects.data is empty", f"write {field_name}", (*path, field_name))
    if name not in files:
        remedy = f"write one of its files: {', '.join(files)}{suggest(name, files)}"
        raise Refusal(f"file matching objectName {name} not found in the pod", remedy, (*path, "objectName"))
    file, data = files[name], secret.spec["data"]
    if key in data:
        secret.notes.append(f"The key {key} is there twice, and the last one counts.")
    secret.files.append(file)
    entry = build_entry(file, aliases)
    if "variables" not in secret.spec:
        data[key] = entry
        return
    if key not in _TLS_FILTERS:
        what = f"key '{key}' is not supported by the driver in a Secret for TLS: only 'tls.key' and 'tls.crt' are"
        raise Refusal(what, "take it out, or choose the type Opaque", (*path, "key"))
    secret.spec["variables"]["data"][key] = entry
    data[key] = {"template": f'{{{{ variables["{key}"] | {_TLS_FILTERS[key]} }}}}'}


def build_entry(file: File, aliases: Mapping[int, str]) -> dict[str, Any]:
    """Return what a mapping says of a key that holds a file.

    Raises:
        Refusal: a path can give another text in a mapping.
    """
    entry: dict[str, Any] = {"from": aliases[file.entry.line]}
    if file.path is None:
        return entry
    try:
        with warnings.catch_warnings(action="ignore"):  # of what backticks hold, which is refused below
            jmespath.check(file.path.text)
    except ValueError as error:
        remedy = "correct it: a name with other signs than letters, digits and _ is in double quotes, as '\"a-b\"'"
        raise refuse(f"invalid JMES path {file.path}: {error}", remedy, file.path.line) from None
    difference = find_difference(file.path.text)
    if difference:
        what = f"the provider reads the path {file.path} otherwise: it {difference}"
        remedy = "write another path, or the mapping of this Secret by hand"
        raise refuse(what, remedy, file.path.line)
    return entry | {"path": file.path.text, "type": "string"}

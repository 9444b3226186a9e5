"""Checks the entries of `objects` as the AWS provider does, and says which files it makes of them.

Source: provider/secret_descriptor.go and server/server.go of secrets-store-csi-driver-provider-aws.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from keyferry.arn import Arn
from keyferry.cli.migrate.model import Refusal
from keyferry.cli.migrate.provider_class.objects import Entry, Text

BATCH = 10
"""How many parameters the provider asks for at once."""
IN_ORDER = "secretsmanager"
"""The service whose objects are read one after the other. Those of the other one come as AWS answers."""
_TYPES = {"secretsmanager": "secretsmanager", "ssmparameter": "ssm"}
"""`objectType` → the service in ARNs."""
_SERVICES = ("secretsmanager", "ssm", "ssmparameter")
_BAD_PATH = re.compile(r"/\.\./|^\.\./|/\.\.$")
_PERMISSION = re.compile(r"[0-7]{4}")
_BOTH_TYPES = "write objectType: secretsmanager or ssmparameter"


@dataclass(frozen=True)
class Parameters:
    """What the parameters of a class say beside `objects`."""

    region: str | None
    """The region; None where it is that of the nodes, and that is not known."""
    failover_region: str | None
    separator: str
    """What stands for a slash in names of files; empty where it stays."""
    source_region: str | None = None
    """The region that sources name; None for that of the stack."""


@dataclass(frozen=True)
class File:
    """One file that the provider writes: the whole value of an object, or what a path finds in it."""

    name: str
    entry: Entry
    """The object."""
    path: Text | None = None
    """The JMESPath expression; None for the whole value."""
    permission: str = ""
    """The mode, in octal; empty where the driver's own counts."""
    line: int = 0
    """The line in the text of `objects`, from 0."""


def get_service(entry: Entry) -> str:
    """Return the service of an object, as ARNs call it: `secretsmanager` or `ssm`."""
    written = entry.get("objectType").text
    arn = Arn.parse(entry.get("objectName").text)
    return _TYPES.get(written) or ("secretsmanager" if arn and arn.service == "secretsmanager" else "ssm")


def list_files(entries: Sequence[Entry], parameters: Parameters) -> list[File]:
    """Return the files that the provider writes, in its order.

    Raises:
        Refusal: the provider would fail.
    """
    for entry in entries:
        _check_entry(entry, parameters)
    _check_duplicates(entries)
    files = [file for entry in entries for file in _list_files(entry, parameters.separator)]
    for file in files:
        _check_file(file)
    return files


def list_overwritten(files: Sequence[File]) -> list[File]:
    """Return the files in whose place another one of the same name is written afterwards."""
    last = {file.name: file for file in files}
    return [file for file in files if last[file.name] is not file]


def _list_files(entry: Entry, separator: str) -> Iterator[File]:
    alias = entry.get("objectAlias")
    permission = entry.get("filePermission").text
    name = _name_file((alias or entry.get("objectName")).text, separator)
    yield File(name, entry, None, permission, entry.line)
    for part in entry.jmes:
        name = _name_file(part.get("objectAlias").text, separator)
        yield File(name, entry, part.get("path"), part.get("filePermission").text or permission, part.line)


def _name_file(name: str, separator: str) -> str:
    return name.replace("/", separator) if separator else name.lstrip("/")


def _check_file(file: File) -> None:
    if "/" in file.name:
        what = f"the file {file.name} cannot be written: its name contains path separators, unless the driver is set up"
        remedy = "take pathTranslation out, or give the object an objectAlias without slashes"
        raise file.entry.refuse(f"{what} to write the files itself (driverWritesSecrets)", remedy)
    if not file.name or file.name.startswith("..") or file.name == ".":
        remedy = "give the object an objectAlias"
        raise file.entry.refuse(f"a file cannot be called {file.name or 'nothing'}: the driver passes it over", remedy)


def _check_entry(entry: Entry, parameters: Parameters) -> None:
    name = entry.get("objectName")
    if not name:
        raise entry.refuse("an object has no objectName (Object name must be specified)", "write its name in AWS")
    _check_name(entry, entry, parameters.region)
    has_both = entry.get("objectVersion") and entry.get("objectVersionLabel")
    if has_both:
        raise entry.refuse(
            f"{name} has both objectVersion and objectVersionLabel, which ssm parameters can not specify, and which"
            " secrets can as long as the label is at that version",
            "take one of them out",
            "objectVersionLabel",
        )
    file_name = _name_file((entry.get("objectAlias") or name).text, parameters.separator)
    if _BAD_PATH.search(file_name):
        raise entry.refuse(f"path can not contain ../: {file_name}", "give the object an objectAlias without it")
    _check_permission(entry)
    for part in entry.jmes:
        _check_jmes(part)
    if entry.failover and entry.failover.get("objectName"):
        _check_failover(entry, entry.failover, parameters)


def _check_jmes(part: Entry) -> None:
    if not part.get("path"):
        raise part.refuse("an entry of jmesPath has no path (Path must be specified for JMES object)", "write a path")
    if not part.get("objectAlias"):
        what = "an entry of jmesPath has no objectAlias (Object alias must be specified for JMES object)"
        raise part.refuse(what, "write the name of its file")
    _check_permission(part)


def _check_permission(entry: Entry) -> None:
    permission = entry.get("filePermission").text
    if permission and not _PERMISSION.fullmatch(permission):
        what = f"filePermission {permission} is none (Invalid File Permission)"
        raise entry.refuse(what, 'write four octal digits in quotes, as "0440"', "filePermission")


def _check_name(entry: Entry, named: Entry, region: str | None) -> None:
    """Check the name of an object, or of its `failoverObject`, together with its type and region."""
    name, kind = named.get("objectName").text, entry.get("objectType").text
    arn = Arn.parse(name) if name.startswith("arn:") else None
    if name.startswith("arn:") and arn is None:
        raise named.refuse(f"Invalid ARN format in object name: {name}", "write the whole ARN", "objectName")
    if arn and region and arn.region != region:
        what = f"ARN region must match region {region}: {name}"
        raise named.refuse(what, "correct the region in the parameters, or the ARN", "objectName")
    if not kind and arn is None:
        what = f"Must use objectType when a full ARN is not specified: {name}"
        raise named.refuse(what, _BOTH_TYPES, "objectName")
    if kind and kind not in _TYPES:
        raise entry.refuse(f"Invalid objectType: {kind}", _BOTH_TYPES, "objectType")
    if arn and not kind and arn.service not in _SERVICES:
        raise named.refuse(f"Invalid service in ARN: {arn.service}", _BOTH_TYPES, "objectName")
    if arn and kind and arn.service not in (kind, _TYPES[kind]):
        what = f"objectType does not match ARN: {name}"
        raise entry.refuse(what, "correct the objectType, or leave it out", "objectType")


def _check_failover(entry: Entry, failover: Entry, parameters: Parameters) -> None:
    name = entry.get("objectName")
    if not entry.get("objectAlias"):
        what = f"object alias must be specified for objects with failover entries: {name}"
        raise entry.refuse(what, "write an objectAlias")
    if not parameters.failover_region:
        what = f"failover object allowed only when failover region is defined: {name}"
        raise failover.refuse(what, "write failoverRegion into the parameters")
    _check_name(entry, failover, parameters.failover_region)
    if failover.get("objectVersion").text != entry.get("objectVersion").text:
        what = f"object versions must match between primary and failover regions: {name}"
        raise failover.refuse(what, "write the same objectVersion in both")


def _check_duplicates(entries: Iterable[Entry]) -> None:
    """Check names and aliases that are there twice, as far as the provider refuses them."""
    seen = dict[str, Entry]()
    aliases = set[str]()
    for entry in entries:
        name, alias = entry.get("objectName").text, entry.get("objectAlias").text
        before = seen.get(name)
        if before and _is_duplicate(before, entry):
            what = f"found descriptor with duplicate object name {name}, and nothing that tells the two apart"
            raise entry.refuse(what, "give each its own objectAlias", "objectName")
        seen[name] = entry
        if alias in aliases:
            raise entry.refuse(f"found duplicate object alias {alias}", "give each its own objectAlias", "objectAlias")
        aliases |= {alias} - {""}
        for part in entry.jmes:
            own = part.get("objectAlias").text
            if own in aliases:
                what = f"Name already in use for objectAlias: found duplicate object alias {own} in a jmesPath"
                raise part.refuse(what, "give each its own objectAlias", "objectAlias")
            aliases.add(own)


def _is_duplicate(before: Entry, entry: Entry) -> bool:
    """Return whether the provider takes two entries of one name for the same: alias and label equal, or not there."""
    pairs = [(before.get(field).text, entry.get(field).text) for field in ("objectAlias", "objectVersionLabel")]
    return all(first == second for first, second in pairs)


def find_mixed_up(entries: Sequence[Entry]) -> Mapping[int, str]:
    """Return the parameters that the provider mixes up, by the line of their entries.

    It asks for ten at once, and finds the entry of an answer by the name alone: of two with the same name, the last
    one gets both answers, and the other's file is missing.
    """
    parameters = [entry for entry in entries if get_service(entry) == "ssm"]
    mixed = dict[int, str]()
    for start in range(0, len(parameters), BATCH):
        batch = parameters[start : start + BATCH]
        names = [entry.get("objectName").text for entry in batch]
        mixed |= {entry.line: name for entry, name in zip(batch, names, strict=True) if names.count(name) > 1}
    return mixed


def check_parameters(parameters: Mapping[str, str]) -> Refusal | None:
    """Return what the provider refuses in the parameters beside `objects`; None where it takes them."""
    translation = parameters.get("pathTranslation", "")
    if len(translation.encode()) > 1 and translation.lower() != "false":
        what = "pathTranslation must be either 'False' or a single character string"
        return Refusal(what, "correct it, or take it out", ("spec", "parameters", "pathTranslation"))
    identity = parameters.get("usePodIdentity", "")
    if identity and identity not in ("1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"):
        what = f"failed to parse usePodIdentity value {identity}"
        return Refusal(what, 'write "true" or "false", in quotes', ("spec", "parameters", "usePodIdentity"))
    return None

"""All manifests of an estate → their mappings, or why there are none; names that are used twice are told apart."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from keyferry.cli.check.problems import nearest
from keyferry.cli.migrate import CONVERTERS
from keyferry.cli.migrate.model import CSI, EXTERNAL_SECRETS, Conversion, Estate, Manifest, NoSecret, Refusal, Refusals
from keyferry.cli.migrate.workloads import KINDS
from keyferry.cli.migrate.writing import is_file_of, name_file

State = Literal["converted", "with a difference", "refused", "nothing to write"]
MAX_NAME = 63
"""The longest name of a mapping that is made: it is in the names of field managers and annotations."""
GENERATORS = "generators.external-secrets.io"
_KEEP = "keep External Secrets for it: a mapping reads AWS, and writes Secrets"
_REFUSED_KINDS = {
    (EXTERNAL_SECRETS, "PushSecret"): "it writes to a store",
    (EXTERNAL_SECRETS, "ClusterPushSecret"): "it writes to a store",
}
"""Kinds that belong to the originals, and have no equivalent → why."""
_STORES = {(EXTERNAL_SECRETS, "SecretStore"), (EXTERNAL_SECRETS, "ClusterSecretStore")}
_KINDS = {*CONVERTERS, *_REFUSED_KINDS, *_STORES, (CSI, "SecretProviderClassPodStatus")}
"""All kinds of the originals, with those that the driver makes itself."""


@dataclass(frozen=True)
class Outcome:
    """What became of one manifest."""

    manifest: Manifest
    conversions: Sequence[Conversion] = ()
    refusals: Sequence[Refusal] = ()
    told: Sequence[str] = ()
    """What is to be known of one that makes no Secret, as sentences."""

    @property
    def notes(self) -> list[str]:
        """What is to be known of it, as sentences."""
        return list(dict.fromkeys([*self.told, *(note for each in self.conversions for note in each.notes)]))

    @property
    def state(self) -> State:
        """What became of it, in words."""
        if self.refusals:
            return "refused"
        if not self.conversions:
            return "nothing to write"
        return "with a difference" if any(each.notes for each in self.conversions) else "converted"


@dataclass
class Outcomes:
    """What became of all manifests."""

    outcomes: list[Outcome] = field(default_factory=list)
    foreign: int = 0
    """How many objects are of other kinds."""


def convert_all(
    estate: Estate, step: Callable[[], None] = lambda: None, taken: Mapping[str, Path] | None = None
) -> Outcomes:
    """Return what becomes of the manifests.

    Args:
        estate: what was read.
        step: is called after each manifest.
        taken: the names of mappings that the folder has → the file of each, within the folder.
    """
    whole, seen = Outcomes(), dict[tuple[str | None, ...], list[Manifest]]()
    for manifest in estate.manifests:
        seen.setdefault(_identify(manifest, estate), []).append(manifest)
    for manifest in estate.manifests:
        if not _is_original(manifest):
            whole.foreign += not _is_read(manifest)
        elif _is_again(manifest, estate, seen) or _is_made(manifest, estate):
            continue
        else:
            whole.outcomes.append(_convert(manifest, estate, seen))
        step()
    whole.outcomes = list(_refuse_clashes(_name_apart(whole.outcomes, taken or {})))
    return whole


def _is_original(manifest: Manifest) -> bool:
    kind = (manifest.group or "", manifest.kind or "")
    return kind in CONVERTERS or kind in _REFUSED_KINDS or kind[0] == GENERATORS or _is_mistaken(*kind)


def _is_mistaken(group: str, kind: str) -> bool:
    """Return whether an object looks like an original: its kind of another API, or another kind of its API."""
    is_alike = kind in {name for _, name in CONVERTERS} or group in (EXTERNAL_SECRETS, CSI)
    return is_alike and (group, kind) not in _KINDS


def _is_read(manifest: Manifest) -> bool:
    """Return whether others are read with it: a store, or a workload, whose restarts are looked at."""
    return (manifest.group, manifest.kind) in _STORES or manifest.kind in KINDS


def _identify(manifest: Manifest, estate: Estate) -> tuple[str | None, ...]:
    return manifest.group, manifest.kind, estate.namespace_of(manifest), manifest.name


def _is_made(manifest: Manifest, estate: Estate) -> bool:
    """Return whether a manifest is made by another one that is converted itself, as a cluster's listing has both."""
    owners = manifest.get("metadata", "ownerReferences")
    return any(
        owner.get("kind") == "ClusterExternalSecret"
        and estate.list_named(EXTERNAL_SECRETS, "ClusterExternalSecret", None, str(owner.get("name")))
        for owner in (owners if isinstance(owners, list) else ())
        if isinstance(owner, dict)
    )


def _is_again(manifest: Manifest, estate: Estate, seen: Mapping[tuple[str | None, ...], list[Manifest]]) -> bool:
    """Return whether the very same object was there before."""
    known = seen[_identify(manifest, estate)]
    return next(each for each in known if each.body == manifest.body) is not manifest


def _convert(manifest: Manifest, estate: Estate, seen: Mapping[tuple[str | None, ...], list[Manifest]]) -> Outcome:
    others = [each for each in seen[_identify(manifest, estate)] if each.body != manifest.body]
    if others and manifest.name:
        what = f"{manifest} is there twice, with other content (also {others[0].locate()})"
        return Outcome(manifest, refusals=[Refusal(what, "give the manifests of one cluster", ("metadata", "name"))])
    try:
        return Outcome(manifest, _find_converter(manifest)(manifest, estate))
    except Refusal as refusal:
        return Outcome(manifest, refusals=[refusal])
    except Refusals as several:
        return Outcome(manifest, refusals=several.refusals)
    except NoSecret as told:
        return Outcome(manifest, told=[str(told)])


def _find_converter(manifest: Manifest) -> Callable[[Manifest, Estate], list[Conversion]]:
    """Return what converts a manifest.

    Raises:
        Refusal: there is no equivalent of its kind.
    """
    kind = (manifest.group or "", manifest.kind or "")
    if kind in CONVERTERS:
        return CONVERTERS[kind]
    if _is_mistaken(*kind):
        raise _explain_mistake(manifest)
    why = _REFUSED_KINDS.get(kind, "a generator makes a new value each time")
    raise Refusal(f"{manifest} has no equivalent: {why}", _KEEP, ("kind",))


def _explain_mistake(manifest: Manifest) -> Refusal:
    """Return why an object is no original, though it looks like one."""
    version = manifest.get("apiVersion")
    right = next((group for group, name in CONVERTERS if name == manifest.kind), None)
    if right is None:
        known = sorted(name for group, name in _KINDS if group == manifest.group)
        what = f"{manifest.kind} is no kind" if manifest.kind else "an object without a kind is none"
        similar = nearest(manifest.kind or "", known, "there is").rstrip("?")
        return Refusal(f"{what} of {manifest.group}{similar}", "correct it", ("kind",))
    what = f"{manifest} is of {version}, and not of {right}" if version else f"{manifest} has no apiVersion"
    return Refusal(what, f"write apiVersion: {right}/v1, if it is one of these; else leave it out", ("apiVersion",))


def _name_apart(outcomes: Sequence[Outcome], taken: Mapping[str, Path]) -> Iterator[Outcome]:
    """Yield the outcomes with names of mappings that are short enough, and each used once."""
    used: set[str] = set()
    for outcome in outcomes:
        file = name_file(outcome.conversions) if outcome.conversions else Path()
        blocked = {name for name, other in taken.items() if not is_file_of(file, other)}
        yield replace(outcome, conversions=[_name(each, used, blocked) for each in outcome.conversions])


def _name(conversion: Conversion, used: set[str], blocked: Set[str]) -> Conversion:
    wanted = name = conversion.name[:MAX_NAME].rstrip("-.")
    number = 1
    while name in used or name in blocked:
        number += 1
        name = f"{wanted[: MAX_NAME - 4].rstrip('-.')}-{number}"
    used.add(name)
    metadata = conversion.mapping["metadata"] | {"name": name}
    return replace(conversion, mapping=conversion.mapping | {"metadata": metadata})


def _refuse_clashes(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Yield the outcomes; those that write the same Secret are refused: a Secret has one mapping."""
    whole = list(outcomes)
    writers: dict[tuple[str, str], list[Manifest]] = {}
    for outcome in whole:
        for target in _list_targets(outcome):
            writers.setdefault(target, []).append(outcome.manifest)
    for outcome in whole:
        clash = next((each for each in _list_targets(outcome) if len(writers[each]) > 1), None)
        if clash is None:
            yield outcome
        else:
            others = [each for each in writers[clash] if each is not outcome.manifest] or [outcome.manifest]
            yield Outcome(outcome.manifest, refusals=[_refuse_clash("/".join(clash), others)])


def _refuse_clash(secret: str, others: Sequence[Manifest]) -> Refusal:
    """Return the refusal of a manifest whose Secret others write too."""
    what = f"the Secret {secret} is also written by {', '.join(f'{each} ({each.locate()})' for each in others)}"
    remedy = (
        "a Secret has one mapping, so let one of them make all its keys, and leave the others out; in the cluster too,"
        " before that one is handed over"
    )
    return Refusal(what, remedy, ("spec",))


def _list_targets(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Yield namespace and name of each Secret that is certain to be written."""
    for conversion in outcome.conversions:
        spec = conversion.mapping["spec"]
        names = [each for each in spec["namespaces"] if isinstance(each, str)]
        names += [each["names"][0] for each in spec["namespaces"] if isinstance(each, dict) and _is_one(each)]
        yield from ((name, spec["secret"]["name"]) for name in dict.fromkeys(names))


def _is_one(choice: dict[str, list[str]]) -> bool:
    names = choice.get("names", [])
    return len(names) == 1 and not set("*?") & set(names[0])

"""The files that `keyferry generate` makes of the mappings, and how those in a folder differ from them."""

import json
import textwrap
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Literal

from keyferry.access import accounts, entries, events, iam, people, rbac, removal
from keyferry.access.entries import AccessEntry
from keyferry.access.grants import is_unbounded
from keyferry.formats import yamltext
from keyferry.guides import link
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster
from keyferry.pipeline.alerts import alarms

HEADER = "# Generated from the mappings by `keyferry generate`. Do not edit: change the mappings, and generate anew.\n"
_SHELL = "#!/bin/sh\n" + HEADER
ACCESS, ALARMS, ENTRIES, EVENTS, PEOPLE = (
    f"stack/{name}.yaml" for name in ("access", "alarms", "entries", "events", "people")
)
"""The nested templates of the stack, relative to the folder."""
ENTRIES_LIST, ENTRIES_SCRIPT = "stack/access-entries.json", "access-entries.sh"
"""The access entries of all clusters, for Terraform; and the script that makes those of all, or of one cluster."""

_KEYS = f"""\
# kms:Decrypt is granted by way of Secrets Manager and Parameter Store alone, whichever the key. A KMS key whose policy
# does not leave it to IAM who may use it needs a statement of its own:
# {link("deploy", "kms-keys")}
"""
_UNBOUNDED_SOURCES = """\
# CAREFUL: these sources can find any name, so the role of deliver may read EVERYTHING in their service here:
#   {sources}
# Give each a path, tags, or a regexp with a fixed beginning, as ^team-a/.
"""
_PREFIXES = """\
# CAREFUL: by `grant: prefix` in policy.yaml the role of deliver may read whatever these patterns match, also where no
# mapping names it:
#   {patterns}
"""
_NAMESPACE_SELECTORS = """\
# Mappings that choose namespaces by labels or patterns ({names}) may read Secrets of that one name, and
# list the workloads that they restart, in all namespaces of the cluster. Where they write, the admission policies hold
# them to the namespaces that match.
"""
_MEMBER = f"""\
# For whoever owns account {{account}}: deploy it there, after Keyferry's stack, once in each region that has clusters
# or secrets of interest, first in that of RolesRegion. Guide: {link("deploy", "several-accounts")}
"""
type Difference = Literal["missing", "differs", "superfluous"]
"""How a file in the folder differs from what the mappings make it."""


def render_files(catalog: Catalog) -> dict[str, str]:
    """Return the name, relative to the folder, and the text of every generated file."""
    listed = entries.list_access_entries(catalog)
    files = render_templates(catalog) | {
        ENTRIES_LIST: json.dumps([entry.to_json() for entry in listed], indent=2) + "\n",
        f"stack/{ENTRIES_SCRIPT}": _entries_script("the clusters", listed),
    }
    for cluster in catalog.clusters.values():
        own = [entry for entry in listed if entry.cluster == cluster]
        files |= {f"clusters/{cluster.name}/{name}": text for name, text in _of_cluster(catalog, cluster, own).items()}
    return files


def _of_cluster(catalog: Catalog, cluster: Cluster, own: Iterable[AccessEntry]) -> dict[str, str]:
    """Return the files of one cluster: no .yaml and no .json but what `kubectl apply -f`, Flux and Argo CD take."""
    return {
        "rbac.yaml": HEADER + _rbac(catalog, cluster),
        ENTRIES_SCRIPT: _entries_script(f"cluster {cluster.name}", own),
        "remove-stale.sh": _SHELL + removal.build_script(catalog.stack.identity, cluster.name),
    }


def _entries_script(clusters: str, listed: Iterable[AccessEntry]) -> str:
    script = resources.files(__package__).joinpath(ENTRIES_SCRIPT).read_text()
    lines = "\n".join(entry.to_line() for entry in listed)
    return _SHELL + script.replace("@clusters@", clusters).replace("@entries@", lines)


def render_templates(catalog: Catalog) -> dict[str, str]:
    """Return the name, relative to the folder, and the text of every CloudFormation template, of accounts as well."""
    files = {
        ACCESS: HEADER + _warn_of_unbounded_sources(catalog) + _warn_of_prefixes(catalog) + _KEYS + _iam(catalog),
        ALARMS: HEADER + _to_yaml(alarms.build_template(catalog)),
        ENTRIES: HEADER + _to_yaml(entries.build_template(catalog)),
        EVENTS: HEADER + _to_yaml(events.build_template(catalog)),
        PEOPLE: HEADER + _to_yaml(people.build_template(catalog)),
    }
    for account in accounts.list_accounts(catalog):
        template = _to_yaml(accounts.build_template(catalog, account))
        files[f"accounts/{account}/member.yaml"] = HEADER + _MEMBER.format(account=account) + template
    return files


def _iam(catalog: Catalog) -> str:
    return _describe_usage(iam.compute_usage(catalog)) + _to_yaml(iam.build_template(catalog))


def _describe_usage(usage: iam.Usage) -> str:
    lines = textwrap.wrap(str(usage), 118) if usage.names else []
    return "".join(f"# {line}\n" for line in lines)


def _warn_of_unbounded_sources(catalog: Catalog) -> str:
    sources = [
        f"{alias} of mapping {mapping.name}"
        for mapping in catalog.mappings.values()
        for alias, source in mapping.spec.sources.items()
        if catalog.clusters_of(mapping) and is_unbounded(source)
    ]
    return _UNBOUNDED_SOURCES.format(sources=", ".join(sources)) if sources else ""


def _warn_of_prefixes(catalog: Catalog) -> str:
    patterns = {
        f"{mapping.spec.sources[alias].store.MAPPING_FIELD} {pattern}"
        for mapping in catalog.mappings.values()
        for alias in mapping.spec.sources
        for pattern in catalog.list_prefixes(mapping, alias)
    }
    return _PREFIXES.format(patterns="\n#   ".join(sorted(patterns))) if patterns else ""


def _rbac(catalog: Catalog, cluster: Cluster) -> str:
    mappings = [mapping for mapping in catalog.mappings.values() if cluster in catalog.clusters_of(mapping)]
    names = ", ".join(mapping.name for mapping in mappings if mapping.spec.namespace_selectors)
    note = _NAMESPACE_SELECTORS.format(names=names) if names else ""
    return note + "---\n".join(map(_to_yaml, rbac.build_rbac(catalog, cluster)))


def _to_yaml(document: object) -> str:
    return yamltext.text(document, width=120) + "\n"


def compare_files(folder: Path, files: Mapping[str, str]) -> dict[str, Difference]:
    """Return the names of the files that differ, and how; files without the header of `generate` are left alone."""
    differences: dict[str, Difference] = {name: "missing" for name in files if not (folder / name).is_file()}
    present = [name for name in files if name not in differences]
    differences |= {name: "differs" for name in present if _read(folder / name) != files[name]}
    differences |= dict.fromkeys(_superfluous(folder, files), "superfluous")
    return dict(sorted(differences.items()))


def _superfluous(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Return the names of files that were generated for clusters that have been removed since."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [path.relative_to(folder).as_posix() for path in paths if HEADER.strip() in _read(path)[:1000]]
    return [name for name in names if name not in files]


def list_gone_clusters(folder: Path, catalog: Catalog) -> dict[str, str | None]:
    """Return each cluster that has files in the folder and is no longer in clusters.yaml → what is known of it.

    That is the name that clusters.yaml has for the same cluster of EKS now; empty where it has none; None where the
    files do not say which cluster of EKS it was.
    """
    paths = sorted(folder.glob("clusters/*/rbac.yaml"))
    names = [path.parent.name for path in paths if HEADER.strip() in _read(path)[:1000]]
    return {
        name: _find_new_name(folder / "clusters" / name / ENTRIES_SCRIPT, catalog)
        for name in names
        if name not in catalog.clusters
    }


def _find_new_name(script: Path, catalog: Catalog) -> str | None:
    known = entries.read_clusters(_read(script)) if script.is_file() else set()
    clusters = catalog.clusters.items()
    names = [name for name, each in clusters if (each.eks.account, each.eks.region, each.eks.name) in known]
    return next(iter(names), "") if known else None


def _read(path: Path) -> str:
    return path.read_text(errors="replace")

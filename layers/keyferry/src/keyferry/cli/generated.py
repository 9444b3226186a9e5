"""The generated files: their names and texts, and how a folder differs from them."""

from collections.abc import Mapping
from pathlib import Path

from keyferry.access import entries, iam, rbac
from keyferry.formats import yamltext
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster
from keyferry.model import shorten

HEADER = "# Generated from the mappings by `keyferry generate`. Do not edit: change the mappings, and generate anew.\n"
RBAC = "rbac"
"""Folder of what each cluster gets."""

_KMS = """\
# Secrets and parameters under a KMS key of your own: the role of deliver must also be allowed to decrypt with that key.
# Which key that is, only AWS knows. Add to the key's policy, for each region:
#   Principal: {AWS: <the stack's output DeliverRoleArn>}
#   Action: kms:Decrypt
#   Condition: {StringEquals: {kms:ViaService: [secretsmanager.<region>.amazonaws.com, ssm.<region>.amazonaws.com]}}
# The AWS-managed keys aws/secretsmanager and aws/ssm need nothing.
"""
_MANY = """\
# The role of deliver gets {needed} managed policies. AWS allows {usual} until you ask for more: Service Quotas, IAM,
# "Managed policies attached to an IAM role" ({most} at most).
"""
_UNBOUNDED = """\
# CAREFUL: these sources can find any name, so the role of deliver may read EVERYTHING in their service here:
#   {sources}
# Give each a path, tags, or a regexp with a fixed beginning, as ^team-a/.
"""
_SELECTED = """\
# Mappings that choose namespaces by labels or patterns ({names}) have their rights in all namespaces of the
# cluster: on Secrets of that one name, and on the workloads that they restart. Which namespaces will match is not known
# here.
"""


def render_all(catalog: Catalog) -> dict[str, str]:
    """Return file name → text of everything that is generated."""
    needed = iam.count_policies(catalog)
    many = needed > iam.DEFAULT_MAX_POLICIES
    note = _MANY.format(needed=needed, usual=iam.DEFAULT_MAX_POLICIES, most=iam.MAX_POLICIES) if many else ""
    files = {
        "access.yaml": HEADER + _unbounded(catalog) + _KMS + note + _dump(iam.build_template(catalog)),
        "access-entries.sh": "#!/bin/sh\n" + HEADER + entries.build_script(catalog),
    }
    for cluster in catalog.clusters.values():
        files[f"{RBAC}/{shorten(cluster.name, 250)}.yaml"] = HEADER + _rbac(catalog, cluster)
    return files


def _unbounded(catalog: Catalog) -> str:
    named = [
        f"{alias} of mapping {mapping.name}"
        for mapping in catalog.mappings.values()
        for alias, source in mapping.spec.sources.items()
        if catalog.clusters_of(mapping) and iam.is_unbounded(source)
    ]
    return _UNBOUNDED.format(sources=", ".join(named)) if named else ""


def _rbac(catalog: Catalog, cluster: Cluster) -> str:
    mappings = [each for each in catalog.mappings.values() if cluster in catalog.clusters_of(each)]
    names = ", ".join(each.name for each in mappings if each.spec.namespace_selectors)
    note = _SELECTED.format(names=names) if names else ""
    return note + "---\n".join(map(_dump, rbac.build_rbac(catalog, cluster)))


def difference(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Return file name → how it differs: missing, differs, superfluous. A file without our header is not ours."""
    found = {name: "missing" for name in files if not (folder / name).is_file()}
    found |= {name: "differs" for name in files if name not in found and _text(folder / name) != files[name]}
    return dict(sorted((found | dict.fromkeys(superfluous(folder, files), "superfluous")).items()))


def superfluous(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Return the files that were generated before, and are no longer: of clusters that were removed."""
    present = [path for place in (folder, folder / RBAC) for path in sorted(place.glob("*")) if path.is_file()]
    names = [path.relative_to(folder).as_posix() for path in present if HEADER.strip() in _text(path)[:1000]]
    return [name for name in names if name not in files]


def write(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Bring a folder up to date, and return what was done: file name → missing, differs or superfluous before."""
    found = difference(folder, files)
    for name, what in found.items():
        path = folder / name
        if what == "superfluous":
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[name], newline="\n")
    return found


def _text(path: Path) -> str:
    return path.read_text(errors="replace")


def _dump(document: object) -> str:
    return yamltext.text(document, width=120) + "\n"

"""Clusters whose name the folder gives to another cluster of EKS: in a plan, the deployed ones have names of their own.

So a name stands for one cluster in all that is compared: what the old one loses, the new one does not have yet.
"""

from collections.abc import Iterator, Mapping, Sequence

from keyferry.cli.plan.rows import Row
from keyferry.mapping.catalog import Catalog


def list_replacements(folder: Catalog, deployed: Catalog) -> dict[str, str]:
    """Return the name that a replaced cluster is deployed under → the name that a plan gives to it.

    That is the name that the folder has for it now, otherwise account, region and name in EKS, as for
    `keyferry orphans`.
    """
    names = {cluster.eks: name for name, cluster in folder.clusters.items()}
    return {
        name: names.get(cluster.eks, str(cluster.eks))
        for name, cluster in deployed.clusters.items()
        if name in folder.clusters and folder.clusters[name].eks != cluster.eks
    }


def rename_clusters(deployed: Catalog, names: Mapping[str, str]) -> Catalog:
    """Return a catalogue whose clusters have other names. Its mappings still find them by their labels and old names.

    Args:
        deployed: the catalogue.
        names: old name → new name.
    """
    clusters = {
        name: cluster.model_copy(update={"name": names.get(name, name)}) for name, cluster in deployed.clusters.items()
    }
    return deployed.model_copy(update={"clusters": clusters})


def rename_rows(rows: Sequence[Row], names: Mapping[str, str]) -> list[Row]:
    """Return what is said of targets, under other names of their clusters."""
    return [row | {"cluster": names.get(row["cluster"], row["cluster"])} for row in rows]


def list_cluster_notes(folder: Catalog, deployed: Catalog) -> Iterator[str]:
    """Yield what to be careful about with clusters that are removed or replaced."""
    replaced = list_replacements(folder, deployed)
    for name, cluster in sorted(deployed.clusters.items()):
        is_used, shown = bool(deployed.mappings_on(cluster)), replaced.get(name)
        if is_used and name not in folder.clusters:
            yield (
                f"cluster {name} is removed: once that is deployed, `keyferry orphans` no longer finds it. First let no"
                " mapping go there, deploy, and remove what is left behind"
            )
        elif shown in folder.clusters:
            yield f"{name} is another cluster now: what is deployed under that name is shown as {shown}, its new name"
        elif shown:
            yield (
                f"{name} is another cluster now: the one that is deployed is shown as {shown}. Once that is deployed,"
                " `keyferry orphans` no longer finds it: first keep it in clusters.yaml under another name to which no"
                " mapping goes, deploy, and remove what is left behind"
            )

"""Clusters that have other names in the folder than they are deployed under: a plan calls each as the folder does.

So a name stands for one cluster of EKS in all that is compared. One that is only renamed neither gains nor loses
anything by that; of two that one name has stood for, the old one loses what the new one does not have yet.
"""

from collections.abc import Iterator, Mapping

from keyferry.mapping.catalog import Catalog


def list_new_names(folder: Catalog, deployed: Catalog) -> dict[str, str]:
    """Return the name that a cluster is deployed under → the name that a plan gives to it, where that is another one.

    That is the name that the folder has for it now. Without one, where the folder calls another cluster by its old
    name, it is account, region and name in EKS, as for `keyferry orphans`.
    """
    known = {cluster.eks: name for name, cluster in folder.clusters.items()}
    names = {
        name: known.get(cluster.eks, str(cluster.eks) if name in folder.clusters else name)
        for name, cluster in deployed.clusters.items()
    }
    return {old: new for old, new in names.items() if old != new}


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


def list_cluster_notes(folder: Catalog, deployed: Catalog) -> Iterator[str]:
    """Yield what to be careful about with clusters that are removed, renamed or replaced."""
    names = list_new_names(folder, deployed)
    for name, cluster in sorted(deployed.clusters.items()):
        is_used, is_taken, shown = bool(deployed.mappings_on(cluster)), name in folder.clusters, names.get(name)
        if is_used and not is_taken and not shown:
            yield (
                f"cluster {name} is removed: once that is deployed, `keyferry orphans` no longer finds it. First let no"
                " mapping go there, deploy, and remove what is left behind"
            )
        elif shown and not is_taken:
            yield (
                f"cluster {name} is renamed, and shown as {shown}: by that alone no Secret and no right in it is gained"
                " or lost, and nothing is left behind"
            )
        elif shown in folder.clusters:
            yield f"{name} is another cluster now: what is deployed under that name is shown as {shown}, its new name"
        elif shown:
            yield (
                f"{name} is another cluster now: the one that is deployed is shown as {shown}. Once that is deployed,"
                " `keyferry orphans` no longer finds it: first keep it in clusters.yaml under another name to which no"
                " mapping goes, deploy, and remove what is left behind"
            )

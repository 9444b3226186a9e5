"""Whether a stack delivers what is to be handed over: without that, nobody would write the Secret any more."""

from keyferry.cli.call import Call
from keyferry.cli.deployment import Deployment
from keyferry.delivery.desired import compute_revision
from keyferry.mapping.catalog import Catalog
from keyferry.model import Delivery


def describe_gap(folder: Catalog, deployment: Deployment, delivery: Delivery, stack: str, call: Call) -> str:
    """Return why a stack would not deliver what the folder has, and what to do; empty where it delivers just that.

    Args:
        folder: the mappings of the folder.
        deployment: what the stack is deployed with.
        delivery: the mapping and the cluster.
        stack: the name of the stack.
        call: how this program was called.
    """
    gap = _find_gap(folder, deployment.catalog, delivery)
    if not gap:
        return ""
    commands = ", then ".join(f"`{command}`" for command in call.deploy)
    return f"stack {stack} {gap}, and nobody else would keep this Secret up to date. Deploy first: {commands}"


def _find_gap(folder: Catalog, deployed: Catalog, delivery: Delivery) -> str:
    wanted, known = folder.mappings[delivery.mapping], deployed.mappings.get(delivery.mapping)
    if known is None:
        return f"has no mapping {delivery.mapping}"
    if compute_revision(known) != compute_revision(wanted) or known.managers != wanted.managers:
        return f"has another mapping {delivery.mapping} than the folder"
    eks = folder.clusters[delivery.cluster].eks
    if not any(each.name == delivery.cluster and each.eks == eks for each in deployed.clusters_of(known)):
        return f"does not have cluster {delivery.cluster} as the folder does"
    return ""

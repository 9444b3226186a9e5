"""ExternalSecret and ClusterExternalSecret → mappings, with the meaning that the operator gives them."""

from keyferry.cli.migrate.model import Conversion, Estate, Manifest, Refusal


def convert(manifest: Manifest, _estate: Estate) -> list[Conversion]:
    """Return the mapping of an ExternalSecret."""
    raise Refusal(f"{manifest} is not converted yet", "write the mapping by hand")


def convert_cluster(manifest: Manifest, _estate: Estate) -> list[Conversion]:
    """Return the mapping of a ClusterExternalSecret."""
    raise Refusal(f"{manifest} is not converted yet", "write the mapping by hand")

"""`keyferry migrate`: manifests of External Secrets and of the Secrets Store CSI driver become mappings."""

from collections.abc import Callable, Mapping

from keyferry.cli.migrate import external_secrets, provider_class
from keyferry.cli.migrate.model import CSI, EXTERNAL_SECRETS, Conversion, Estate, Manifest

type Converter = Callable[[Manifest, Estate], list[Conversion]]
"""Makes mappings of a manifest; raises `Refusal` or `Refusals` where it cannot."""

CONVERTERS: Mapping[tuple[str, str], Converter] = {
    (EXTERNAL_SECRETS, "ExternalSecret"): external_secrets.convert,
    (EXTERNAL_SECRETS, "ClusterExternalSecret"): external_secrets.convert_cluster,
    (CSI, "SecretProviderClass"): provider_class.convert,
}
"""Group and kind of a manifest → what converts it."""

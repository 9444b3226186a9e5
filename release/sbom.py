"""What is in the code layer, as a CycloneDX bill of materials: each package with its version and licence.

Keyferry itself has the hash of its wheel. The others have none: the lock has the hashes of all files of each of them,
and not which of these fits a processor.
"""

import hashlib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution, PackageMetadata, distributions
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License, LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "keyferry.dev")
_CLASSIFIER = "License :: OSI Approved :: "


def describe_layer(folder: Path, wheel: Path, version: str, seconds: int) -> str:
    """Return the bill of materials as JSON, the same each time for the same layer.

    Args:
        folder: the folder `python` of the built layer.
        wheel: that of Keyferry, from which the layer is built.
        version: the release of Keyferry.
        seconds: the time to write into it, since 1970.
    """
    licence = LicenseFactory().make_with_id("Apache-2.0")
    root = Component(
        name="keyferry",
        version=version,
        type=ComponentType.APPLICATION,
        purl=PackageURL("pypi", name="keyferry", version=version),
        bom_ref="keyferry",
        licenses=[licence],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(wheel.read_bytes()).hexdigest())],
    )
    components = [_describe(each) for each in distributions(path=[str(folder)])]
    bom = Bom(components=components, serial_number=uuid.uuid5(_NAMESPACE, f"{version} {seconds}"))
    bom.metadata.component, bom.metadata.timestamp = root, datetime.fromtimestamp(seconds, UTC)
    bom.register_dependency(root, components)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _describe(distribution: Distribution) -> Component:
    name, version = distribution.name.lower().replace("_", "-"), distribution.version
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        purl=PackageURL("pypi", name=name, version=version),
        bom_ref=f"{name}@{version}",
        licenses=_list_licences(distribution),
    )


def _list_licences(distribution: Distribution) -> list[License]:
    """Return the licence as the package declares it: one expression, or else one or more names."""
    make, declared = LicenseFactory().make_from_string, LicenseAcknowledgement.DECLARED
    return [make(text, license_acknowledgement=declared) for text in _list_texts(distribution.metadata)]


def _list_texts(metadata: PackageMetadata) -> Iterator[str]:
    text = metadata.get("License-Expression") or metadata.get("License") or ""
    if text and "\n" not in text:
        yield text
        return
    for classifier in metadata.get_all("Classifier") or []:
        if classifier.startswith(_CLASSIFIER):
            yield classifier.removeprefix(_CLASSIFIER)

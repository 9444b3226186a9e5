"""What External Secrets and the Secrets Store CSI driver make of their manifests, a mapping makes too.

The cases and where they are from: conformance/README.md.
"""

import base64
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyferry.cli.check import files
from keyferry.delivery.observed import MAPPING
from keyferry.mapping.mapping import SecretMapping
from keyferry_local.admin import Object
from keyferry_local.cloud import Cloud
from keyferry_local.direct import SHARED, Direct, catalog, share
from tests.integration.contents import Contents

HERE = Path(__file__).parent / "conformance"
FILES = [HERE / "eso-open.yaml", HERE / "ascp-open.yaml"]
CASES = {case["id"]: case for file in FILES for case in yaml.safe_load(file.read_text())}
OURS = re.compile(r"keyferry\.dev/|app\.kubernetes\.io/managed-by$")


def mappings(case: str) -> list[SecretMapping]:
    """Return the mappings of a case."""
    whole = yaml.safe_load_all((HERE / "mappings.yaml").read_text())
    return [SecretMapping.model_validate(m) for m in whole if m["metadata"]["name"].partition(".")[0] == case]


@pytest.fixture(scope="module", autouse=True)
def _known_secrets(cloud: Cloud) -> None:
    share(cloud, [mapping.spec.secret for case in CASES for mapping in mappings(case)])


@pytest.fixture
def case(request: pytest.FixtureRequest, cloud: Cloud) -> Iterator[dict[str, Any]]:
    """A case, its contents of AWS and its namespaces."""
    found: dict[str, Any] = CASES[request.param]
    admin = cloud.admins["prod-eu"]
    labels: dict[str, Any] = {name: {} for each in mappings(request.param) for name in each.spec.namespace_names}
    for name, own in (labels | found.get("namespaces", {})).items():  # they stay: other cases have them too
        admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": own}})
    if "existingSecret" in found:
        admin.apply(found["existingSecret"])
    contents = Contents(cloud, found["aws"])
    yield found
    contents.remove()
    for each in found["expect"].get("secrets", ()):
        admin.delete("Secret", each["name"], each["namespace"])


def _held(cloud: Cloud, names: Collection[str]) -> dict[tuple[str, str], str]:
    """Return the resourceVersion of every Secret that no other mapping than these has written.

    The deployed stack of other tests is at work in the same cluster, and hears of the secrets of some cases.
    """
    secrets = [secret["metadata"] for secret in cloud.admins["prod-eu"].list("Secret", None)]
    return {
        (metadata["namespace"], metadata["name"]): metadata["resourceVersion"]
        for metadata in secrets
        if metadata.get("annotations", {}).get(MAPPING) in (None, *names)
    }


def _seen(raw: Object) -> dict[str, Any]:
    metadata = raw["metadata"]
    return {
        "type": raw["type"],
        "data": {key: base64.b64decode(text) for key, text in raw.get("data", {}).items()},
        "immutable": raw.get("immutable", False),
        **{
            field: {key: text for key, text in metadata.get(field, {}).items() if not OURS.match(key)}
            for field in ("labels", "annotations")
        },
    }


def _expected(secret: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    data = {key: text.encode() for key, text in secret["data"].items()}
    data |= {key: base64.b64decode(text) for key, text in secret.get("data_b64", {}).items()}
    metadata = {field: secret.get(field, seen[field]) for field in ("labels", "annotations")}
    return {"type": secret["type"], "data": data, "immutable": secret.get("immutable", False), **metadata}


def test_every_mapping_is_of_a_case_and_valid(tmp_path: Path) -> None:
    clusters = "apiVersion: keyferry.dev/v1\nkind: Clusters\nclusters:\n- name: prod-eu\n  eks: "
    (tmp_path / "clusters.yaml").write_text(clusters + '{name: a, region: eu-west-1, account: "111122223333"}\n')
    (tmp_path / "mappings.yaml").write_text((HERE / "mappings.yaml").read_text())
    assert {name.partition(".")[0] for name in files.load(tmp_path).mappings} == CASES.keys()


@pytest.mark.parametrize("case", CASES, indirect=True)
def test_a_mapping_makes_what_the_case_expects(case: dict[str, Any], cloud: Cloud) -> None:
    wanted = mappings(case["id"])
    names = [SHARED.identity.journal_name(mapping.name) for mapping in wanted]
    before = _held(cloud, names)
    direct = Direct.grant(cloud, catalog(cloud, wanted, SHARED))
    errors = [str(error) for each in wanted for error in direct.deliver(each.name).errors]
    written = {key for key, version in _held(cloud, names).items() if before.get(key) != version}

    if "error" in case["expect"]:
        assert any(re.search(case["expect"]["error"], text, re.IGNORECASE) for text in errors), errors
    else:
        assert errors == []
    expected = {(each["namespace"], each["name"]): each for each in case["expect"].get("secrets", ())}
    assert written == expected.keys()
    for (namespace, name), secret in expected.items():
        raw = cloud.admins["prod-eu"].get("Secret", name, namespace)
        assert raw is not None
        assert _seen(raw) == _expected(secret, _seen(raw))

"""What External Secrets and the CSI driver make of their manifests, the mappings that `migrate` makes of them make too.

Each case is converted by the command, and what it has written is delivered. The cases and where they are from:
conformance/README.md.
"""

import base64
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from keyferry.cli import main
from keyferry.cli.check import files
from keyferry.delivery.observed import MAPPING
from keyferry.mapping.mapping import SecretMapping
from keyferry_local.admin import Object
from keyferry_local.cloud import Cloud
from keyferry_local.direct import SHARED, Direct, catalog, share
from tests.integration.contents import Contents

HERE = Path(__file__).parent / "conformance"
FILES = [HERE / name for name in ("eso-open.yaml", "ascp-open.yaml", "eso-more.yaml", "ascp-more.yaml")]
CASES: dict[str, dict[str, Any]] = {case["id"]: case for file in FILES for case in yaml.safe_load(file.read_text())}
OURS = re.compile(r"keyferry\.dev/|app\.kubernetes\.io/managed-by$")
CLUSTERS = """\
apiVersion: keyferry.dev/v1
kind: Clusters
clusters: [{name: prod-eu, eks: {name: prod-eu, region: eu-west-1, account: "111122223333"}}]
"""


@dataclass(frozen=True)
class Migration:
    """What `keyferry migrate` makes of a case."""

    mappings: list[SecretMapping]
    refusal: str
    """What it says where it refuses something; empty where it does not."""


@cache
def migrate(case: str) -> Migration:
    """Return what the command makes of a case, which has passed `validate` where it is not refused."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "mappings").mkdir()
        (folder / "mappings/clusters.yaml").write_text(CLUSTERS)
        (folder / "manifests.yaml").write_text(yaml.safe_dump_all(CASES[case]["manifests"]))
        words = ["--mappings", f"{folder}/mappings", "migrate", f"{folder}/manifests.yaml", "--cluster", "prod-eu"]
        done = CliRunner().invoke(main, words)
        assert done.exit_code in (0, 1), done.output
        refusal = done.output if done.exit_code else ""
        return Migration([] if refusal else list(files.load(folder / "mappings").mappings.values()), refusal)


def mappings(case: str) -> list[SecretMapping]:
    """Return the mappings of a case."""
    return migrate(case).mappings


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
    contents = [Contents(cloud, given, region) for region, given in _list_regions(found)]
    yield found
    for each in contents:
        each.remove()
    for each in found["expect"].get("secrets", ()):
        admin.delete("Secret", each["name"], each["namespace"])


def _list_regions(case: Mapping[str, Any]) -> list[tuple[str | None, dict[str, Any]]]:
    """Return the contents of AWS by region; None for the usual one."""
    return [(None, case.get("aws", {})), *case.get("awsRegions", {}).items()]


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


@pytest.mark.parametrize("case", CASES, indirect=True)
def test_what_is_migrated_makes_what_the_case_expects(case: dict[str, Any], cloud: Cloud) -> None:
    wanted = mappings(case["id"])
    names = [SHARED.identity.journal_name(mapping.name) for mapping in wanted]
    before, refusal = _held(cloud, names), migrate(case["id"]).refusal
    direct = Direct.grant(cloud, catalog(cloud, wanted, SHARED)) if wanted else None
    errors = [str(error) for each in wanted if direct for error in direct.deliver(each.name).errors]
    errors += [refusal] if refusal else []
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

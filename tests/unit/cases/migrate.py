"""What `keyferry migrate` shows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keyferry import __version__
from keyferry.cli.check import files
from keyferry.cli.migrate.handover.originals import Original
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster
from keyferry.pipeline.mappings import list_mappings
from tests.unit.migrate.test_handover import MARKS, OPERATOR, ORPHAN, FakeOperator, external
from tests.unit.shown import Case
from tests.unit.test_cli_push import FakeRuntime

STORE = """\
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: aws, namespace: shop}
spec: {provider: {aws: {service: SecretsManager, region: us-east-1}}}
---
"""
WHOLE = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: tokens, namespace: shop}
spec:
  secretStoreRef: {name: aws}
  data:
    - {secretKey: mailer, remoteRef: {key: shop/mailer}}
---
"""
FOUND = """\
apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata: {name: found, namespace: shop}
spec:
  secretStoreRef: {name: aws}
  dataFrom:
    - find: {path: shop/, tags: {team: shop}}
---
"""
EDITED = """\
# From shop.yaml:6 by keyferry migrate (000000000000)
apiVersion: keyferry.dev/v1
kind: SecretMapping
metadata:
  name: shop-tokens
spec:
  sources:
    mailer: {secretsManager: shop/mailer, region: us-east-1}
  clusters: [prod-eu]
  namespaces: [shop]
  secret:
    name: tokens
    data:
      mailer: {from: mailer}
  restart: auto
  policies: {keys: exclusive}
"""
REFUSED = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: odd, namespace: shop}
spec:
  refreshInterval: 0
  secretStoreRef: {name: vault}
  data:
    - secretkey: a
      remoteRef: {key: shop/a}
---
apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata: {name: back, namespace: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
---
kind: [
"""


def give(*parts: str, edited: bool = False) -> Callable[[pytest.MonkeyPatch, Path], None]:
    """Let a file have these manifests."""

    def prepare(_monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        (folder / "shop.yaml").write_text("".join(parts))
        if edited:
            file = folder / "mappings/shop/tokens.yaml"
            file.parent.mkdir()
            file.write_text(EDITED)

    return prepare


class Deployed:
    """A stack that is deployed with a folder, or with nothing."""

    name = "keyferry"

    def __init__(self, folder: Path, *, is_empty: bool) -> None:
        self.catalog = Catalog() if is_empty else files.load(folder)

    def ask(self, _question: str) -> Iterator[dict[str, Any]]:
        yield list_mappings(self.catalog, None) | {"release": __version__}


def connect(
    *originals: Original,
    held: str = "canary-1",
    forbidden: tuple[str, str] | None = None,
    owner: bool = False,
    is_empty: bool = False,
) -> Callable[[pytest.MonkeyPatch, Path], None]:
    """Let a cluster have a Secret that is another's, and originals that make it; the stack has the mapping or not."""

    def prepare(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        runtime, commands = FakeRuntime(), "keyferry.cli.migrate.commands"
        cluster = runtime.clusters["prod-eu"]
        cluster.create("payments", "payments-db", {"password": held}, manager=OPERATOR, **MARKS)
        if owner:
            cluster.set_owner_references("payments", "payments-db", "ExternalSecret/payments-db")
        operator = FakeOperator(cluster, *originals)
        operator.forbidden = {forbidden} if forbidden else set()

        def reach(clusters: list[Cluster], *_: object) -> Iterator[tuple[Cluster, Any]]:
            yield from ((each, operator) for each in clusters)

        monkeypatch.setattr(f"{commands}.verify.Runtime", runtime)
        monkeypatch.setattr(f"{commands}.handover.Runtime", runtime)
        monkeypatch.setattr(f"{commands}.handover.reach_clusters", reach)
        stack = Deployed(folder / "mappings", is_empty=is_empty)
        monkeypatch.setattr(f"{commands}.handover.open_stack", lambda *_: stack)

    return prepare


HELM = {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "shop"}}
CASES = {
    "verify": Case("migrate verify", 1, connect(held="canary-2")),
    "equal": Case("migrate verify", 0, connect()),
    "plan": Case("migrate handover --plan", 0, connect(external(), owner=True)),
    "helm": Case("migrate handover --wait 0 --yes", 1, connect(external(metadata=HELM), owner=True)),
    "done": Case("migrate handover --yes", 0, connect(external(target=ORPHAN))),
    "refused": Case("migrate handover --yes", 1, connect(external(), held="canary-2")),
    "forbidden": Case("migrate handover --yes", 1, connect(external(), forbidden=("delete", "externalsecrets"))),
    "undeployed": Case("migrate handover --plan", 1, connect(external(), owner=True, is_empty=True)),
    "no-stack": Case("migrate handover --yes --no-stack", 0, connect(external(target=ORPHAN), is_empty=True)),
    "unknown-stack": Case("migrate handover --plan", 1),
    "unasked": Case("migrate handover", 2, connect(external())),
    "table": Case("migrate shop.yaml --cluster prod-eu", 1, give(STORE, WHOLE, FOUND, REFUSED)),
    "report": Case("migrate shop.yaml --cluster prod-eu", prepare=give(STORE, WHOLE)),
    "edited": Case("migrate shop.yaml --cluster prod-eu --dry-run", prepare=give(STORE, WHOLE, edited=True)),
    "error": Case("migrate shop.yaml --cluster prod-us", 1, give(STORE, WHOLE)),
}

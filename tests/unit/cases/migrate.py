"""What `keyferry migrate` shows."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.shown import Case

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
    - find: {path: shop/, name: {regexp: .*}}
---
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
            file.write_text("# From shop.yaml:6 by keyferry migrate (000000000000)\nkind: SecretMapping\n")

    return prepare


CASES = {
    "table": Case("migrate shop.yaml --cluster prod-eu", 1, give(STORE, WHOLE, FOUND, REFUSED)),
    "report": Case("migrate shop.yaml --cluster prod-eu", prepare=give(STORE, WHOLE)),
    "edited": Case("migrate shop.yaml --cluster prod-eu --dry-run", prepare=give(STORE, WHOLE, edited=True)),
    "error": Case("migrate shop.yaml --cluster prod-us", 1, give(STORE, WHOLE)),
}

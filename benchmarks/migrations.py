"""How long `keyferry migrate` takes for many manifests, start-up included: into an empty folder, and once more."""

import subprocess
import sys
import time
from pathlib import Path

from rich.table import Table

KEYFERRY = str(Path(sys.executable).with_name("keyferry"))
STORE = """\
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: aws}
spec: {provider: {aws: {service: SecretsManager, region: eu-west-1}}}
"""
MANIFEST = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: db, namespace: team-{number}}}
spec:
  refreshInterval: 1h
  secretStoreRef: {{name: aws, kind: ClusterSecretStore}}
  target:
    template:
      data:
        url: "postgres://{{{{ .user }}}}:{{{{ .password | urlquery }}}}@db/app"
        app.conf: |
          user={{{{ .user }}}}
          {{{{- if .password }}}}
          password={{{{ .password | quote }}}}
          {{{{- end }}}}
  data:
    - {{secretKey: user, remoteRef: {{key: prod/team-{number}/db, property: username}}}}
    - {{secretKey: password, remoteRef: {{key: prod/team-{number}/db, property: password}}}}
"""
CLUSTERS = """\
apiVersion: keyferry.dev/v1
kind: Clusters
clusters: [{name: prod-eu, eks: {name: prod-eu, region: eu-west-1, account: "111122223333"}}]
"""


def measure(place: Path, *, count: int = 300) -> Table:
    """Return the time for so many manifests, each in a file, with templates."""
    manifests, mappings = place / "manifests", place / "mappings"
    manifests.mkdir(parents=True)
    mappings.mkdir()
    (mappings / "clusters.yaml").write_text(CLUSTERS)
    (manifests / "store.yaml").write_text(STORE)
    for number in range(count):
        (manifests / f"team-{number}.yaml").write_text(MANIFEST.format(number=number))
    table = Table("keyferry migrate", "time", title=f"{count:,} manifests", title_justify="left")
    for run in ("into an empty folder", "once more"):
        started = time.monotonic()
        command = [KEYFERRY, "--mappings", str(mappings), "migrate", str(manifests), "--cluster", "prod-eu"]
        subprocess.run(command, capture_output=True, check=True)
        table.add_row(run, f"{time.monotonic() - started:.1f} s")
    return table

"""What the programs of a control plane, and its administrator, are started with."""

import json
from pathlib import Path

from keyferry_local import certificates, components


def test_the_kubeconfigs_of_several_clusters_can_be_joined(tmp_path: Path) -> None:
    users, contexts = [], []
    for name in ("prod-eu", "prod-us"):
        site = components.Site(name, tmp_path, 1, 2, certificates.authority())
        path = components.write_kubeconfig(site, tmp_path / name, "admin", "system:masters")
        written = json.loads(path.read_text())
        users += [each["name"] for each in written["users"]]
        contexts += [(each["name"], each["context"]["user"]) for each in written["contexts"]]
    assert users == ["admin@prod-eu", "admin@prod-us"]
    assert contexts == [("prod-eu", "admin@prod-eu"), ("prod-us", "admin@prod-us")]

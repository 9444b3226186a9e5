"""The generated access-entries.sh with the real AWS CLI: whom it lets into a real cluster, and what it mends."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from keyferry.cli.generated import render_files
from keyferry.errors import Unauthorized
from keyferry.mapping.catalog import build_catalog
from keyferry.mapping.targets import Cluster
from keyferry_local.cloud import ACCOUNT, Cloud
from keyferry_local.direct import TRUST, mapping
from keyferry_local.install import Installation
from tests.integration.scene import CLUSTER, ask, connection

ROOT = Path(__file__).resolve().parents[2]
ROLES = {"DELIVER_ROLE_ARN": "entries-deliver", "RECONCILE_ROLE_ARN": "entries-reconcile"}


@dataclass(frozen=True)
class Terminal:
    """Where somebody runs the script of a folder, as the administrator of the local cloud."""

    cloud: Cloud
    folder: Path

    def run(self, **roles: str) -> subprocess.CompletedProcess[str]:
        """Run it, with the ARNs of roles or for the stack."""
        path = {"PATH": f"{ROOT}/.tools/awscli/bin:{os.environ['PATH']}"}
        return subprocess.run(
            ["sh", str(self.folder / "access-entries.sh")],
            env=self.cloud.aws.inherit(os.environ) | path | roles,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def roles(cloud: Cloud) -> Iterator[dict[str, str]]:
    """Two roles of one's own, by the variables that name them for the script."""
    iam, eks = cloud.aws.client("iam"), cloud.aws.client("eks")
    arns = {}
    for variable, name in ROLES.items():
        created = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        arns[variable] = created["Role"]["Arn"]
    yield arns
    for arn in arns.values():
        eks.delete_access_entry(clusterName=CLUSTER, principalArn=arn)
        iam.delete_role(RoleName=arn.rpartition("/")[2])


@pytest.fixture
def terminal(cloud: Cloud, tmp_path: Path) -> Terminal:
    """The script for one cluster."""
    eks = {"name": CLUSTER, "region": "eu-west-1", "account": ACCOUNT}
    secret = {"name": "db", "data": {"password": {"from": "db"}}}
    sources = {"db": {"secretsManager": "entries/db"}}
    goes_there = mapping("entries", sources=sources, clusters=[CLUSTER], namespaces=["entries"], secret=secret)
    files = render_files(build_catalog([goes_there], [Cluster.model_validate({"name": CLUSTER, "eks": eks})]))
    (tmp_path / "access-entries.sh").write_text(files[f"clusters/{CLUSTER}/access-entries.sh"])
    return Terminal(cloud, tmp_path)


def test_roles_are_let_in_and_let_in_again_when_they_were_made_again(
    cloud: Cloud, terminal: Terminal, roles: dict[str, str]
) -> None:
    iam, deliver = cloud.aws.client("iam"), roles["DELIVER_ROLE_ARN"]
    place = f"keyferry:deliver in cluster {CLUSTER} (eu-west-1)"

    first = terminal.run(**roles)
    assert (first.returncode, first.stderr, first.stdout.count("created: ")) == (0, "", 2)
    assert ask(connection(cloud, deliver), "GET", "/version")
    again = terminal.run(**roles)
    assert (again.returncode, again.stderr, again.stdout.count("right: ")) == (0, "", 2)

    name = deliver.rpartition("/")[2]
    iam.delete_role(RoleName=name)
    time.sleep(1.1)  # the emulator's times are whole seconds
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    with pytest.raises(Unauthorized):
        ask(connection(cloud, deliver), "GET", "/version")
    mended = terminal.run(**roles)
    assert f"made anew, as its role was made again after it: {place}" in mended.stdout
    assert mended.stdout.count("right: ") == 1
    assert ask(connection(cloud, deliver), "GET", "/version")


def test_a_user_name_that_somebody_changed_is_put_right(
    cloud: Cloud, terminal: Terminal, roles: dict[str, str]
) -> None:
    terminal.run(**roles)
    eks, deliver = cloud.aws.client("eks"), roles["DELIVER_ROLE_ARN"]
    eks.update_access_entry(clusterName=CLUSTER, principalArn=deliver, username="somebody")
    result = terminal.run(**roles)
    assert "given its user name in place of somebody: keyferry:deliver" in result.stdout
    entry = eks.describe_access_entry(clusterName=CLUSTER, principalArn=deliver)["accessEntry"]
    assert (result.returncode, entry["username"]) == (0, "keyferry:deliver")


def test_of_a_deployed_stack_it_finds_the_roles_and_every_entry_right(installed: Installation) -> None:
    terminal = Terminal(installed.cloud, installed.checkout / "generated/stack")
    terminal.run()  # the emulator's times are whole seconds: an entry of the same second as its role looks older
    result = terminal.run()
    listed = json.loads((installed.checkout / "generated/stack/access-entries.json").read_text())
    needed = [entry for entry in listed if entry["principal"] in installed.outputs]
    assert (result.returncode, result.stderr, result.stdout.count("right: ")) == (0, "", len(needed)), result.stdout

"""docs/migrate.md as it stands: its manifests and commands, beside what the originals and a chart do meanwhile."""

import io
import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyferry import __version__
from keyferry.cli.check import files
from keyferry.delivery.observed import MAPPING
from keyferry.pipeline.mappings import list_mappings
from keyferry_local.admin import Object
from keyferry_local.cloud import Cloud
from keyferry_local.direct import TRUST
from keyferry_local.watch import until
from tests.integration.history import History
from tests.integration.migrate.stand_ins import DRIVER, OPERATOR, Driver, Operator, install_kinds, remove_kinds, running
from tests.integration.operators import Operator as Person
from tests.integration.scene import CLUSTER
from tests.integration.test_plan import list_look
from tests.unit.guide_blocks import Block, list_blocks, split_commands

GUIDE = "docs/migrate.md"
SHOP, STACK = "shop", "shop-keyferry"
SECRETS = {
    "shop/orders": {"user": "shop", "password": "canary-orders"},
    "shop/cards": {"token": "canary-cards"},
    "shop/mailer": {"key": "canary-mailer", "from": "shop@example.com"},
}
CONTENT = {
    "orders-db": {"password": "canary-orders"},
    "orders-url": {"url": "postgres://shop:canary-orders@db.example/orders"},
    "cards": {"token": "canary-cards"},
    "mailer": SECRETS["shop/mailer"],
}
"""What the originals make, by what their manifests in the guide say."""
RULES: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "patch"]},
    {"apiGroups": [OPERATOR], "resources": ["externalsecrets"], "verbs": ["list", "patch", "delete", "create"]},
    {"apiGroups": [DRIVER], "resources": ["secretproviderclasses"], "verbs": ["list", "patch"]},
]
"""What the person of the guide may do in the namespace."""


def read_manifests() -> Iterator[tuple[str, list[Object]]]:
    """Yield the name of each file of the guide, and the manifests in it."""
    names = iter(("manifests/orders.yaml", "manifests/cards.yaml", "manifests/orders-api.yaml", "rendered.yaml"))
    for block in list_blocks("yaml"):
        if block.guide == GUIDE:
            yield next(names), list(yaml.safe_load_all(block.text))


def read_commands() -> list[list[str]]:
    """Return the commands of ours in the guide, in their order."""
    blocks: list[Block] = [block for block in list_blocks("sh") if block.guide == GUIDE]
    return [words[1:] for block in blocks for words in split_commands(block.text) if words[0] == "keyferry"]


class Shop:
    """The estate of the guide on the local cloud, and the person who moves it."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.admin, self.aws, self.folder, self.said = cloud.admins[CLUSTER], cloud.aws, folder, ""
        self.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP}})
        for name, value in SECRETS.items():
            cloud.aws.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(value))
        self.person = Person.join(cloud, folder)
        self.person.grant(RULES, SHOP)
        self.person.let_read_sources()
        self._let_look()
        self._write_folder()

    def _let_look(self) -> None:
        """Let the person ask the stack, by the policy for that."""
        policy = json.dumps({"Version": "2012-10-17", "Statement": list_look(STACK)})
        self.aws.client("iam").put_role_policy(RoleName=self.person.user, PolicyName="look", PolicyDocument=policy)

    def deploy(self) -> None:
        """Deploy the mappings, as far as others see it: a stack whose function says that it has them."""
        page = list_mappings(files.load(self.folder / "mappings"), None) | {"release": __version__}
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as code:
            code.writestr(
                "app.py", f"import json\ndef handler(event, _):\n    return json.loads({json.dumps(page)!r})\n"
            )
        role = self.aws.client("iam").create_role(RoleName=STACK, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
        name = {"FunctionName": f"{STACK}-report", "Runtime": "python3.13", "Handler": "app.handler"}
        self.aws.client("lambda").create_function(**name, Role=role["Arn"], Code={"ZipFile": archive.getvalue()})
        template = {
            "Resources": {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
            "Outputs": {"ReportFunction": {"Value": name["FunctionName"]}},
        }
        client = self.aws.client("cloudformation")
        client.create_stack(StackName=STACK, TemplateBody=json.dumps(template))
        until(
            "the stack is there",
            lambda: client.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE",
        )

    def _write_folder(self) -> None:
        (self.folder / "mappings").mkdir()
        (self.folder / "samconfig.toml").write_text(
            f'[default.deploy.parameters]\nstack_name = "{STACK}"\nregion = "eu-west-1"\n'
        )
        self.person.write_clusters(self.folder / "mappings")
        for name, documents in read_manifests():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(yaml.safe_dump_all(documents))

    def create_originals(self, driver: Driver) -> None:
        """Create what the guide shows, as Helm, a pipeline and the driver do."""
        for name, documents in read_manifests():
            for each in documents:
                if each["kind"] == "Deployment":
                    self.admin.apply(each)
                elif each["kind"] != "SecretStore":
                    annotations = {"meta.helm.sh/release-name": "mailer"} if name == "rendered.yaml" else {}
                    each["metadata"]["annotations"] = annotations
                    self._create(each)
        pod = until("the pod", lambda: next(iter(driver.cluster.list("pods")), None))
        driver.mount(pod["metadata"]["name"], "cards")

    def _create(self, manifest: Object) -> None:
        plural = {"ExternalSecret": "externalsecrets", "SecretProviderClass": "secretproviderclasses"}[manifest["kind"]]
        path = f"/apis/{manifest['apiVersion']}/namespaces/{SHOP}/{plural}?fieldManager=kubectl-create"
        self.admin.send("POST", path, manifest, "application/json")

    def run(self, words: list[str]) -> tuple[int, str, str]:
        """Run a command of the guide in the folder."""
        there = [str(self.folder / word) if (self.folder / word).exists() else word for word in words]
        code, out, error = self.person.run(self.folder / "mappings", *there)
        self.said += error
        return code, out, error

    def held(self) -> dict[str, dict[str, str]]:
        """Return what each Secret holds; nothing for one that is missing."""
        found = {name: self.admin.data(name, SHOP) or {} for name in CONTENT}
        return {name: {key: value.decode() for key, value in data.items()} for name, data in found.items()}

    def release_chart(self) -> None:
        """Do in the chart what is asked for, once it is: set the policy; when that has come, leave the original out."""
        path = f"/apis/{OPERATOR}/v1/namespaces/{SHOP}/externalsecrets/mailer"
        until("the others handed over", lambda: MAPPING in self._read("cards").get("annotations", {}), seconds=120)
        patch: Object = {"spec": {"target": {"creationPolicy": "Orphan"}}}
        self.admin.send("PATCH", f"{path}?fieldManager=helm", patch, "application/merge-patch+json")
        until("the owner gone", lambda: not self.owners("mailer"))
        self.admin.send("DELETE", path)

    def _read(self, name: str) -> Object:
        """Return the metadata of a Secret."""
        return dict((self.admin.get("Secret", name, SHOP) or {"metadata": {}})["metadata"])

    def owners(self, name: str) -> list[Object]:
        """Return the ownerReferences of a Secret."""
        return list(self._read(name).get("ownerReferences", ()))

    def list_originals(self) -> list[str]:
        """Return the ExternalSecrets that are left."""
        items = self.admin.send("GET", f"/apis/{OPERATOR}/v1/namespaces/{SHOP}/externalsecrets")["items"]
        return [each["metadata"]["name"] for each in items]


@pytest.fixture
def shop(cloud: Cloud, tmp_path: Path) -> Iterator[Shop]:
    """The estate, with operator and driver at work."""
    admin = cloud.admins[CLUSTER]
    install_kinds(admin)
    made = Shop(cloud, tmp_path)

    def read(original: Object) -> dict[str, str]:
        return CONTENT[original["metadata"]["name"]]

    operator, driver = Operator(admin, SHOP, read), Driver(admin, SHOP, read)
    with ExitStack() as stack:
        stack.enter_context(running(operator.reconcile_all, 0.05))
        made.create_originals(driver)
        stack.enter_context(running(driver.patch_owners, 0.3))
        until("all Secrets", lambda: made.held() == CONTENT)
        until("all owners", lambda: all(map(made.owners, CONTENT)))
        yield made
    remove_kinds(admin)
    for name in SECRETS:
        cloud.aws.client("secretsmanager").delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def test_the_shop_of_the_guide_moves_without_a_write_or_a_restart(shop: Shop) -> None:
    history, before = History(shop.admin, SHOP), {name: shop.admin.get("Secret", name, SHOP) for name in CONTENT}
    commands = read_commands()
    with ThreadPoolExecutor() as pool:
        chart = pool.submit(shop.release_chart)
        for words in commands[:-1]:
            if words[1:] == ["handover", "--plan"]:
                assert f"there is no stack {STACK} in eu-west-1" in shop.run(words)[2]
                shop.deploy()
            code, out, error = shop.run(words)
            assert code == 0, (words, out, error)
            if words[-1] == "--plan":
                check_plan(out)
        chart.result()

    assert (out, shop.list_originals()) == ("4 targets: 4 equal\n", [])
    assert f"Helm (mailer) keeps ExternalSecret {SHOP}/mailer" in shop.said
    assert shop.held() == CONTENT
    for name, secret in before.items():
        after = shop.admin.get("Secret", name, SHOP)
        assert secret is not None
        assert after is not None
        assert after["metadata"]["uid"] == secret["metadata"]["uid"]
        assert "ownerReferences" not in after["metadata"]
    assert history.new_replica_sets(SHOP) == 0

    assert "--back" in commands[-1]
    assert shop.run(commands[-1])[0] == 0
    assert (shop.list_originals(), shop.held()) == (["orders-db"], CONTENT)


def check_plan(out: str) -> None:
    """Assert that the plan of the Secret in the guide is the one that is shown there."""
    [shown] = [block.text for block in list_blocks("") if block.guide == GUIDE]
    assert shown in out

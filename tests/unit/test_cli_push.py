"""What `keyferry push` shows, asks and does: the code of `deliver`, from a terminal."""

import importlib
import itertools
import json
import re
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from urllib3.exceptions import LocationValueError

from keyferry.aws.errors import build_error
from keyferry.aws.errors.sdk import build_sdk_error
from keyferry.cli import main
from keyferry.cli.steer.interrupt import Interrupt
from keyferry.deadline import Deadline
from keyferry.delivery.observed import RESTART_DUE
from keyferry.delivery.passes import deliver
from keyferry.delivery.report import Report
from keyferry.delivery.work import SourceReader, Work
from keyferry.errors import AccessDenied, Forbidden, KeyferryError, Misconfigured, WrongCluster
from keyferry.guides import link_error
from keyferry.kube.proxies import choose_proxy
from keyferry.mapping.catalog import Catalog
from keyferry.model import Delivery, Expected
from keyferry.stores.source import Source
from keyferry.testing import Calls, FakeCluster, FakeSources
from tests.unit.bombs import TEMPLATES
from tests.unit.interrupts import interrupting
from tests.unit.samples import workload
from tests.unit.test_files import CLUSTERS, MAPPING
from tests.unit.world import KIND, SOURCE, secret

push = importlib.import_module("keyferry.cli.commands.steer.push")

US = '  - name: prod-us\n    eks: {name: prod-us, region: us-east-1, account: "111122223333"}\n'
SHOP = MAPPING.replace("payments-db", "shop-session").replace("[payments]", "{matchLabels: {team: shop}}")


class FakeRuntime:
    """Clusters and sources with memory, in place of the real ones."""

    def __init__(self) -> None:
        self.catalog, self.region = Catalog(), ""
        self.sources = FakeSources()
        self.sources.put(SOURCE, secret("canary-1"))
        self.clusters = {name: FakeCluster("payments", "shop-web") for name in ("prod-eu", "prod-us")}
        self.calls = Calls()
        self.delivered: list[Delivery] = []
        self.deadlines: list[float] = []
        self.failure: Callable[[Delivery], Exception | None] = lambda _delivery: None
        for cluster in self.clusters.values():
            cluster.namespaces["shop-web"] = {"team": "shop"}
            cluster.run("payments", KIND, workload("api"))

    def __call__(self, _environment: object, catalog: Catalog, session: boto3.Session) -> "FakeRuntime":
        self.catalog, self.region = catalog, session.region_name
        return self

    def reader(self, _sources: Collection[Source]) -> SourceReader:
        return self.sources.create_reader(self.calls)

    def prepare(self, delivery: Delivery, deadline: Deadline, _client: object = None) -> Work:
        failure = self.failure(delivery)
        if failure:
            raise failure
        self.deadlines.append(deadline.remaining())
        mapping, cluster = self.catalog.get(delivery.mapping, delivery.cluster)
        client = self.clusters[cluster.name].client(self.calls)
        return Work(delivery, mapping, client, cluster.restart_kinds, self.reader, deadline)

    def deliver(self, delivery: Delivery, deadline: Deadline, expected: Mapping[str, Expected] | None = None) -> Report:
        self.delivered.append(delivery)
        try:
            report = deliver(replace(self.prepare(delivery, deadline), expected=expected))
        except KeyferryError as error:
            report = Report(delivery, error=error)
        return report.locate(self.catalog.locate)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    made = FakeRuntime()
    monkeypatch.setattr(push, "Runtime", made)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-key")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_REGION", raising=False)
    return made


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    (tmp_path / "clusters.yaml").write_text(CLUSTERS + US)
    (tmp_path / "payments.yaml").write_text(MAPPING.replace("[prod-eu]", "[prod-eu, prod-us]"))
    (tmp_path / "shop.yaml").write_text(SHOP)
    return tmp_path


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let push believe that somebody can answer."""
    monkeypatch.setattr(push, "check_can_ask", lambda *_: None)


def run(mappings: Path, *args: str, stdin: str = "") -> Result:
    result = CliRunner().invoke(main, ["--mappings", str(mappings), "push", *args], input=stdin)
    assert "canary" not in result.output
    return result


def rows(result: Result) -> list[list[str]]:
    """Return the lines of a plain table, without its header, split into columns at wide gaps."""
    table = result.stdout.partition("\n\n")[0]
    return [[cell for cell in line.split("  ") if cell] for line in table.splitlines()[1:]]


def told(result: Result) -> list[dict[str, Any]]:
    """Return the deliveries of an answer in JSON: planned, done or sent."""
    [deliveries] = json.loads(result.stdout).values()
    return list(deliveries)


# The plan


def test_a_dry_run_shows_what_would_be_done_by_name_and_does_nothing(mappings: Path, runtime: FakeRuntime) -> None:
    result = run(mappings, "--dry-run", "payments-db", "--cluster", "prod-eu")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split() == [
        "will",
        "cluster",
        "namespace",
        "secret",
        "keys",
        "restarts",
        "why",
    ]
    assert [[cell.strip() for cell in row] for row in rows(result)] == [
        ["create", "prod-eu", "payments", "payments-db", "password", "Deployment/api", "missing"]
    ]
    assert (runtime.delivered, runtime.calls.writes) == ([], [])


def test_who_answers_for_a_mapping_is_in_the_table_and_in_the_json(mappings: Path, runtime: FakeRuntime) -> None:
    owned = MAPPING + '  owner: {team: payments, contact: "#payments"}\n'
    (mappings / "payments.yaml").write_text(owned)
    for option in ("--dry-run", "--yes"):
        result = run(mappings, option, "payments-db")
        assert "payments (#payments)" in result.stdout
        [found] = told(run(mappings, option, "payments-db", "--output", "json"))
        assert found["owner"] == {"team": "payments", "contact": "#payments"}


def test_a_dry_run_as_json_lists_deliveries_and_their_namespaces(mappings: Path, runtime: FakeRuntime) -> None:
    result = run(mappings, "--dry-run", "--output", "json", "--cluster", "prod-eu")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["planned"] == [
        {
            "mapping": "payments-db",
            "cluster": "prod-eu",
            "secret": "payments-db",
            "namespaces": [
                {
                    "namespace": "payments",
                    "will": "create",
                    "why": "missing",
                    "keys": ["password"],
                    "restarts": ["Deployment/api"],
                }
            ],
        },
        {
            "mapping": "shop-session",
            "cluster": "prod-eu",
            "secret": "shop-session",
            "namespaces": [{"namespace": "shop-web", "will": "create", "why": "missing", "keys": ["password"]}],
        },
    ]


def test_a_dry_run_ends_with_1_where_something_would_fail(mappings: Path, runtime: FakeRuntime) -> None:
    runtime.clusters["prod-eu"].create("payments", "payments-db", {"password": "canary-theirs"}, manager="helm")
    result = run(mappings, "--dry-run", "payments-db")
    assert result.exit_code == 1
    assert "belongs to field manager helm" in result.stdout
    assert [row[0].strip() for row in rows(result)] == ["fail", "create"]


@pytest.mark.parametrize("failure", [AccessDenied("AWS refuses eks:DescribeCluster on prod-eu"), KeyError("canary-2")])
def test_a_cluster_that_cannot_be_reached_does_not_hide_the_others(
    mappings: Path, runtime: FakeRuntime, failure: Exception
) -> None:
    runtime.failure = lambda delivery: failure if delivery.cluster == "prod-eu" else None
    result = run(mappings, "--dry-run", "payments-db")
    assert result.exit_code == 1
    assert [row[0].strip() for row in rows(result)] == ["fail", "create"]
    plans = told(run(mappings, "--dry-run", "payments-db", "--output", "json"))
    kind = type(failure).__name__ if isinstance(failure, KeyferryError) else "Unexpected"
    assert [plan.get("error", "").partition(":")[0] for plan in plans] == [kind, ""]
    assert [plan.get("help") for plan in plans] == [link_error(kind), None]


def test_what_fails_is_named_in_the_table_and_told_in_full_below(mappings: Path, runtime: FakeRuntime) -> None:
    runtime.clusters["prod-eu"].create("payments", "payments-db", {"password": "canary-theirs"}, manager="helm")
    runtime.failure = lambda delivery: AccessDenied("AWS refuses") if delivery.cluster == "prod-us" else None
    result = run(mappings, "--dry-run", "payments-db")
    assert [[cell.strip() for cell in row] for row in rows(result)] == [
        ["fail", "prod-eu", "payments", "payments-db", "Conflict"],
        ["fail", "prod-us", "-", "payments-db", "AccessDenied"],
    ]
    first, second, _, *guides, totals = result.stdout.partition("\n\n")[2].splitlines()
    assert guides == [
        "Conflict: https://keyferry.dev/operate/troubleshooting/#conflict",
        "AccessDenied: https://keyferry.dev/operate/troubleshooting/#accessdenied",
    ]
    assert totals == "2 targets: 2 fail"
    assert first.startswith(
        f"{mappings}/payments.yaml:11: prod-eu/payments/payments-db: Conflict: Secret payments-db: "
    )
    assert second == f"{mappings}/payments.yaml:4: prod-us/payments-db: AccessDenied: AWS refuses"


def test_a_mapping_whose_labels_match_no_namespace_says_so(mappings: Path, runtime: FakeRuntime) -> None:
    runtime.clusters["prod-eu"].namespaces["shop-web"] = {}
    for option in ("--dry-run", "--yes"):
        result = run(mappings, option, "shop-session")
        table, notes, _ = result.stdout.split("\n\n")
        assert "no namespace of this cluster matches" in table
        [note] = notes.splitlines()
        assert note.startswith("prod-eu/shop-session: note: no namespace of prod-eu has the labels team=shop: correct")
        assert result.exit_code == 0
        [found] = told(run(mappings, option, "shop-session", "--output", "json"))
        assert found["notes"] == [note.partition("note: ")[2]]


# Asking


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_the_plan_is_shown_before_the_question(mappings: Path, runtime: FakeRuntime) -> None:
    result = run(mappings, "payments-db", stdin="y\n")
    assert result.exit_code == 0
    assert "create" in result.stdout
    asked = "Change 2 Secrets, with your own rights, on prod-eu, prod-us of account 111122223333? [y/N]"
    assert asked in result.stderr
    assert {(each.mapping, each.cluster) for each in runtime.delivered} == {
        ("payments-db", "prod-eu"),
        ("payments-db", "prod-us"),
    }
    assert runtime.clusters["prod-us"].data("payments", "payments-db")


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_without_a_yes_nothing_is_done(mappings: Path, runtime: FakeRuntime, answer: str) -> None:
    result = run(mappings, stdin=answer)
    assert (result.exit_code, runtime.delivered, runtime.calls.writes) == (130, [], [])
    assert "nothing was done" in result.stderr


@pytest.mark.usefixtures("terminal")
def test_nothing_is_asked_where_nothing_is_to_be_done(mappings: Path, runtime: FakeRuntime) -> None:
    assert run(mappings, "--yes").exit_code == 0
    result = run(mappings)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "nothing to do")
    assert "[y/N]" not in result.stderr


@pytest.mark.usefixtures("terminal")
def test_nothing_is_asked_where_all_would_fail(mappings: Path, runtime: FakeRuntime) -> None:
    runtime.failure = lambda _delivery: Forbidden("the cluster forbids to get secrets/payments-db")
    result = run(mappings)
    assert result.exit_code == 1
    assert "[y/N]" not in result.stderr


def test_without_a_terminal_it_refuses_and_names_the_options(mappings: Path, runtime: FakeRuntime) -> None:
    result = run(mappings)
    assert (result.exit_code, runtime.calls.recorded) == (2, [])
    assert "there is no terminal to ask on; say --yes to push, or --dry-run to look" in result.stderr


def test_json_and_questions_do_not_go_together(
    mappings: Path, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    result = run(mappings, "--output", "json")
    assert (result.exit_code, runtime.calls.recorded) == (2, [])
    assert "--output json asks nothing; say --yes to push, or --dry-run to look" in result.stderr


# Pushing


def test_a_push_delivers_to_every_cluster_and_namespace_and_tells_what_it_did(
    mappings: Path, runtime: FakeRuntime
) -> None:
    result = run(mappings, "--yes")
    assert result.exit_code == 0
    assert [[cell.strip() for cell in row] for row in rows(result)] == [
        ["created", "prod-eu", "payments", "payments-db", "Deployment/api"],
        ["created", "prod-us", "payments", "payments-db", "Deployment/api"],
        ["created", "prod-eu", "shop-web", "shop-session"],
    ]
    assert "all of them: missing" in result.stdout, "one reason is told once"
    assert runtime.clusters["prod-eu"].stamps("payments", KIND, "api")


def test_a_second_push_changes_nothing(mappings: Path, runtime: FakeRuntime) -> None:
    run(mappings, "--yes")
    before = {name: cluster.versions() for name, cluster in runtime.clusters.items()}
    result = run(mappings, "--yes")
    assert result.stdout == "3 targets: 3 unchanged\n"
    assert before == {name: cluster.versions() for name, cluster in runtime.clusters.items()}


def test_a_push_has_ten_minutes_for_each_delivery(mappings: Path, runtime: FakeRuntime) -> None:
    run(mappings, "--yes")
    assert all(590 < seconds <= 600 for seconds in runtime.deadlines)


def test_a_push_as_json_says_versions_and_what_was_done(mappings: Path, runtime: FakeRuntime) -> None:
    found = told(run(mappings, "--yes", "payments-db", "--cluster", "prod-us", "--output", "json"))
    assert isinstance(found[0].pop("seconds"), float)
    assert found[0]["namespaces"][0].pop("written") <= found[0]["namespaces"][0].pop("stamped")
    assert found == [
        {
            "mapping": "payments-db",
            "cluster": "prod-us",
            "secret": "payments-db",
            "versions": {"db": "version-1"},
            "namespaces": [
                {
                    **{"namespace": "payments", "did": "created", "why": "missing", "keys": ["password"]},
                    **{"restart": "done", "seen": {"Deployment": 1, "StatefulSet": 0, "DaemonSet": 0}},
                    "workloads": [{"workload": "Deployment/api", "reason": "restarted", "by": ["envFrom"]}],
                }
            ],
        }
    ]


@pytest.mark.parametrize("failure", [Forbidden("the cluster forbids to patch secrets"), ValueError("canary-3")])
def test_a_delivery_that_fails_ends_with_1_and_does_not_stop_the_others(
    mappings: Path, runtime: FakeRuntime, failure: Exception
) -> None:
    runtime.failure = lambda delivery: failure if delivery.cluster == "prod-eu" else None
    result = run(mappings, "--yes", "payments-db")
    assert result.exit_code == 1
    assert [row[0].strip() for row in rows(result)] == ["failed", "created"]
    first, second = told(run(mappings, "--yes", "payments-db", "--output", "json"))
    assert first["help"] == link_error(first["error"].partition(":")[0])
    assert "help" not in second


def test_a_namespace_that_fails_is_told_with_its_reason(mappings: Path, runtime: FakeRuntime) -> None:
    runtime.clusters["prod-eu"].create("payments", "payments-db", {"password": "canary-theirs"}, manager="helm")
    result = run(mappings, "--yes", "payments-db", "--cluster", "prod-eu")
    assert result.exit_code == 1
    assert "Conflict: Secret payments-db: password belongs to field manager helm" in result.stdout


def break_path(mappings: Path) -> None:
    text = (mappings / "payments.yaml").read_text()
    (mappings / "payments.yaml").write_text(text.replace("path: password", "path: passwort"))


@pytest.mark.parametrize("mode", ["--dry-run", "--yes"])
def test_a_path_that_finds_nothing_is_told_with_file_and_line_in_each_form(
    mappings: Path, runtime: FakeRuntime, mode: str
) -> None:
    break_path(mappings)
    args = mode, "payments-db", "--cluster", "prod-eu"
    place = f"{mappings}/payments.yaml"
    text = "mapping payments-db, key password: source db: path passwort finds nothing"
    assert f"\n{place}:13: prod-eu/payments-db: SourceUnusable: {text}" in run(mappings, *args).stdout
    [found] = told(run(mappings, *args, "--output", "json"))
    assert found["at"] == f"{place}:13"
    assert found["error"].startswith(f"SourceUnusable: {text}")
    annotation = f"\n::error file={place},line=13,col=1::prod-eu/payments-db: SourceUnusable: {text}"
    assert annotation in run(mappings, *args, "--output", "github").stdout


def test_what_is_wrong_with_a_cluster_is_told_at_its_line_of_clusters_yaml(
    mappings: Path, runtime: FakeRuntime
) -> None:
    runtime.failure = lambda delivery: WrongCluster("another one") if delivery.cluster == "prod-us" else None
    result = run(mappings, "--dry-run", "payments-db")
    assert f"\n{mappings}/clusters.yaml:7: prod-us/payments-db: WrongCluster: another one\n" in result.stdout


def expire(delivery: Delivery) -> KeyferryError:
    return build_error("ExpiredTokenException", "", f"eks:DescribeCluster on {delivery.cluster}")


def name_socks(delivery: Delivery) -> Exception | None:
    try:
        choose_proxy(f"https://{delivery.cluster}.example", {"HTTPS_PROXY": "socks5://canary@proxy.example"})
    except Misconfigured as error:
        return error
    return None


def misname_endpoint(delivery: Delivery) -> KeyferryError:
    return build_sdk_error(LocationValueError("canary"), f"eks:DescribeCluster on {delivery.cluster}")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (expire, "NotSignedIn: AWS does not accept the credentials"),
        (name_socks, "Misconfigured: HTTPS_PROXY names a SOCKS proxy"),
        (misname_endpoint, "Misconfigured: HTTPS_PROXY, HTTP_PROXY or AWS_ENDPOINT_URL is no URL"),
    ],
)
@pytest.mark.parametrize("mode", ["--dry-run", "--yes"])
@pytest.mark.parametrize("output", ["table", "github"])
def test_what_is_wrong_with_the_environment_is_told_once_and_at_no_line(
    mappings: Path,
    runtime: FakeRuntime,
    mode: str,
    output: str,
    failure: Callable[[Delivery], Exception | None],
    said: str,
) -> None:
    runtime.failure = failure
    result = run(mappings, mode, "--output", output)
    assert result.exit_code == 1
    table, failures, _ = result.stdout.split("\n\n")
    assert (len(table.splitlines()), len(failures.splitlines())) == (4, 1)
    assert failures.startswith(said)


def test_two_things_wrong_with_the_environment_are_both_told(mappings: Path, runtime: FakeRuntime) -> None:
    runtime.failure = lambda delivery: expire(delivery) if delivery.cluster == "prod-us" else name_socks(delivery)
    _, failures, _ = run(mappings, "--dry-run").stdout.split("\n\n")
    assert [line.partition(":")[0] for line in failures.splitlines()] == ["Misconfigured", "NotSignedIn"]


def forbid_restarts(runtime: FakeRuntime) -> None:
    def refuse(_number: int, what: str) -> None:
        if what.startswith("patch payments/Deployment"):
            raise Forbidden("the cluster forbids to patch deployments/api")

    runtime.calls.before = refuse


def test_a_secret_that_is_written_with_its_restart_due_is_told_as_both(mappings: Path, runtime: FakeRuntime) -> None:
    forbid_restarts(runtime)
    args = "--yes", "payments-db", "--cluster", "prod-eu"
    result = run(mappings, *args)
    assert result.exit_code == 1
    assert [cell.strip() for cell in rows(result)[0]][::2] == ["created, restart due", "payments", "Forbidden"]
    said = (
        f"{mappings}/payments.yaml:14: prod-eu/payments/payments-db: Forbidden: the cluster forbids to"
        " patch deployments/api; the Secret is written, and its workloads are due for a restart"
        " (keyferry.dev/restart-due): the next try or sweep restarts them"
    )
    assert said in result.stdout
    [found] = told(run(mappings, *args, "--output", "json"))[0]["namespaces"]
    assert (found["did"], found["restartDue"], found["at"]) == ("failed", True, f"{mappings}/payments.yaml:14")
    assert "; its content stays as it was, and its workloads are due for a restart" in found["error"]


def test_only_the_namespace_that_is_named_is_written(mappings: Path, runtime: FakeRuntime) -> None:
    result = run(mappings, "--yes", "--namespace", "payments", "--cluster", "prod-eu")
    assert result.exit_code == 0
    assert set(runtime.clusters["prod-eu"].secrets) == {("payments", "payments-db")}
    assert {each.namespace for each in runtime.delivered} == {"payments"}


def test_what_takes_long_shows_how_far_it_is(
    mappings: Path, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyferry.cli.output.console.PATIENCE_SECONDS", 0.01)

    def slow(_delivery: Delivery) -> None:
        time.sleep(0.1)

    runtime.failure = slow
    assert "delivering …" in run(mappings, "--yes").stderr


# Choosing


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["payments-bd"], "no mapping is called payments-bd; did you mean payments-db?"),
        (["zzz"], "no mapping is called zzz; there is: payments-db, shop-session"),
        (["--cluster", "prod-euu"], "no cluster is called prod-euu; did you mean prod-eu?"),
        (
            ["shop-session", "--cluster", "prod-us"],
            "none of these mappings goes to cluster prod-us; they go to: prod-eu",
        ),
        (["payments-db", "--namespace", "payment"], "goes to namespace payment; did you mean payments?"),
    ],
)
def test_a_name_that_is_not_there_is_told_with_the_nearest(
    mappings: Path, runtime: FakeRuntime, args: list[str], said: str
) -> None:
    result = run(mappings, "--yes", *args)
    assert (result.exit_code, runtime.calls.recorded) == (1, [])
    assert said in result.stderr


@pytest.mark.parametrize("args", [["payments-db"], ["--cluster", "prod-eu"], ["--stack", "other"]])
def test_a_plan_says_all_that_is_pushed(mappings: Path, runtime: FakeRuntime, args: list[str]) -> None:
    result = run(mappings, "--plan", "plan.json", "--yes", *args)
    assert (result.exit_code, runtime.calls.recorded) == (2, [])
    assert "--plan says what to deliver" in result.stderr


@pytest.mark.usefixtures("runtime")
def test_without_mappings_there_is_nothing_to_push(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# nothing yet\n")
    result = run(tmp_path, "--yes")
    assert (result.exit_code, result.stderr) == (1, "there are no mappings to push\n")


@pytest.mark.usefixtures("runtime")
def test_a_mapping_without_clusters_has_nowhere_to_go(mappings: Path) -> None:
    (mappings / "shop.yaml").write_text(SHOP.replace("[prod-eu]", "{matchLabels: {env: test}}"))
    assert "none of these mappings has a cluster" in run(mappings, "--yes", "shop-session").stderr


def test_a_mapping_that_is_named_twice_is_delivered_once(mappings: Path, runtime: FakeRuntime) -> None:
    run(mappings, "--yes", "payments-db", "payments-db", "--cluster", "prod-eu")
    assert len(runtime.delivered) == 1


def test_without_credentials_or_region_nothing_is_begun(
    mappings: Path, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    result = run(mappings, "--yes")
    assert result.stderr.splitlines() == [
        "no AWS region is set: set AWS_REGION, or a region in the profile",
        "https://keyferry.dev/operate/troubleshooting/#misconfigured",
    ]
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    result = run(mappings, "--yes")
    assert (result.exit_code, runtime.calls.recorded) == (1, [])
    assert result.stderr.startswith("there are no AWS credentials: ")


@pytest.mark.parametrize(
    ("name", "region"), [("AWS_DEFAULT_REGION", "eu-west-2"), ("AWS_REGION", "eu-west-2"), ("AWS_REGION", "")]
)
def test_the_region_is_the_one_that_the_aws_cli_would_take(
    mappings: Path, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, name: str, region: str
) -> None:
    monkeypatch.setenv(name, region)
    assert run(mappings, "--yes").exit_code == 0
    assert runtime.region == (region or "eu-west-1")


# Through the queue of a stack


class FakeAws:
    """A session whose account has one stack."""

    def __init__(self) -> None:
        self.region_name = "eu-west-1"
        self.outputs = {"DeliveriesQueueUrl": "https://sqs.example/deliveries.fifo", "Other": "x"}
        self.code = ""
        self.sent: list[dict[str, Any]] = []

    def __call__(self, *, region_name: str | None) -> "FakeAws":
        self.region_name = region_name or self.region_name
        return self

    def get_credentials(self) -> Credentials:
        return Credentials("AKIAEXAMPLE", "canary-key")

    def client(self, _service: str, **_options: object) -> "FakeAws":
        return self

    def describe_stacks(self, **_name: str) -> dict[str, Any]:
        if self.code:
            raise ClientError({"Error": {"Code": self.code, "Message": "canary"}}, "DescribeStacks")
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE"} | ({"Outputs": outputs} if outputs else {})]}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, runtime: FakeRuntime) -> FakeAws:
    made = FakeAws()
    monkeypatch.setattr("boto3.Session", made)
    return made


def test_a_push_takes_back_what_somebody_has_written_again_since_the_last_delivery(
    mappings: Path, runtime: FakeRuntime
) -> None:
    assert run(mappings, "--yes", "payments-db").exit_code == 0
    assert {delivery.takes_back for delivery in runtime.delivered} == {True}


def test_a_stack_that_does_not_exist_is_told(mappings: Path, account: FakeAws) -> None:
    account.code = "ValidationError"
    result = run(mappings, "--yes", "--stack", "keyfery")
    assert result.exit_code == 1
    assert "there is no stack keyfery in eu-west-1: look at name, region and account" in result.stderr


def test_a_stack_is_looked_for_in_the_region_that_is_named(
    mappings: Path, account: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.code = "ValidationError"
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    assert "there is no stack keyferry in eu-west-2" in run(mappings, "--yes", "--stack", "keyferry").stderr


def test_a_stack_of_something_else_is_told(mappings: Path, account: FakeAws) -> None:
    account.outputs = {}
    assert "stack other has no output ReportFunction" in run(mappings, "--yes", "--stack", "other").stderr


def test_a_stack_that_may_not_be_looked_at_is_told_with_what_to_grant(mappings: Path, account: FakeAws) -> None:
    account.code = "AccessDenied"
    result = run(mappings, "--yes", "--stack", "keyferry")
    assert result.exit_code == 1
    assert "AWS refuses cloudformation:DescribeStacks on keyferry" in result.stderr


# Ctrl-C


TARGETS = [
    ("payments-db", "prod-eu", "payments"),
    ("payments-db", "prod-us", "payments"),
    ("shop-session", "prod-eu", "shop-web"),
]
"""Mapping, which is the name of its Secret too, cluster and namespace."""


def test_whichever_request_is_interrupted_what_it_says_is_left_is_what_is_left(
    mappings: Path, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says is done is done, with its restart; of the rest nothing more happens, and a second push does it."""
    for number in itertools.count():
        fresh, interrupt = FakeRuntime(), Interrupt()
        monkeypatch.setattr(push, "Runtime", fresh)
        monkeypatch.setattr(push, "Interrupt", lambda: interrupt)  # noqa: B023
        with interrupting(fresh.calls, number, lambda: interrupt.is_pressed):  # noqa: B023
            result = run(mappings, "--yes", "--output", "json")
        answer = json.loads(result.stdout)
        if not interrupt.is_pressed:
            assert (result.exit_code, "left" in answer, number > 20) == (0, False, True)
            return
        made = {(each["mapping"], each["cluster"]): each for each in answer["deliveries"]}
        left = {(each["mapping"], each["cluster"]) for each in answer.get("left", ())}
        assert sorted([*made, *left]) == sorted((mapping, cluster) for mapping, cluster, _ in TARGETS)
        told = {target: list(made.get(target[:2], {"namespaces": ()})["namespaces"]) for target in TARGETS}
        for (mapping, name, namespace), outcomes in told.items():
            cluster = fresh.clusters[name]
            is_written = (namespace, mapping) in cluster.secrets
            is_due = is_written and RESTART_DUE in cluster.annotations(namespace, mapping)
            assert [each["did"] for each in outcomes] == ["created"] * is_written
            assert any("error" in each or "restartDue" in each for each in outcomes) == is_due
        is_done = all(told.values()) and not any("restartDue" in each for [each] in told.values())
        assert result.exit_code == (0 if is_done else 130)
        monkeypatch.setattr(push, "Interrupt", Interrupt)
        assert run(mappings, "--yes").exit_code == 0
        rollouts = [[line for line in each.history if line.startswith("rollout")] for each in fresh.clusters.values()]
        assert rollouts == [["rollout payments/Deployment/api"]] * 2


def test_an_interrupted_push_says_what_ended_early_and_what_was_not_begun(
    mappings: Path, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt = Interrupt()
    monkeypatch.setattr(push, "Interrupt", lambda: interrupt)
    monkeypatch.setattr("keyferry.cli.deliveries.CONCURRENCY", 1)
    with interrupting(runtime.calls, 3, lambda: interrupt.is_pressed):
        result = run(mappings, "--yes")
    assert result.exit_code == 130
    assert "stopping: what has begun comes to an end; Ctrl-C again does not wait for it\n" in result.stderr
    assert "Interrupted: interrupted before the end; doing it again does the rest\n" in result.stdout
    last = "not begun: 2 deliveries (prod-us/payments-db, prod-eu/shop-session); do it again"
    assert result.stdout.splitlines()[-1] == last


def test_the_second_time_ctrl_c_waits_for_nothing(
    mappings: Path, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that has no answer yet is not waited for, and its delivery says that it did not end."""
    interrupt, go_on = Interrupt(), threading.Event()
    monkeypatch.setattr(push, "Interrupt", lambda: interrupt)
    main_thread = threading.main_thread().ident or 0

    def hang(number: int, _call: str) -> None:
        if number == 0:
            signal.pthread_kill(main_thread, signal.SIGINT)
            while not interrupt.is_pressed:
                time.sleep(0.001)
            signal.pthread_kill(main_thread, signal.SIGINT)
            go_on.wait(10)

    runtime.calls.before = hang
    result = run(mappings, "--yes", "--output", "json", "payments-db", "--cluster", "prod-eu")
    go_on.set()
    [delivery] = json.loads(result.stdout)["deliveries"]
    assert (result.exit_code, delivery["namespaces"]) == (130, [])
    assert delivery["error"] == "Interrupted: interrupted before the end; doing it again does the rest"


# What computes too much


@pytest.mark.parametrize("name", ["nested loops", "percent width", "bcrypt", "concat 10^8"])
def test_a_mapping_that_computes_too_much_is_told_in_every_command(
    mappings: Path, runtime: FakeRuntime, name: str
) -> None:
    bomb = json.dumps(TEMPLATES[name])
    text = MAPPING.replace("{from: db, path: password}", f"{{template: {bomb}}}")
    assert bomb in text
    (mappings / "payments.yaml").write_text(text)
    checked = CliRunner().invoke(main, ["--mappings", str(mappings), "validate"])
    assert checked.exit_code == 1
    assert re.search(
        r"payments\.yaml:\d+:\d+: mapping payments-db, key password: line 1 of the template: computes too",
        checked.output,
    )
    for option in ("--dry-run", "--yes"):
        result = run(mappings, option, "payments-db", "--cluster", "prod-eu")
        assert result.exit_code != 0
        said = " ".join(result.output.split())
        assert "mapping payments-db, key password: line 1 of the template: computes too much" in said
    assert runtime.calls.writes == []


# Failover


def test_a_failover_region_that_could_not_serve_is_told_once_and_beforehand(
    mappings: Path, runtime: FakeRuntime
) -> None:
    failover = "failover: [{region: us-east-1, name: copy/db}, {region: eu-central-1, name: denied/db}]"
    text = (mappings / "payments.yaml").read_text().replace("payments/db}", f"payments/db, {failover}}}")
    (mappings / "payments.yaml").write_text(text)
    runtime.sources.put("copy/db", secret("canary-1"))
    runtime.sources.errors["denied/db"] = AccessDenied("not for you")
    for args in (["--dry-run"], ["--yes"]):
        result = run(mappings, "payments-db", *args)
        warnings = [line for line in result.stderr.splitlines() if "warning" in line]
        place = f"{mappings}/payments.yaml:7"
        text = "mapping payments-db, source db: failover to eu-central-1 would fail: not for you"
        assert warnings == [f"{place}: warning: {text}"]
        assert result.exit_code == 0
    runtime.sources.errors.clear()
    runtime.sources.put("denied/db", secret("canary-1"))
    assert "warning" not in run(mappings, "payments-db", "--yes").stderr


def test_without_failover_nothing_more_is_read_and_what_is_unknown_of_it_is_told(
    mappings: Path, runtime: FakeRuntime
) -> None:
    run(mappings, "payments-db", "--cluster", "prod-eu", "--dry-run")
    reads = runtime.calls.count("source")
    text = (mappings / "payments.yaml").read_text().replace("payments/db}", "payments/db, failover: [us-east-1]}")
    (mappings / "payments.yaml").write_text(text)
    run(mappings, "payments-db", "--cluster", "prod-eu", "--dry-run")
    assert runtime.calls.count("source") == reads + reads + 1
    runtime.failure = lambda _delivery: RuntimeError("canary-1")
    result = run(mappings, "payments-db", "--cluster", "prod-eu", "--dry-run")
    assert "warning: mapping payments-db: RuntimeError at" in result.stderr
    runtime.failure = lambda _delivery: AccessDenied("not for you")
    assert "warning" not in run(mappings, "payments-db", "--cluster", "prod-eu", "--dry-run").stderr

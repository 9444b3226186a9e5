"""docs/deploy/cost.md: what the template has, the prices and the formulae make every figure of it.

Prices: those of us-east-1 in November 2026, in US dollars, as the services' price pages have them; nothing that is free
is taken off. A month has 730 hours.
"""

import math
import re
from dataclasses import dataclass

import pytest

from keyferry.delivery.report import Report
from keyferry.mapping.catalog import build_catalog
from keyferry.model import Change
from keyferry.pipeline.alerts.alarms import build_template
from keyferry.pipeline.route import RouteReport
from keyferry.pipeline.sweep import SweepReport
from tests.unit.samples import WHEN, cluster, delivery, mapping
from tests.unit.stack import ROOT, Stack

PAGE = (ROOT / "docs/deploy/cost.md").read_text()
STACK = Stack.load()
HOURS = 730
MONTH = HOURS * 3600
CALL, ALARM, METRIC, DASHBOARD = 0.05 / 10_000, 0.10, 0.30, 3.00
STANDARD, FIFO = 0.40 / 1e6, 0.50 / 1e6
GIBIBYTE_SECOND = 0.0000133334
POLLERS, POLLS_A_MINUTE = 5, 3
"""Of an event source mapping, while nothing waits on its queue."""
SECONDS_OF_A_SWEEP, PER_SWEEP_CALL = 5, 100
"""Taken for a sweep, of 1 GiB; and how many secrets one call lists."""
TEAMS, CLUSTERS = 5, 2
METRICS_OF_A_CHANGE = len(
    RouteReport(Change("secretsmanager", ("prod/db",), "updated", event_id="e", time=WHEN)).metrics()
) + len(Report(delivery(), written_at=WHEN).metrics())


@dataclass(frozen=True)
class Cost:
    """A row of a table."""

    name: str
    how: str
    dollars: float

    def __str__(self) -> str:
        return f"| {self.name} | {self.how} | {self.dollars:.2f} |"


def count_alarm_metrics() -> int:
    """Return how many metrics the alarms of the stack look at, which is what AWS bills."""
    return sum(
        sum("MetricStat" in part for part in alarm["Metrics"]) if "Metrics" in alarm else 1
        for alarm in STACK.of("CloudWatch::Alarm").values()
    )


def list_queues_with_pollers() -> list[bool]:
    """Return of each event source mapping whether its queue is FIFO."""
    events = [event for one in STACK.of("Serverless::Function").values() for event in one.get("Events", {}).values()]
    queues = STACK.of("SQS::Queue")
    arns = [event["Properties"]["Queue"]["Fn::GetAtt"] for event in events if event["Type"] == "SQS"]
    return ["FifoQueue" in queues[(arn.split(".") if isinstance(arn, str) else arn)[0]] for arn in arns]


def list_idle_costs() -> list[Cost]:
    alarms, queues = count_alarm_metrics(), list_queues_with_pollers()
    named = TEAMS + 1 + CLUSTERS
    metrics = len(SweepReport(checked=1).metrics())
    polls = POLLERS * POLLS_A_MINUTE * 60 * HOURS
    fifo, standard = queues.count(True), queues.count(False)
    return [
        Cost("Alarms of the stack", f"{len(STACK.of('CloudWatch::Alarm'))}, on {alarms} metrics", alarms * ALARM),
        Cost("Alarms by owner and by cluster", f"{TEAMS} teams, the others, {CLUSTERS} clusters", named * ALARM),
        Cost("Metrics", f"{metrics}, of each sweep", metrics * METRIC),
        Cost("Dashboard", f"{len(STACK.of('CloudWatch::Dashboard'))}", DASHBOARD),
        Cost(
            "Queues, asked while they are empty",
            f"{len(queues)}, of which {fifo} FIFO; {polls:,} requests each",
            polls * (standard * STANDARD + fifo * FIFO),
        ),
        Cost(
            "Sweeps",
            f"{HOURS}, of {SECONDS_OF_A_SWEEP} s and 1 GiB",
            HOURS * SECONDS_OF_A_SWEEP * GIBIBYTE_SECOND + HOURS * CALL,
        ),
    ]


def compute_changes(secrets: int) -> float:
    """Return what a change a month of each secret, in one cluster, and the listings of the sweeps cost."""
    reads = secrets * CALL
    compute = secrets * (0.25 + 1.0) * GIBIBYTE_SECOND  # of route and of deliver, by their memory and seconds
    listings = (math.ceil(secrets / PER_SWEEP_CALL) - 1) * HOURS * CALL  # the first page is a cost of the idle stack
    metrics = METRICS_OF_A_CHANGE * METRIC * min(secrets, HOURS) / HOURS  # billed by the hours that have one
    return reads + compute + listings + metrics


def compute_polls(secrets: int, seconds: int) -> float:
    return secrets * MONTH / seconds * CALL


def describe(secrets: int) -> str:
    """Return the row of a number of secrets."""
    own = sum(cost.dollars for cost in list_idle_costs()) + compute_changes(secrets)
    polls = [compute_polls(secrets, seconds) for seconds in (3600, 60, 120)]
    return f"| {secrets:,} | {own:.2f} | " + " | ".join(f"{dollars:,.2f}" for dollars in polls) + " |"


@pytest.mark.parametrize("cost", list_idle_costs(), ids=lambda cost: cost.name)
def test_the_page_has_each_cost_of_an_idle_stack(cost: Cost) -> None:
    assert str(cost) in PAGE.splitlines()


def test_the_page_has_their_sum_and_nothing_else_of_the_kind() -> None:
    table = PAGE.partition("## A stack that does nothing")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    total = sum(cost.dollars for cost in list_idle_costs())
    assert rows == [*map(str, list_idle_costs()), f"| **Together** | | **{total:.2f}** |"]


@pytest.mark.parametrize("secrets", [100, 1_000, 10_000])
def test_the_page_has_the_costs_beside_polling(secrets: int) -> None:
    assert describe(secrets) in PAGE.splitlines()


def test_the_page_says_from_how_many_secrets_on_polling_by_the_hour_costs_more() -> None:
    said = re.search(r"from about ([\d,]+)\s+secrets on", PAGE)
    assert said
    count = int(said[1].replace(",", ""))
    idle = sum(cost.dollars for cost in list_idle_costs())
    assert compute_polls(int(count * 0.9), 3600) < idle + compute_changes(int(count * 0.9))
    assert compute_polls(int(count * 1.1), 3600) > idle + compute_changes(int(count * 1.1))


def test_nothing_of_the_stack_has_a_price_by_the_month_that_the_page_leaves_out() -> None:
    free = {"Events::Rule", "IAM::*", "Logs::LogGroup", "SNS::*", "SQS::*", "Scheduler::Schedule", "Serverless::*"}
    counted = {"CloudWatch::Alarm", "CloudWatch::Dashboard", "CloudFormation::Stack"}
    known = STACK.of(*free, *counted)
    assert STACK.of("*").keys() - known.keys() == set()
    assert STACK.of("KMS::*", "EC2::*") == {}


def test_each_owner_and_each_cluster_has_one_alarm_on_one_metric() -> None:
    teams = [mapping(f"m{number}", owner={"team": f"team-{number}"}) for number in range(TEAMS)]
    catalog = build_catalog(teams, [cluster(), cluster("prod-us")])
    assert len(build_template(catalog)["Resources"]) == TEAMS + 1 + CLUSTERS

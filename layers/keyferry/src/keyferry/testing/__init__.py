"""Test deliveries with a cluster and sources in memory, and a clock that is moved by hand. None of this is deployed.

```python
from datetime import UTC, datetime

from keyferry.delivery.passes import deliver
from keyferry.delivery.work import Work
from keyferry.kinds import DEFAULT_KINDS
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Delivery
from keyferry.testing import Calls, FakeClock, FakeCluster, FakeSources, encode

mapping = SecretMapping.model_validate({  # what a mapping file says
    "apiVersion": "keyferry.dev/v1",
    "kind": "SecretMapping",
    "metadata": {"name": "payments-db"},
    "spec": {
        "sources": {"db": {"secretsManager": "prod/payments/db"}},
        "clusters": ["prod-eu"],
        "namespaces": ["payments"],
        "secret": {"name": "payments-db", "data": {"password": {"from": "db", "path": "password"}}},
    },
})
delivery = Delivery(mapping="payments-db", cluster="prod-eu", event_id="event-1", time=datetime.now(UTC))
cluster, sources, clock = FakeCluster("payments"), FakeSources(), FakeClock()
sources.put("prod/payments/db", '{"password": "first"}')
calls = Calls()
report = deliver(
    Work(
        delivery=delivery,
        mapping=mapping,
        cluster=cluster.client(calls),
        restart_kinds=DEFAULT_KINDS,
        create_reader=lambda _sources: sources.create_reader(calls),
        deadline=clock.deadline(seconds=60),
        sleep=clock.sleep,
    )
)
assert not report.errors
assert cluster.data("payments", "payments-db") == {"password": encode("first")}
```
"""

from keyferry.testing.calls import Calls
from keyferry.testing.client import FakeClient
from keyferry.testing.clock import FakeClock
from keyferry.testing.cluster import FakeCluster
from keyferry.testing.secret import FakeSecret, encode
from keyferry.testing.sources import FakeSources

__all__ = ["Calls", "FakeClient", "FakeClock", "FakeCluster", "FakeSecret", "FakeSources", "encode"]

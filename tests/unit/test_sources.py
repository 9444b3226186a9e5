"""Parameters are read by ten: in one call of Parameter Store, or for its own error alone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from keyferry.aws.sources import Sources, create_state_reader
from keyferry.delivery.sources import build_desired
from keyferry.errors import SourceMissing, Throttled
from keyferry.model import SourceState
from keyferry.stores.source import Source
from tests.unit.samples import mapping
from tests.unit.world import World

WHEN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class FakeStore:
    """A region's Parameter Store."""

    class meta:  # noqa: N801  # as boto3's clients have it
        """Where it is."""

        region_name = "eu-west-1"

    def __init__(self, *names: str) -> None:
        self.names, self.calls, self.refuses, self.batches = set(names), list[list[str]](), "", 0
        """The parameters, the names of each call, with which code all batches are refused, and how many there were."""

    def get_parameters(self, *, Names: list[str], WithDecryption: bool) -> dict[str, Any]:  # noqa: ARG002, N803
        """Return those that are there."""
        self.batches += 1
        self.calls.append(Names)
        if self.refuses:
            raise ClientError({"Error": {"Code": self.refuses}}, "GetParameters")
        return {"Parameters": [self._parameter(name) for name in Names if name.partition(":")[0] in self.names]}

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, Any]:  # noqa: ARG002, N803
        """Return one."""
        self.calls.append([Name])
        if Name.partition(":")[0] not in self.names:
            raise ClientError({"Error": {"Code": "ParameterNotFound"}}, "GetParameter")
        return {"Parameter": self._parameter(Name)}

    def _parameter(self, selector: str) -> dict[str, Any]:
        name, colon, which = selector.partition(":")
        more = {"Selector": f":{which}"} if colon else {}
        return {"Name": name, "Value": f"canary {selector}", "Version": 3, "LastModifiedDate": WHEN, **more}


class FakeSessions:
    """Gives one client for all regions and roles, and remembers for which."""

    def __init__(self, store: FakeStore) -> None:
        self.store, self.asked = store, list[str | None]()

    def client(self, service: str, region: str | None, _role: object, **_how: bool) -> FakeStore:
        """Return the client."""
        assert service == "ssm"
        self.asked.append(region)
        return self.store


def parameter(name: str, **more: Any) -> Source:  # noqa: ANN401
    return Source.model_validate({"parameterStore": name} | more)


def read(store: FakeStore, *sources: Source) -> list[str]:
    """Read sources as a delivery does, and return what they hold."""
    reader = Sources(FakeSessions(store)).create_reader(sources)  # type: ignore[arg-type]
    return [reader(source).content.reveal().decode() for source in sources]


def test_parameters_are_read_by_ten() -> None:
    names = [f"/prod/{number}" for number in range(23)]
    store = FakeStore(*names)
    assert read(store, *map(parameter, names)) == [f"canary {name}" for name in names]
    assert [len(call) for call in store.calls] == [10, 10, 3]


def test_versions_labels_regions_and_roles_are_told_apart() -> None:
    store = FakeStore("/a")
    role = "arn:aws:iam::444455556666:role/secrets"
    sources = [
        parameter("/a"),
        parameter("/a", version="2"),
        parameter("/a", label="live"),
        parameter("/a", region="us-east-1"),
        parameter("/a", role=role),
        parameter("/a"),
    ]
    assert read(store, *sources) == ["canary /a", "canary /a:2", "canary /a:live", *["canary /a"] * 3]
    assert store.calls == [["/a", "/a:2", "/a:live"], ["/a"], ["/a"]]


def test_the_same_parameter_twice_is_no_batch() -> None:
    store = FakeStore("/a")
    read(store, parameter("/a"), parameter("/a"))
    assert store.calls == [["/a"], ["/a"]]
    assert store.batches == 0


@pytest.mark.parametrize(
    "alone",
    [
        {"parameterStore": "arn:aws:ssm:eu-west-1:111122223333:parameter/b"},
        {"parameterStore": "/b", "failover": ["us-east-1"], "region": "eu-west-1"},
    ],
)
def test_what_has_an_account_or_other_regions_is_read_alone(alone: dict[str, Any]) -> None:
    store = FakeStore("/a", "/b", alone["parameterStore"].partition(":")[0])
    read(store, parameter("/a"), Source.model_validate(alone))
    assert [len(call) for call in store.calls] == [1, 1]


def test_one_that_is_missing_is_asked_for_alone_and_named() -> None:
    store = FakeStore("/a", "/c")
    with pytest.raises(SourceMissing, match="ssm:GetParameter on /b in eu-west-1"):
        read(store, parameter("/a"), parameter("/b"), parameter("/c"))


def test_where_the_batch_is_refused_each_is_read_alone_and_once() -> None:
    store = FakeStore("/a", "/b")
    store.refuses = "AccessDeniedException"
    assert read(store, parameter("/a"), parameter("/b")) == ["canary /a", "canary /b"]
    assert store.calls == [["/a", "/b"], ["/a"], ["/b"]]


def test_where_aws_asks_to_slow_down_no_further_call_follows() -> None:
    store = FakeStore("/a", "/b")
    store.refuses = "ThrottlingException"
    reader = Sources(FakeSessions(store)).create_reader([parameter("/a"), parameter("/b")])  # type: ignore[arg-type]
    for name in ("/a", "/b"):
        with pytest.raises(Throttled):
            reader(parameter(name))
    assert store.calls == [["/a", "/b"]]


def test_threads_that_read_of_the_same_batch_wait_for_one_call() -> None:
    names = [f"/teams/{number}/db" for number in range(100)]
    store = FakeStore(*names)
    reader = Sources(FakeSessions(store)).create_reader(map(parameter, names))  # type: ignore[arg-type]
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda name: reader(parameter(name)), names))
    assert [value.content.reveal().decode() for value in values] == [f"canary {name}" for name in names]
    assert (store.batches, len(store.calls)) == (10, 10)


def test_the_parameters_of_a_thousand_namespaces_take_a_hundred_calls() -> None:
    """Parameter Store takes 40 calls a second of the whole account."""
    namespaces = [f"team-{number}" for number in range(1000)]
    store = FakeStore(*(f"/teams/{namespace}/db" for namespace in namespaces))
    teams = mapping(sources={"db": {"parameterStore": "/teams/${namespace}/db"}}, data={"value": {"from": "db"}})
    work = World().work(of=teams, create_reader=Sources(FakeSessions(store)).create_reader)  # type: ignore[arg-type]
    with ThreadPoolExecutor(8) as pool:
        desired = build_desired(work, pool, namespaces, reread=True)
    assert len(desired) == 1000
    assert not any(isinstance(each, Exception) for each in desired.values())
    assert len(store.calls) == 100


def test_what_is_read_again_is_read_anew() -> None:
    store = FakeStore("/a", "/b")
    sources = Sources(FakeSessions(store))  # type: ignore[arg-type]
    wanted = [parameter("/a"), parameter("/b")]
    for _ in range(2):
        reader = sources.create_reader(wanted)
        assert [reader(each).version for each in wanted] == ["3@2026-11-24T12:00:00+00:00"] * 2
    assert store.calls == [["/a", "/b"]] * 2


def test_the_version_of_a_source_with_a_role_is_not_known_and_nothing_is_asked_for_it() -> None:
    """Sweeps have no right to assume the role, and what they can list without it is another account's."""
    sessions = FakeSessions(FakeStore("/a"))
    read_state = create_state_reader(sessions)  # type: ignore[arg-type]
    assert read_state(parameter("/a", role="arn:aws:iam::444455556666:role/secrets")) == SourceState()
    assert sessions.asked == []

"""What a connection remembers of its cluster, at a server that is played: nothing is sent, and nobody waits."""

import itertools
import json
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier, Event, Lock
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import NewConnectionError, ProtocolError, ReadTimeoutError

from keyferry.aws import eks
from keyferry.aws.sessions import Sessions
from keyferry.errors import (
    AccessDenied,
    ClusterSlow,
    ClusterThrottled,
    ClusterUnavailable,
    ClusterUnreachable,
    Forbidden,
    KeyferryError,
    NamespaceGone,
    OutOfTime,
    ServerError,
    Throttled,
    Unauthorized,
    Unreachable,
)
from keyferry.kinds import KINDS
from keyferry.kube import Connection, Health, KubeClient, Transport
from keyferry.kube.transport import Answer, Limits, ProxyFailure, Request
from keyferry.mapping.targets import Endpoint
from keyferry.testing import FakeClock
from tests.unit.samples import cluster

ENDPOINT, MOVED = Endpoint("https://one.example", "ca"), Endpoint("https://two.example", "ca")
SECRET = b'{"metadata": {"name": "db"}}'
BODY = {"metadata": {"name": "db"}}
POOL = HTTPSConnectionPool("one.example")
type Reply = Callable[[Request], Answer]


def fine(_request: Request) -> Answer:
    return Answer(200, SECRET)


def refused(_request: Request) -> Answer:
    raise NewConnectionError(HTTPSConnection("one.example"), "refused")


def not_connected(_request: Request) -> Answer:
    raise ProxyFailure("the proxy answers 502")


def frozen(_request: Request) -> Answer:
    raise ReadTimeoutError(POOL, "/", "no answer")


def died(_request: Request) -> Answer:
    raise ProtocolError("reset")


def says(status: int, retry_after: str = "", body: bytes = b"{}") -> Reply:
    return lambda _request: Answer(status, body, retry_after)


@dataclass
class Server:
    """An API server that is played: what it is asked, and what it replies."""

    clock: FakeClock = field(default_factory=FakeClock)
    reply: Reply = fine
    sent: list[Request] = field(default_factory=list)
    limits: list[Limits] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    endpoints: list[Endpoint] = field(default_factory=list)
    """The endpoint of every transport that was created."""
    described: list[Endpoint] = field(default_factory=list)
    """What EKS has answered."""
    endpoint: Endpoint = ENDPOINT
    """What EKS answers."""

    def __post_init__(self) -> None:
        self.health = Health("prod-eu", self.clock)

    def connect(self, **more: Any) -> Connection:  # noqa: ANN401
        """Return a connection to the server."""
        tokens = (f"token-{number}" for number in itertools.count())
        current = [next(tokens)]

        def describe() -> Endpoint:
            self.described.append(self.endpoint)
            return self.endpoint

        def forget(token: str) -> None:
            if token == current[0]:
                current[0] = next(tokens)

        usual: dict[str, Any] = {
            "get_token": lambda: current[0],
            "forget_token": forget,
            "read_endpoint": describe,
            "role": "the role",
            "create_transport": self._create_transport,
            "health": self.health,
        }
        return Connection("prod-eu", ENDPOINT, **(usual | more))

    def client(self, connection: Connection | None = None, seconds: float = 1000) -> KubeClient:
        """Return a client on a connection, a new one by default."""
        return KubeClient(connection or self.connect(), self.clock.deadline(seconds))

    def _create_transport(self, endpoint: Endpoint) -> Transport:
        self.endpoints.append(endpoint)
        return _FakeTransport(self)


class _FakeTransport(Transport):
    def __init__(self, server: Server) -> None:
        self._server, self._lock = server, Lock()

    def send(self, request: Request, token: str, limits: Limits) -> Answer:
        """Reply as the server does."""
        with self._lock:
            self._server.sent.append(request)
            self._server.limits.append(limits)
            self._server.tokens.append(token)
        return self._server.reply(request)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that is well. Pauses move its clock."""
    server = Server()
    monkeypatch.setattr("keyferry.kube.connection.time", SimpleNamespace(sleep=server.clock.sleep))
    return server


def read(client: KubeClient, count: int = 1, threads: int = 8) -> list[KeyferryError]:
    """Read the Secret of so many namespaces, as deliveries do, and return what went wrong."""

    def read_one(number: int) -> KeyferryError | None:
        try:
            client.read_secret(f"n{number}", "db")
        except KeyferryError as error:
            return error
        return None

    with ThreadPoolExecutor(threads) as pool:
        return [error for error in pool.map(read_one, range(count)) if error]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [(refused, ClusterUnreachable), (frozen, ClusterUnreachable), (says(401), Unauthorized)],
    ids=["no connection", "no answer", "no sign-in"],
)
def test_a_cluster_that_is_down_is_asked_once_for_a_thousand_namespaces(
    server: Server, reply: Reply, kind: type[KeyferryError]
) -> None:
    server.reply = reply
    assumed = list[str]()

    errors = read(server.client(server.connect(forget_token=assumed.append)), 1000)

    assert [type(error) for error in errors] == [kind] * 1000
    assert len(server.sent) == 1
    assert len(assumed) <= 1


def test_a_cluster_that_goes_down_meanwhile_is_asked_by_those_that_were_under_way_alone(server: Server) -> None:
    client = server.client()
    assert read(client, 100) == []
    server.reply = refused
    errors = read(client, 1000)
    assert len(errors) == 1000
    assert len(server.sent) <= 100 + 8


def test_what_failed_is_raised_again_for_thirty_seconds_with_the_time_that_is_left(server: Server) -> None:
    server.reply = refused
    client = server.client()
    [first] = read(client)
    assert str(first) == "cluster prod-eu at https://one.example: no connection (NewConnectionError) (get secrets/db)"
    server.clock.jump(29)
    [second] = read(client)
    assert str(second) == f"{first}; it is asked again in 1 s"
    assert len(server.sent) == 1
    server.clock.jump(1)
    read(client)
    assert len(server.sent) == 2


def test_a_failure_of_the_sign_in_keeps_its_text_when_it_is_raised_again(server: Server) -> None:
    server.reply = says(401)
    client = server.client()
    [first], [second] = read(client), read(client)
    assert isinstance(second, Unauthorized)
    assert str(second) == f"{first}; it is asked again in 30 s"


def test_the_probe_after_a_failure_goes_alone_and_has_little_time(server: Server) -> None:
    server.reply = frozen
    client = server.client()
    for _ in range(10):
        assert len(read(client, 100)) == 100
        server.clock.jump(30)
    assert len(server.sent) == 10
    assert server.limits == [Limits(2, 2) if number % 3 else Limits(3, 5) for number in range(10)]


def test_after_an_answer_to_the_probe_all_go_on_with_the_usual_time(server: Server) -> None:
    server.reply = refused
    client = server.client()
    read(client)
    server.clock.jump(30)
    server.reply = fine
    assert read(client, 100) == []
    assert server.limits[1:3] == [Limits(2, 2), Limits(3, 5)]


def hold(server: Server) -> tuple[Event, Event]:
    """Let requests wait for an answer; return what is set once one has come, and what lets them be answered."""
    entered, go_on = Event(), Event()

    def wait(_request: Request) -> Answer:
        entered.set()
        go_on.wait(10)
        return Answer(200, SECRET)

    server.reply = wait
    return entered, go_on


def test_while_the_first_request_is_under_way_the_others_wait_for_it(server: Server) -> None:
    entered, go_on = hold(server)
    client = server.client()
    with ThreadPoolExecutor(9) as pool:
        reads = [pool.submit(client.read_secret, f"n{number}", "db") for number in range(9)]
        entered.wait(10)
        sent = len(server.sent)
        go_on.set()
        assert [done.result(10) for done in reads] == [json.loads(SECRET)] * 9
    assert (sent, len(server.sent)) == (1, 9)


def test_a_request_that_waits_for_the_first_one_ends_with_its_own_deadline(server: Server) -> None:
    entered, go_on = hold(server)
    connection = server.connect()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.client(connection).read_secret, "n1", "db")
        entered.wait(10)
        with pytest.raises(OutOfTime):
            server.client(connection, seconds=0.01).read_secret("n2", "db")
        go_on.set()
        first.result(10)
    assert len(server.sent) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(404, None), (403, Forbidden), (500, ServerError)], ids=["missing", "forbidden", "broken"]
)
def test_any_answer_but_401_and_429_shows_that_the_cluster_is_there(
    server: Server, status: int, kind: type[KeyferryError] | None
) -> None:
    server.reply = says(status)
    client = server.client()
    assert [type(error) for error in read(client)] == ([kind] if kind else [])
    server.reply = fine
    assert read(client, 10) == []


def test_a_right_that_is_missing_is_told_with_the_command_that_grants_it(server: Server) -> None:
    text = 'secrets "db" is forbidden: User "keyferry:deliver" cannot get resource "secrets" in API group ""'
    server.reply = says(403, body=json.dumps({"message": text}).encode())
    command = "kubectl --context prod-eu apply --server-side -f generated/clusters/prod-eu/rbac.yaml"
    assert [str(error) for error in read(server.client())] == [
        f"the cluster forbids to get secrets/db in namespace n0: grant the verb get by RBAC: `{command}`"
    ]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("", "grant the verb create by RBAC"),  # as Kubernetes 1.30 says it of an apply that creates
        ('User "keyferry:deliver" cannot create resource "secrets"', "grant the verb create by RBAC"),
        ("not today", "an admission plugin of the cluster forbids to get secrets/db in namespace n0: allow it there"),
    ],
)
def test_what_forbids_without_a_reason_is_rbac_and_an_admission_plugin_gives_one(
    server: Server, reason: str, told: str
) -> None:
    server.reply = says(403, body=json.dumps({"message": f'secrets "db" is forbidden: {reason}'}).encode())
    [error] = read(server.client())
    assert told in str(error)


def test_an_error_of_aws_while_signing_in_is_told_to_all_that_wait_and_is_not_remembered(server: Server) -> None:
    errors: Iterator[KeyferryError] = iter([AccessDenied("AWS refuses sts:AssumeRole on the role")])

    def sign() -> str:
        for error in errors:
            raise error
        return "token"

    client = server.client(server.connect(get_token=sign))
    assert [str(error) for error in read(client)] == ["AWS refuses sts:AssumeRole on the role"]
    assert read(client, 10) == []


def test_a_write_without_an_answer_is_not_the_fault_of_the_cluster(server: Server) -> None:
    client = server.client()
    read(client)
    server.reply = frozen
    with pytest.raises(Unreachable, match=r"no answer in time \(patch secrets/db\)") as raised:
        client.apply_secret("payments", BODY, "keyferry:db", force=False)
    assert not isinstance(raised.value, ClusterUnavailable)
    server.reply = fine
    assert read(client, 10) == []


def test_a_write_that_goes_first_and_gets_no_answer_is_not_the_fault_of_those_that_wait_for_it(server: Server) -> None:
    client, waiting = server.client(), Barrier(8)

    def reply(request: Request) -> Answer:
        if request.namespace == "n0":
            waiting.wait(5)
            Event().wait(0.1)
            return frozen(request)
        return fine(request)

    def apply(number: int) -> bool:
        if number:
            waiting.wait(5)  # n0 is under way
        try:
            client.apply_secret(f"n{number}", BODY, "keyferry:db", force=False)
        except ServerError:
            return False
        return True

    server.reply = reply
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(apply, range(8))) == [False, *[True] * 7]


def test_a_list_of_workloads_without_an_answer_may_wait_for_a_webhook_and_is_not_the_fault_of_the_cluster(
    server: Server,
) -> None:
    client = server.client()
    read(client)
    server.reply = frozen
    with pytest.raises(ServerError, match=r"no answer in time \(list rollouts\)"):
        list(client.list_workloads(KINDS["Rollout"], "payments"))
    server.reply = fine
    assert read(client, 10) == []


def test_a_write_for_which_there_is_no_connection_is_the_fault_of_the_cluster(server: Server) -> None:
    server.reply = refused
    with pytest.raises(ClusterUnreachable):
        server.client().apply_secret("payments", BODY, "keyferry:db", force=False)


def test_a_read_whose_time_the_deadline_has_cut_is_not_the_fault_of_the_cluster(server: Server) -> None:
    def slow(_request: Request) -> Answer:
        server.clock.jump(1.5)
        raise ReadTimeoutError(POOL, "/", "no answer")

    server.reply = slow
    connection = server.connect()
    [error] = read(server.client(connection, seconds=1.2))
    assert type(error) is Unreachable
    assert server.limits == [Limits(1.2, 1.2)]
    server.reply = fine
    assert read(server.client(connection)) == []


def test_nothing_is_sent_once_the_deadline_has_passed(server: Server) -> None:
    [error] = read(server.client(seconds=0))
    assert isinstance(error, OutOfTime)
    assert server.sent == []


def test_eks_is_asked_at_each_attempt_and_the_same_endpoint_is_not_tried_twice(server: Server) -> None:
    server.reply = refused
    client = server.client()
    for _ in range(3):
        read(client, 100)
        server.clock.jump(30)
    assert len(server.sent) == len(server.described) == 3


def test_of_many_requests_that_lose_the_cluster_at_once_one_asks_eks(server: Server) -> None:
    client = server.client()
    read(client)
    together = Barrier(8)

    def lose(request: Request) -> Answer:
        together.wait(10)
        return refused(request)

    server.reply = lose
    assert {type(error) for error in read(client, 8)} == {ClusterUnreachable}
    assert (len(server.sent), server.described) == (1 + 8, [ENDPOINT])


@pytest.mark.parametrize("lost", [refused, not_connected], ids=["directly", "through a proxy"])
def test_a_cluster_that_has_moved_is_found_by_asking_eks_once(server: Server, lost: Reply) -> None:
    server.reply = lambda request: lost(request) if server.endpoints[-1] == ENDPOINT else fine(request)
    server.endpoint = MOVED
    client = server.client()
    assert read(client, 100) == []
    assert server.described == [MOVED]
    assert len(server.sent) == 101


def test_kept_connections_that_have_died_are_replaced_at_once(server: Server) -> None:
    client = server.client()
    read(client)
    server.reply = lambda request: died(request) if len(server.endpoints) == 1 else fine(request)
    assert read(client, 100) == []
    assert server.endpoints == [ENDPOINT, ENDPOINT]
    assert server.described == []


def test_a_cluster_that_hangs_up_again_and_again_is_down(server: Server) -> None:
    server.reply = died
    errors = read(server.client(), 100)
    assert {type(error) for error in errors} == {ClusterUnreachable}
    assert len(server.sent) == 2


def test_after_no_answer_the_probe_opens_a_new_connection(server: Server) -> None:
    server.reply = frozen
    client = server.client()
    read(client, 100)
    assert server.endpoints == [ENDPOINT, ENDPOINT]


def test_a_new_token_is_not_made_anew_when_it_is_refused_and_an_old_one_once(server: Server) -> None:
    """300 namespaces on a cluster that does not know the role: one AssumeRole, and one more in 30 seconds."""
    assumed = list[tuple[float, object]]()

    class Counted(Sessions):
        def forget(self, roles: object) -> None:
            assumed.append((server.clock.now, roles))

    own = boto3.Session("AKIACANARY0000000000", "canary-key", region_name="eu-west-1")
    tokens = eks.Tokens(Counted(own), cluster(), server.clock)
    server.reply = says(401)
    client = server.client(server.connect(get_token=tokens.get, forget_token=tokens.forget))
    for _ in range(4):
        read(client, 300)
        server.clock.jump(15)
    assert [when for when, _ in assumed] == [30]
    assert len(server.sent) <= 3


def test_a_refused_token_is_made_anew_and_the_request_is_sent_again(server: Server) -> None:
    server.reply = lambda _request: Answer(401 if server.tokens[-1] == "token-0" else 200, SECRET)
    assert read(server.client(), 10) == []
    assert server.tokens[:3] == ["token-0", "token-1", "token-1"]


def test_a_cluster_that_throttles_is_asked_five_times_and_then_not_for_thirty_seconds(server: Server) -> None:
    server.reply = says(429)
    client = server.client()
    errors = read(client, 1000)
    assert {type(error) for error in errors} == {ClusterThrottled}
    assert all(isinstance(error, Throttled) for error in errors)
    assert len(server.sent) == 5
    server.clock.jump(29)
    read(client, 10)
    assert len(server.sent) == 5
    server.clock.jump(1.1)
    server.reply = fine
    assert read(client, 10) == []


def test_a_cluster_that_throttles_events_is_asked_for_the_rest_at_once(server: Server) -> None:
    server.reply = says(429)
    client = server.client()
    with pytest.raises(ClusterThrottled):  # of the admission plugin EventRateLimit
        client.create_event({"metadata": {"namespace": "payments", "name": "payments-db.0123456789abcdef"}})
    server.health.check_available()
    server.reply = fine
    assert read(client) == []


@pytest.mark.parametrize(("asked", "seconds"), [("11", 30), ("45", 45), ("9999", 120)])
def test_a_cluster_is_asked_again_when_it_says_within_two_minutes(server: Server, asked: str, seconds: float) -> None:
    server.reply = says(429, asked)
    client = server.client()
    [error] = read(client)
    assert isinstance(error, ClusterThrottled)
    assert (len(server.sent), server.clock.slept) == (1, [])
    server.clock.jump(seconds - 1)
    read(client)
    assert len(server.sent) == 1
    server.clock.jump(1.1)
    read(client)
    assert len(server.sent) == 2


def test_a_request_waits_ten_seconds_at_most_for_a_cluster_that_throttles(server: Server) -> None:
    server.reply = says(429, "4")
    read(server.client())
    assert server.clock.slept == [4, 4]


def test_a_request_that_waits_ends_when_another_one_finds_the_cluster_down(server: Server) -> None:
    connection = server.connect()
    other = server.client(connection)
    read(other)
    server.reply = says(429)

    def fail(seconds: float) -> None:
        server.clock.slept.append(seconds)
        server.reply = refused
        read(other)

    server.clock.sleep = fail  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keyferry.kube.connection.time", SimpleNamespace(sleep=fail))
        [error] = read(server.client(connection))
    assert isinstance(error, ClusterUnreachable)
    assert "it is asked again in 30 s" in str(error)


def test_a_delivery_does_not_begin_on_a_cluster_that_has_just_failed(server: Server) -> None:
    connection = server.connect()
    server.health.check_available()
    server.reply = refused
    read(server.client(connection))
    with pytest.raises(ClusterUnreachable, match="it is asked again in 30 s"):
        server.health.check_available()
    server.clock.jump(30)
    server.health.check_available()


def test_what_another_process_has_found_out_is_known_here_once_it_has_come_back(server: Server) -> None:
    others = Health("prod-eu", server.clock)
    others.learn(server.health.known)
    server.reply = refused
    read(server.client(server.connect(health=others)))
    server.health.check_available()
    server.health.learn(pickle.loads(pickle.dumps(others.known)))  # noqa: S301
    with pytest.raises(ClusterUnreachable, match="it is asked again in 30 s"):
        server.health.check_available()


def takes(server: Server, seconds: float) -> Reply:
    def reply(_request: Request) -> Answer:
        server.clock.jump(seconds)
        return Answer(200, SECRET)

    return reply


def test_a_cluster_is_slow_whose_answers_take_more_than_a_second_on_average(server: Server) -> None:
    server.reply = takes(server, 1.1)
    client = server.client()
    read(client, 7, threads=1)
    assert not client.is_slow
    read(client, 1)
    assert client.is_slow
    server.reply = takes(server, 0.1)
    read(client, 1)
    assert not client.is_slow


def test_lists_may_take_their_time(server: Server) -> None:
    server.reply = takes(server, 8)
    client = server.client()
    for number in range(20):
        list(client.list_workloads(KINDS["Deployment"], f"n{number}"))
    assert not client.is_slow


def test_writes_without_answer_make_a_cluster_slow(server: Server) -> None:
    def hang(request: Request) -> Answer:
        server.clock.jump(10 if request.method == "PATCH" else 0.01)
        return frozen(request) if request.method == "PATCH" else fine(request)

    client = server.client()
    server.reply = hang
    for number in range(4):
        read(client)
        with pytest.raises(Unreachable):
            client.apply_secret(f"n{number}", BODY, "keyferry:db", force=False)
    assert client.is_slow


@pytest.mark.parametrize(("seconds", "pause"), [(1.1, 79.2), (1.01, 72.72), (3, 216)])
def test_a_slow_cluster_gets_a_tenth_of_the_time(server: Server, seconds: float, pause: float) -> None:
    server.reply = takes(server, seconds)
    connection = server.connect()
    client = server.client(connection)
    read(client, 8, threads=1)

    with pytest.raises(ClusterSlow, match=rf"prod-eu is slow: its answers take {seconds:.1f} s on average; .* again"):
        server.health.check_available()
    assert read(client) == []  # the delivery that is under way goes on
    server.clock.jump(pause + 9 * seconds - 1)
    with pytest.raises(ClusterSlow):
        server.health.check_available()
    server.clock.jump(1.01)
    server.health.check_available()


def test_the_answers_before_a_pause_do_not_make_a_cluster_slow(server: Server) -> None:
    server.reply = takes(server, 3)
    connection = server.connect()
    read(server.client(connection), 8, threads=1)
    server.clock.jump(120)
    client = server.client(connection)
    assert not client.is_slow
    read(client, 7, threads=1)
    assert not client.is_slow


def test_a_list_is_read_page_by_page_and_the_deadline_ends_it(server: Server) -> None:
    def page(request: Request) -> Answer:
        server.clock.jump(10)
        token = dict(request.query).get("continue", "0")
        item = {"metadata": {"name": f"app-{token}"}}
        return Answer(200, json.dumps({"items": [item], "metadata": {"continue": str(int(token) + 1)}}).encode())

    server.reply = page
    objects = server.client(seconds=25).list_workloads(KINDS["Deployment"], None)
    assert [next(objects)["metadata"]["name"] for _ in range(3)] == ["app-0", "app-1", "app-2"]
    assert len(server.sent) == 3
    with pytest.raises(OutOfTime):
        next(objects)


def without_namespace(status: int, namespace: Answer, message: str = "") -> Reply:
    """Return what a server replies to all but the namespace itself, and to that."""
    forbidden = b'{"message": "secrets is forbidden: User x cannot get resource secrets"}'
    answer = Answer(status, message.encode() or forbidden)
    return lambda request: namespace if request.resource.startswith("namespaces/") else answer


CREATES = "create it and apply generated/clusters/prod-eu/rbac.yaml, then the next sweep writes the Secret"
GOING = b'{"metadata": {"name": "chekout", "deletionTimestamp": "2026-11-29T09:00:00Z"}}'


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(
    ("known", "hint"),
    [(["payments", "checkout", "chekout"], "; did you mean checkout?"), (["payments", "chekout"], "")],
)
def test_a_namespace_that_is_missing_is_told_for_what_it_is_with_the_nearest_that_mappings_name(
    server: Server, status: int, known: list[str], hint: str
) -> None:
    server.reply = without_namespace(status, Answer(404, b"{}"))
    client = KubeClient(server.connect(), server.clock.deadline(1000), lambda _: known)
    with pytest.raises(NamespaceGone) as raised:
        client.apply_secret("chekout", BODY, "keyferry:db", force=False)
    assert str(raised.value) == (
        f"namespace chekout is not in cluster prod-eu: {CREATES}; or correct spec.namespaces{hint}"
    )


def test_a_namespace_that_is_being_deleted_is_told_for_what_it_is(server: Server) -> None:
    server.reply = without_namespace(403, Answer(200, GOING))
    with pytest.raises(NamespaceGone, match=r"^namespace chekout of cluster prod-eu is being deleted: take it out of"):
        server.client().read_secret("chekout", "db")


@pytest.mark.parametrize("answer", [Answer(200, b'{"metadata": {"name": "payments"}}'), Answer(403, b"{}")])
def test_rights_that_are_missing_are_told_where_the_namespace_is_there_or_not_ours_to_read(
    server: Server, answer: Answer
) -> None:
    server.reply = without_namespace(403, answer)
    with pytest.raises(Forbidden, match="grant the verb get by RBAC"):
        server.client().read_secret("payments", "db")
    server.client().check_namespace("payments")


def test_nothing_is_asked_about_a_namespace_that_the_request_is_not_in(server: Server) -> None:
    server.reply = says(403)
    with pytest.raises(Forbidden):
        list(server.client().list_workloads(KINDS["Deployment"], None))
    assert [request.verb for request in server.sent] == ["list"]


def test_the_kinds_of_a_cluster_are_those_that_its_discovery_names(server: Server) -> None:
    groups = {"/apis/argoproj.io/v1alpha1": b'{"resources": [{"name": "applications"}, {"name": "rollouts"}]}'}
    server.reply = lambda request: Answer(200, groups[request.path]) if request.path in groups else Answer(404)
    assert server.client().find_served(KINDS[name] for name in ("Rollout", "CloneSet")) == [KINDS["Rollout"]]
    groups["/apis/argoproj.io/v1alpha1"] = b'{"resources": [{"name": "applications"}]}'
    assert server.client().find_served([KINDS["Rollout"]]) == []


def test_a_request_and_an_answer_do_not_show_what_they_hold() -> None:
    request = Request("PATCH", "/x", "patch", "secrets/db", body={"data": {"password": "Y2FuYXJ5LTE="}})
    assert "Y2FuYXJ5" not in repr(request) + repr(Answer(200, b"Y2FuYXJ5LTE="))

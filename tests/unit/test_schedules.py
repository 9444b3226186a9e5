"""The protocol under whatever happens in whatever order: random schedules of deliveries, deaths, people and changes."""

from collections.abc import Callable

from hypothesis import example, given, settings
from hypothesis import strategies as st

from keyferry.testing import encode
from tests.unit.samples import delivery, workload
from tests.unit.turns import Process
from tests.unit.world import DUE, KIND, SOURCE, WHERE, World, secret

MESSAGES = ["put", "put back", "start", "step", "step other", "go on"]
"""What happens with values and deliveries."""
DEATHS = ["kill"]
PEOPLE = ["edit", "edit back", "delete", "apply workload", "new workload", "forget owners"]


class Story:
    """A queue that gives each message to one of two processes, until it is done."""

    def __init__(self) -> None:
        self.world, self.running, self.waiting, self.values = World(), list[Process](), 0, 1
        assert not self.world.deliver().errors
        self.acts: dict[str, Callable[[], None]] = {
            "put": self.put,
            "put back": self.put_back,
            "start": self.start,
            "step": lambda: self.go(0, 1),
            "step other": lambda: self.go(1, 1),
            "go on": lambda: self.go(0, 4),
            "kill": self.kill,
            "edit": lambda: self.edit("by hand"),
            "edit back": lambda: self.edit(f"canary-{self.values}"),
            "delete": lambda: self.world.cluster.delete(*WHERE),
            "apply workload": lambda: self.run("api"),
            "new workload": lambda: self.run("new"),
            "forget owners": self.forget,
        }

    def put(self) -> None:
        """Give the source a new value; its event sends a delivery."""
        self.values += 1
        self.world.sources.put(SOURCE, secret(f"canary-{self.values}"), f"version-{self.values}")
        self.waiting += 1

    def put_back(self) -> None:
        """Roll the source back by one version."""
        self.values = max(1, self.values - 1)
        self.world.sources.put(SOURCE, secret(f"canary-{self.values}"), f"version-{self.values}")
        self.waiting += 1

    def start(self) -> None:
        """Begin to deliver a message, beside another one at most."""
        if self.waiting and len(self.running) < 2:
            self.waiting -= 1
            self.running.append(Process(self.world))

    def go(self, which: int, calls: int) -> None:
        """Let a process make some calls."""
        if which < len(self.running):
            for _ in range(calls):
                self.running[which].step()
            self.collect()

    def kill(self) -> None:
        """End a process where it stands; its message comes back."""
        if self.running:
            self.running[0].kill()
            self.collect()

    def collect(self) -> None:
        """Let go of the processes that have ended; the messages of those that failed come back."""
        self.waiting += sum(process.comes_back for process in self.running if process.ended)
        self.running = [process for process in self.running if not process.ended]

    def edit(self, password: str) -> None:
        """Write the Secret by hand."""
        if WHERE in self.world.cluster.secrets:
            self.world.cluster.edit(*WHERE, data={"password": password})

    def forget(self) -> None:
        """Clear managedFields, as some backup tools do."""
        if WHERE in self.world.cluster.secrets:
            self.world.cluster.clear_managed_fields(*WHERE)

    def run(self, name: str) -> None:
        """Create a workload, or apply it again without its stamp: either way its pods are new."""
        self.world.cluster.run("payments", KIND, workload(name))
        self.world.cluster.history.append(f"rollout payments/{KIND}/{name}")

    def end(self) -> None:
        """Let every message be delivered, however often it comes back."""
        for _ in range(50):
            while self.running:
                self.go(0, 1)
            if not self.waiting:
                return
            self.start()
        raise AssertionError("it never ends")


def told(acts: list[str]) -> World:
    """Return the world at the end of a story."""
    story = Story()
    for act in acts:
        story.acts[act]()
    story.end()
    check_value(story)
    return story.world


def check_value(story: Story) -> None:
    """Fail unless the Secret holds what the source does, where nobody else has written it."""
    world = story.world
    if WHERE in world.cluster.secrets and world.cluster.managers(*WHERE, "password") == {"keyferry:payments-db"}:
        assert world.password == encode(f"canary-{story.values}")


def check_restarts(world: World) -> None:
    """Fail unless no restart is due, and every workload restarted after the last write of content."""
    assert DUE not in world.cluster.annotations(*WHERE)
    history = world.cluster.history
    last = max(number for number, each in enumerate(history) if each.startswith("write"))
    for _, kind, name in world.cluster.workloads:
        assert f"rollout payments/{kind}/{name}" in history[last:], history


@settings(max_examples=300)
@given(st.lists(st.sampled_from(MESSAGES), max_size=60))
@example(["put", "start", "step", "step", "put back", "start", *["step other"] * 9])
@example(["put", "start", "go on", "put", "start", "step other", "step other", "go on", "put back"])
def test_deliveries_that_overlap_leave_the_newest_value_and_no_restart_undone(acts: list[str]) -> None:
    check_restarts(told(acts))


@settings(max_examples=300)
@given(st.lists(st.sampled_from(MESSAGES + DEATHS), max_size=60))
def test_deliveries_that_die_are_finished_by_the_messages_that_come_back(acts: list[str]) -> None:
    check_restarts(told(acts))


@settings(max_examples=300)
@given(st.lists(st.sampled_from(MESSAGES + DEATHS + PEOPLE), max_size=60))
def test_whatever_people_do_one_more_delivery_puts_it_right(acts: list[str]) -> None:
    """The sweep sends it: what it looks for is the subject of test_reconcile. If people fight, `push` does."""
    world = told(acts)
    world.clock.jump(60)
    report = world.deliver(delivery=delivery(takes_back=True, time=world.clock.read_time()))
    assert not report.errors, report.errors
    assert world.password == encode(world.wanted)
    assert "keyferry:payments-db" in world.cluster.managers(*WHERE, "password")
    check_restarts(world)
    assert not world.deliver().metrics()["TargetsUpdated"]

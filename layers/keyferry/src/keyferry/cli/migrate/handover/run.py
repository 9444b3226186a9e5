"""Carry out the steps of a hand-over: look, do the first step that is left, look again. Nothing is remembered.

What a run that was killed has done is seen in the cluster by the next one. Targets take turns, so that waiting for one
holds up no other.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from keyferry.cli.migrate.handover.clusters import Group
from keyferry.cli.migrate.handover.originals import Original
from keyferry.cli.migrate.handover.state import State
from keyferry.cli.migrate.handover.steps import Refuse, Step, Wait
from keyferry.cli.migrate.handover.targets import Target
from keyferry.cli.migrate.verify.verify import Verified
from keyferry.errors import KeyferryError, Overtaken, Throttled, Unreachable

MAX_TRIES = 10
"""How often one step is carried out for a target, or fails: somebody undoes it, or it does not work."""
_PASSING = Overtaken, Throttled, Unreachable
"""Errors that the next look may not meet: the object has changed meanwhile, an answer is late or lost."""
FIRST_PAUSE, LAST_PAUSE = 1.0, 5.0
"""Seconds between two looks while all wait: the sources are read in each."""

type Steps = Callable[[State], Iterator[Step]]
"""The steps that are left: of `forward` or of `back`."""


@dataclass
class Handover:
    """A run over some groups of targets."""

    groups: Sequence[Group]
    list_steps: Steps
    needs_content: bool
    """Whether what mappings make has to be known: to hand over, and not to go back."""
    wait_seconds: float = 600
    """How long one target waits for one thing."""
    tell: Callable[[Target, str], None] = lambda _target, _text: None
    """Called with each step that is done, and with what is waited for."""
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    targets: dict[tuple[str, str, str | None], Target] = field(default_factory=dict)

    def plan(self, count: Callable[[], None] = lambda: None) -> list[Target]:
        """Return all targets with the steps that are left; `count` is called after each group."""
        for group in self.groups:
            count()
            for target, state in self._look(group):
                if isinstance(state, KeyferryError):
                    target.finish("failed", state.title)
                    continue
                target.steps = tuple(self.list_steps(state))
                if not target.steps:
                    target.finish("done")
                elif isinstance(target.steps[0], Refuse):
                    target.finish("refused", target.steps[0].what)
                elif group.gap:
                    target.finish("refused", group.gap)
        return list(self.targets.values())

    def run(self) -> list[Target]:
        """Carry out the steps of all targets of the plan, and return them."""
        pause = FIRST_PAUSE
        while any(not target.is_over for target in self.targets.values()):
            acted = [self._advance_group(group) for group in self.groups]
            if any(acted):
                pause = FIRST_PAUSE
            elif any(not target.is_over for target in self.targets.values()):
                self.sleep(pause)
                pause = min(LAST_PAUSE, pause * 1.5)
        return list(self.targets.values())

    def _advance_group(self, group: Group) -> bool:
        """Do the next step of each target of a group, and return whether there was one."""
        names = {target.namespace for target in self._list_active(group)}
        if not names:
            return False
        acted = False
        for target, state in self._look(group):
            if not target.is_over and target.namespace in names:
                acted |= self._advance(group, target, state)
        return acted

    def _list_active(self, group: Group) -> list[Target]:
        key = group.delivery.mapping, group.delivery.cluster
        return [each for each in self.targets.values() if not each.is_over and (each.mapping, each.cluster) == key]

    def _advance(self, group: Group, target: Target, state: State | KeyferryError) -> bool:
        if isinstance(state, KeyferryError):
            return self._take_error(target, state)
        step = next(self.list_steps(state), None)
        match step:
            case None:
                target.finish("done")
            case Refuse():
                target.finish("refused", step.what)
            case Wait():
                self._wait(target, step)
                return False
            case _:
                return self._do(group, target, state, step)
        return True

    def _do(self, group: Group, target: Target, state: State, step: Step) -> bool:
        target.waits_for = ""
        target.tries[step.what] += 1
        if target.tries[step.what] > MAX_TRIES:
            target.finish("failed", f"somebody undoes it again and again: {step.what}")
            return True
        try:
            group.carry_out(step, state)
        except KeyferryError as error:
            return self._take_error(target, error)
        target.done.append(step.what)
        self.tell(target, step.what)
        return True

    def _take_error(self, target: Target, error: KeyferryError) -> bool:
        """End a target for an error; one that may pass has the next look for another try."""
        title = error.title
        target.tries[title] += 1
        if not isinstance(error, _PASSING) or target.tries[title] >= MAX_TRIES:
            target.finish("failed", title)
        return False

    def _wait(self, target: Target, step: Wait) -> None:
        now = self.clock()
        if target.waits_for != step.what:
            target.waits_for, target.waits_since = step.what, now
            self.tell(target, f"waiting until {step.what}" + (f"\n{step.change}" if step.change else ""))
        if now - target.waits_since >= self.wait_seconds:
            target.finish("waits", step.what)

    def _look(self, group: Group) -> Iterator[tuple[Target, State | KeyferryError]]:
        """Yield each target of a group with what is known of it now."""
        try:
            found = group.look()
            names = [each.namespace for each in found if each.namespace]
            originals = group.side.list_originals(names)
        except KeyferryError as error:
            yield from ((target, error) for target in self._list_active(group) or [self._find(group, None)])
            return
        for each in found:
            own = originals.get(each.namespace or "", ())
            yield self._find(group, each.namespace), self._build_state(group, each, own)

    def _build_state(self, group: Group, found: Verified, originals: Sequence[Original]) -> State | KeyferryError:
        if found.error and (self.needs_content or found.observed is None):
            return found.error
        state = State(group.mapping, found, originals)
        quiet = self._find(group, found.namespace).measure_quiet(state, self.clock())
        return replace(state, quiet_seconds=quiet)

    def _find(self, group: Group, namespace: str | None) -> Target:
        key = group.delivery.mapping, group.delivery.cluster, namespace
        return self.targets.setdefault(key, Target(*key, group.mapping.spec.secret.name))

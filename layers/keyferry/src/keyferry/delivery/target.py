"""One namespace under way: what is seen, wanted and done there."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from keyferry.delivery.apply import ClusterClient, Listing, clear, delete, observe, stamp_workload, stamps, write
from keyferry.delivery.desired import Desired
from keyferry.delivery.observed import Observed
from keyferry.delivery.plan import Action, Annotate, Delete, Done, Prune, Release, Restart, Write, plan, plan_deletion
from keyferry.delivery.report import Did, Outcome
from keyferry.delivery.workloads import Stamp
from keyferry.errors import Forbidden, KeyferryError, NeedsRepair, ServerError, SourceDeleted
from keyferry.mapping.mapping import SecretMapping

IN_A_ROW = 4
"""Writes of one pass that change no content: versions, marks of restarts, owners. More come with the next pass."""


@dataclass
class Target:
    """One namespace under way. Its steps raise the errors of what they call."""

    cluster: ClusterClient
    mapping: SecretMapping
    namespace: str
    observed: Observed | None = None
    fresh: bool = False
    """Whether `observed` is this pass's observation."""
    desired: Desired | None = None
    facts: tuple[str, ...] = ()
    """What is to be said of it, whatever is done."""
    gone: SourceDeleted | None = None
    """What is known of a source that was deleted: then nothing is desired."""
    due: Restart | None = None
    found: list[Stamp] = field(default_factory=list)
    did: Did = "unchanged"
    why: str = ""
    restarted: list[Stamp] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    done: bool = False
    error: KeyferryError | None = None
    written: datetime | None = None

    def observe(self) -> None:
        """Look at the Secret, where what is known of it is not new."""
        if not self.fresh:
            self.observed = observe(self.cluster, self.namespace, self.mapping.spec.secret.name)
            self.fresh, self.error = True, None

    def want(self, made: Desired | KeyferryError) -> None:
        """Take what the sources make there, or why they make nothing."""
        self.desired = made if isinstance(made, Desired) else None
        self.facts = made.notes(datetime.now(UTC)) if isinstance(made, Desired) else ()
        self.gone = made if isinstance(made, SourceDeleted) else None
        if isinstance(made, KeyferryError) and not self.gone:
            self.done, self.error = True, made.with_traceback(None)

    def advance(self) -> None:
        """Do the next thing, up to the restarts that are due."""
        if self.gone:
            self._withdraw(self.gone)
        elif self.desired:
            self._advance(self.desired)

    def look(self, workloads: Listing) -> None:
        """Find the workloads to restart, as they are now."""
        if self.due:
            self.found = stamps(self.cluster, self.namespace, self.mapping, self.due.nonce, workloads)

    def restart(self) -> None:
        """Restart what was found, and take the mark off once all of it is."""
        if not (self.due and self.desired):
            return
        action, self.due = self.due, None
        refused: list[KeyferryError] = []
        for each in self.found:
            try:
                if stamp_workload(self.cluster, self.namespace, self.desired, each):
                    self.restarted.append(each)
            except (Forbidden, NeedsRepair, ServerError) as error:
                refused.append(error)  # the others are restarted all the same
        if refused:
            raise min(refused, key=lambda error: isinstance(error, NeedsRepair))
        clear(self.cluster, self.namespace, self.desired, action)
        self._answered(None, "annotated", "restarts done")
        self.done = True

    def outcome(self) -> Outcome:
        """Return what became of it."""
        return Outcome(
            namespace=self.namespace,
            did="failed" if self.error else self.did,
            why=self.why,
            restarted=tuple(str(each) for each in self.restarted),
            notes=(
                *self.notes,
                *self.facts,
                *(str(each) for each in self.found if each.patch is None and not each.error),
            ),
            error=self.error,
        )

    def _advance(self, desired: Desired) -> None:
        action = plan(desired, self.observed, secrets.token_hex(8))
        for _ in range(IN_A_ROW):
            if not isinstance(action, Annotate | Release):
                break
            self._write(desired.manager, action, "annotated")
            action = plan(desired, self.observed, secrets.token_hex(8))
        if isinstance(action, Write | Prune):
            self._write(desired.manager, action, "created" if self.observed is None else "updated")
        self._note(action)
        self.due = action if isinstance(action, Restart) else None
        self.done = isinstance(action, Done)

    def _withdraw(self, gone: SourceDeleted) -> None:
        """Do what the mapping says of a source that was deleted."""
        action = plan_deletion(self.mapping, self.observed, gone)
        if isinstance(action, Delete):
            delete(self.cluster, self.namespace, self.mapping.spec.secret.name, action)
            self._answered(None, "deleted", action.why)
        if isinstance(action, Release):
            self._write(action.manager, action, "updated")
        self._note(action)
        self.done = isinstance(action, Done | Delete)

    def _write(self, manager: str, action: Write | Annotate | Prune | Release, did: Did) -> None:
        self._answered(write(self.cluster, self.namespace, manager, action), did, action.why)

    def _answered(self, observed: Observed | None, did: Did, why: str) -> None:
        """Take the answer of a write as the next observation."""
        self.observed, self.fresh, self.written, self.error = observed, True, datetime.now(UTC), None
        if self.did == "unchanged" or (self.did == "annotated" and did != "annotated"):
            self.did, self.why = did, why

    def _note(self, action: Action) -> None:
        """Keep what the report says of an action beside what was done."""
        if isinstance(action, Prune):
            self.notes += action.notes
        if isinstance(action, Done) and action.note and not self.notes:
            self.notes.append(action.note)

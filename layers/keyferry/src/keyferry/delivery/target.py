"""The Secret in one namespace during a delivery: its state, and the steps that bring it up to date."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from keyferry.delivery.apply import (
    WorkloadLister,
    build_stamps,
    check_unchanged,
    clear_restart_due,
    delete,
    observe,
    stamp_workload,
    write,
)
from keyferry.delivery.deletion import plan_deletion
from keyferry.delivery.desired import Desired, list_changed_keys
from keyferry.delivery.foreseen import Moved, check_target, check_workloads, find_expected
from keyferry.delivery.observed import Observed
from keyferry.delivery.plan import Action, Annotate, Delete, Done, Prune, Release, Restart, Write, plan
from keyferry.delivery.report import RESTARTS_DONE, Effect, Outcome
from keyferry.delivery.restart.listing import Survey
from keyferry.delivery.restart.outcome import RestartState, explain_due, list_workloads
from keyferry.delivery.restart.workloads import Stamp
from keyferry.delivery.work import Work
from keyferry.errors import (
    Forbidden,
    KeyferryError,
    NamespaceGone,
    NeedsRepair,
    Overtaken,
    ServerError,
    SourceDeleted,
    Unexpected,
    Unreachable,
)

MAX_ANNOTATES = 4
"""How many actions of one pass leave the content as it is (Annotate, Release). Further ones follow in the next pass."""


@dataclass
class Target:
    """The Secret of a mapping in one namespace, and how far its delivery has come.

    A pass calls the steps in this order: `observe`, `set_desired`, `update`, `prepare_restart`, `restart`. Each raises
    the errors of the requests that it makes.
    """

    work: Work
    namespace: str
    observed: Observed | None = None
    """The last known state of the Secret; None if it is missing, or not known yet."""
    is_fresh: bool = False
    """Whether `observed` can be used: it was read in this pass, or is the answer to the last write."""
    desired: Desired | None = None
    """The desired state; None if it is not known, or a source was deleted."""
    desired_notes: tuple[str, ...] = ()
    """The notes on the desired content, for the report."""
    source_deleted: SourceDeleted | None = None
    """The report that a source was deleted; None if all sources exist."""
    due_restart: Restart | None = None
    """The restart that this pass has to carry out; None if there is none."""
    was_due: bool = False
    """Whether a restart was due in this delivery."""
    survey: Survey = field(default_factory=Survey)
    """The stamps for that restart, and what was looked at for them."""
    did: Effect = "unchanged"
    """The strongest effect of all writes so far: one on the content counts more than one on annotations."""
    why: str = ""
    restarted: list[Stamp] = field(default_factory=list)
    restarted_for: str = ""
    """The nonce of the write for which workloads were restarted; empty if none were."""
    notes: list[str] = field(default_factory=list)
    is_done: bool = False
    """Whether this delivery does nothing more here: the Secret is up to date, or `error` is final."""
    error: KeyferryError | None = None
    restart_is_due: bool = False
    """Whether workloads still have to be restarted, as far as it is known: `restart-due` is on the Secret."""
    written_at: datetime | None = None
    """When the last write was answered; None if there was none."""
    content_written_at: datetime | None = None
    """When the last write of content was answered."""
    stamped_at: datetime | None = None
    """When the last stamp was answered."""
    keys: tuple[str, ...] = ()
    """The keys of that content which were written."""
    content_bytes: int = 0
    """The size of the largest content that was observed or desired."""

    def observe(self) -> None:
        """Read the Secret (step 1), unless its current state is known from the answer to a write."""
        if not self.is_fresh:
            self.observed = observe(self.work.cluster, self.namespace, self.work.mapping.spec.secret.name)
            self.is_fresh, self.error = True, None
            self._note_restart_due()
            self._measure(self.observed)

    def set_desired(self, desired: Desired | KeyferryError) -> None:
        """Set the desired state (step 2), or the error because of which there is none."""
        self.desired = desired if isinstance(desired, Desired) else None
        self._measure(self.desired)
        self.desired_notes = desired.list_notes(self.work.now()) if isinstance(desired, Desired) else ()
        self.source_deleted = desired if isinstance(desired, SourceDeleted) else None
        if isinstance(desired, KeyferryError) and not self.source_deleted:
            self._end(desired)

    def update(self) -> None:
        """Carry out the next actions (steps 3 to 6), up to a restart: that is only noted in `due_restart`."""
        if self.source_deleted:
            self._update_after_deletion(self.source_deleted)
        elif self.desired:
            self._update_to(self.desired)

    def prepare_restart(self, list_workloads: WorkloadLister, check: Callable[[], None]) -> None:
        """List the workloads that are due for a restart (step 7).

        Args:
            list_workloads: a function from `create_workload_lister`.
            check: is called before each request; what it raises ends the delivery.
        """
        if self.due_restart:
            self.was_due, nonce = True, self.due_restart.nonce
            self.survey = build_stamps(
                self.work.cluster, self.namespace, self.work.mapping, nonce, list_workloads, check
            )
            check_workloads(find_expected(self.work, self.namespace), self.survey.stamps)

    def restart(self, check: Callable[[], None]) -> None:
        """Stamp the workloads (step 7). If all could be stamped, remove `restart-due` (step 8).

        Args:
            check: is called before each request; what it raises ends the delivery. What is left is stamped in the next
                try, and what is stamped needs no patch then.
        """
        if not (self.due_restart and self.desired and self.observed):
            return
        action, self.due_restart = self.due_restart, None
        if any(stamp.patch for stamp in self.survey.stamps):  # for content that is no longer there, nothing restarts
            check()
            check_unchanged(self.work.cluster, self.namespace, self.desired, self.observed)
            self.restarted_for = action.nonce
        self._stamp(self.desired, check)
        check()
        clear_restart_due(self.work.cluster, self.namespace, self.desired, action)
        self._record_write(None, "annotated", RESTARTS_DONE)
        self.is_done = True

    def fail(self, error: Exception) -> None:
        """Take an error of a step: the next pass starts again at step 1, or the target is done with it."""
        if isinstance(error, Overtaken | Unreachable):  # what is known of the Secret may be wrong
            self.reset()
            self.error = error.with_traceback(None)
        elif isinstance(error, NamespaceGone) and self.namespace not in self.work.mapping.spec.namespace_names:
            self.notes.append("the namespace is gone, or about to go: nothing is left to do in it")
            self._end(None)
        else:
            self._end(error if isinstance(error, KeyferryError) else Unexpected(error))

    def reset(self) -> None:
        """Drop what is known of the Secret: the next pass, or the next try, observes it again."""
        self.is_fresh, self.due_restart = False, None

    def forget(self) -> None:
        """Free the memory of the content: there may be thousands of targets, of up to 1 MiB each."""
        self.observed = self.desired = None
        self.is_fresh = False

    def build_outcome(self) -> Outcome:
        """Return the result for the report. Where the content is written and an error follows, it says both."""
        is_written = self.did in ("created", "updated")
        is_due = self.restart_is_due and not (self.is_done and self.error is None)
        stamps, state = self.survey.stamps, self._get_restart_state(is_due=is_due)
        is_unused = self.was_due and not stamps and self.did == "updated" and not self.error
        error = self.error.extend(explain_due(self.error, is_written=is_written)) if self.error and is_due else None
        return Outcome(
            namespace=self.namespace,
            did="failed" if self.error and not is_written else self.did,
            why=self.why,
            workloads=list_workloads(stamps, self.restarted, self.survey.pulls, is_due=is_due),
            notes=(
                *self.notes,
                *self.desired_notes,
                *self.work.list_stamp_notes(self.namespace, stamps),
                *self.work.list_unused_notes(is_unused=is_unused),
            ),
            error=error or self.error,
            restart_due=is_due,
            restart=state,
            seen=self.survey.seen,
            keys=self.keys,
            written=self.content_written_at,
            stamped=self.stamped_at,
        )

    def _get_restart_state(self, *, is_due: bool) -> RestartState:
        if self.work.mapping.spec.restart == "none":
            return "none"
        if is_due:
            return "due"
        if not self.was_due:
            return "" if self.error else "not due"
        return "done" if self.survey.stamps or self.restarted else "unused"

    def _end(self, error: KeyferryError | None) -> None:
        """Do nothing more here in this try."""
        self.is_done, self.due_restart = True, None
        self.error = error.with_traceback(None) if error else None
        self.forget()

    def _stamp(self, desired: Desired, check: Callable[[], None]) -> None:
        """Stamp all workloads; one that cannot be stamped does not keep the others from it."""
        errors: list[KeyferryError] = []
        for stamp in self.survey.stamps:
            check()
            try:
                if stamp_workload(self.work.cluster, self.namespace, desired, stamp):
                    self.restarted.append(stamp)
                    self.stamped_at = self.work.now()
            except (Forbidden, NeedsRepair, ServerError) as error:
                errors.append(error)
        if errors:
            raise min(errors, key=lambda error: isinstance(error, NeedsRepair))  # one that may pass comes first

    def _update_to(self, desired: Desired) -> None:
        action = self._plan(desired)
        is_written = self.written_at is not None
        check_target(self.work, self.namespace, desired, self.observed, action, is_written=is_written)
        for _ in range(MAX_ANNOTATES):
            if not isinstance(action, Annotate | Release):
                break
            self._write(desired.manager, action, "annotated")
            action = self._plan(desired)
        if isinstance(action, Write | Prune):
            keys = list_changed_keys(desired, self.observed) if isinstance(action, Write) else ()
            self._write(desired.manager, action, "created" if self.observed is None else "updated")
            self.keys, self.content_written_at = keys or self.keys, self.written_at
        self._record_notes(action)
        if isinstance(action, Restart) and self.restarted_for not in ("", action.nonce):
            # Whoever has written meanwhile may go on: a try restarts for one write, whatever others do.
            self._end(Overtaken(f"the Secret in {self.namespace} was written again after its workloads had restarted"))
            return
        self.due_restart = action if isinstance(action, Restart) else None
        self.is_done = isinstance(action, Done)

    def _plan(self, desired: Desired) -> Action:
        work = self.work
        return plan(desired, self.observed, secrets.token_hex(8), work.now(), work.forgets_before)

    def _update_after_deletion(self, error: SourceDeleted) -> None:
        """Carry out what the mapping's `policies.deletion` says for a source that was deleted."""
        if self.work.expected is not None:
            raise Moved(f"{error}; it was there in the plan: plan again")
        action = plan_deletion(self.work.mapping, self.observed, error)
        if isinstance(action, Delete):
            delete(self.work.cluster, self.namespace, self.work.mapping.spec.secret.name, action)
            self._record_write(None, "deleted", action.why)
        if isinstance(action, Release):
            self._write(action.manager, action, "updated")
        self._record_notes(action)
        self.is_done = isinstance(action, Done | Delete)

    def _measure(self, state: Observed | Desired | None) -> None:
        self.content_bytes = max(self.content_bytes, sum(map(len, state.data.values())) if state else 0)

    def _write(self, manager: str, action: Write | Annotate | Prune | Release, effect: Effect) -> None:
        self._record_write(write(self.work.cluster, self.namespace, manager, action), effect, action.why)

    def _record_write(self, observed: Observed | None, effect: Effect, why: str) -> None:
        """Take the answer to a write as the next observation, and keep the effect for the report.

        The audit has it first: a death from here on leaves it.
        """
        written, mapping = observed or self.observed, self.work.mapping
        versions = written.get_journal_versions() if written and written.is_written_by(mapping) else {}
        self.work.keep_write(self.namespace, effect, why, versions)
        self.observed, self.is_fresh, self.written_at, self.error = observed, True, self.work.now(), None
        self._note_restart_due()
        if self.did == "unchanged" or (self.did == "annotated" and effect != "annotated"):
            self.did, self.why = effect, why

    def _note_restart_due(self) -> None:
        mapping, observed = self.work.mapping, self.observed
        is_ours = observed is not None and observed.is_written_by(mapping)  # another mapping's is not ours to tell
        self.restart_is_due = bool(observed and is_ours and observed.restart_due and mapping.spec.restart != "none")

    def _record_notes(self, action: Action) -> None:
        """Keep the notes of an action for the report."""
        if isinstance(action, Prune):
            self.notes += action.notes
        if isinstance(action, Done) and action.note and not self.notes:
            self.notes.append(action.note)

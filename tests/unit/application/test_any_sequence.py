"""No sequence of moves by any actor reaches what the tables forbid, and the history tells it all."""

from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chassis.errors import DomainError
from services.application.domain import moves, transitions
from services.application.domain.model import (
    Application,
    ApplicationActor,
    ApplicationState,
    ClosedReason,
    HistoryEntry,
    StudentStatus,
)
from services.application.domain.student_view import student_view
from tests.unit.application.samples import ACTORS, NOW, OWNER, POLICY, STUDENT, submitted
from tests.unit.application.test_moves import COMPANY_MAY, STUDENT_MAY, SYSTEM_MAY

SECRET = "weak in the interview"
BACK = "the state before"
REFERENCE = {
    "COMPANY": {**COMPANY_MAY, "REJECTED": BACK, "CLOSED": BACK},
    # Until a rejection is disclosed the student may do what was possible before it.
    "STUDENT": {**STUDENT_MAY, "DRAFT": "SUBMITTED", "REJECTED": "WITHDRAWN"},
    "SYSTEM": SYSTEM_MAY,
}


class AnyoneMovesAnything(RuleBasedStateMachine):
    application: Application

    @initialize()
    def apply(self) -> None:
        self.now: datetime = NOW
        self.application = submitted()
        self.told_of_rejection_at: datetime | None = None

    def attempt(self, after: Application | None) -> None:
        if after is None:
            return
        before, self.application = self.application, after
        assert after.version == before.version + 1
        assert after.update_time == self.now
        self.note_rejection(before, after)

    def note_rejection(self, before: Application, after: Application) -> None:
        if before.state is after.state:
            return
        if after.state is ApplicationState.REJECTED:
            delay = timedelta() if before.state is ApplicationState.OFFERED else POLICY.rejection_delay
            self.told_of_rejection_at = self.now + delay
        else:
            self.told_of_rejection_at = None

    @rule(minutes=st.sampled_from([1, 29, 31, 60 * 24 * 8, 60 * 24 * 50]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(actor=st.sampled_from(ACTORS), goal=st.sampled_from(list(ApplicationState)))
    def anyone_moves_anywhere(self, actor: ApplicationActor, goal: ApplicationState) -> None:
        if (actor, goal) == (STUDENT, ApplicationState.HIRED):
            return
        try:
            after = moves.move_application(self.application, goal, actor, self.now, POLICY, note=SECRET)
        except DomainError as refusal:
            assert refusal.reason in ("ILLEGAL_TRANSITION", "UNEXPECTED_STATE")
            return
        self.attempt(after)

    @rule(actor=st.sampled_from(ACTORS), to=st.integers(0, 30))
    def the_company_moves_somewhere_allowed(self, actor: ApplicationActor, to: int) -> None:
        targets = transitions.allowed_targets(self.application, actor, self.now)
        if targets and self.application.acceptance is None and actor is not STUDENT:
            target = targets[to % len(targets)]
            self.attempt(
                moves.move_application(self.application, target, actor, self.now, POLICY, note=SECRET)
            )

    @rule()
    def the_company_offers_as_soon_as_it_may(self) -> None:
        """Offer as soon as it is allowed: otherwise few sequences reach an offer."""
        for target in (ApplicationState.SHORTLISTED, ApplicationState.OFFERED):
            if target in transitions.allowed_targets(self.application, OWNER, self.now):
                self.attempt(
                    moves.move_application(self.application, target, OWNER, self.now, POLICY, note=SECRET)
                )

    @rule(actor=st.sampled_from(ACTORS))
    def the_company_looks(self, actor: ApplicationActor) -> None:
        self.attempt(moves.start_review(self.application, actor, self.now, POLICY))

    @rule()
    def the_student_accepts(self) -> None:
        try:
            self.attempt(moves.start_acceptance(self.application, STUDENT, self.now, POLICY))
        except DomainError:
            assert self.application.state is not ApplicationState.OFFERED or self.offer_is_over()

    @precondition(lambda self: self.application.acceptance is not None)
    @rule(taken=st.booleans())
    def an_acceptance_ends(self, taken: bool) -> None:
        end = moves.complete_acceptance if taken else moves.undo_acceptance
        self.attempt(end(self.application, self.now, POLICY))

    @rule(reason=st.sampled_from(ClosedReason))
    def the_system_closes(self, reason: ClosedReason) -> None:
        try:
            self.attempt(moves.close_application(self.application, reason, self.now, POLICY))
        except DomainError:
            assert self.application.state in (
                ApplicationState.HIRED,
                ApplicationState.REJECTED,
                ApplicationState.WITHDRAWN,
                ApplicationState.CLOSED,
            ) or (self.application.acceptance is not None)

    @rule()
    def time_tells(self) -> None:
        self.attempt(moves.settle_due_application(self.application, self.now, POLICY))

    def offer_is_over(self) -> bool:
        expiry = self.application.offer_expire_time
        return expiry is not None and expiry <= self.now

    @invariant()
    def history_replays_to_the_present_state_by_legal_moves_only(self) -> None:
        state = ApplicationState.DRAFT
        before: dict[ApplicationState, ApplicationState] = {}
        previous = self.application.history[0]
        for entry in self.application.history:
            assert entry.source is state
            targets = REFERENCE[entry.actor][state]
            legal = (
                {before[state]}
                if targets == BACK
                else {ApplicationState(target) for target in targets.split()}
            )
            assert entry.target in legal
            assert self.kept_its_condition(previous, entry)
            previous = entry
            before[entry.target] = state
            state = entry.target
        assert state is self.application.state

    @staticmethod
    def kept_its_condition(previous: HistoryEntry, entry: HistoryEntry) -> bool:
        waited = entry.time - previous.time
        if entry.source is ApplicationState.HIRED and entry.target is ApplicationState.OFFERED:
            return entry.actor_id == OWNER.id and waited < timedelta(days=14)
        if entry.source is ApplicationState.REJECTED and entry.target is ApplicationState.WITHDRAWN:
            return previous.seen_time is None
        return entry.source is not ApplicationState.REJECTED or waited < timedelta(days=90)

    @invariant()
    def an_offer_has_an_end_and_nothing_else_has(self) -> None:
        assert (self.application.offer_expire_time is not None) == (
            self.application.state is ApplicationState.OFFERED
        )
        if self.application.acceptance is not None:
            assert self.application.state is ApplicationState.OFFERED

    @invariant()
    def the_student_never_sees_a_note_or_a_rejection_before_its_time(self) -> None:
        view = student_view(self.application, self.now)
        assert SECRET not in repr(view)
        told_at = self.told_of_rejection_at
        assert (view.status is StudentStatus.NOT_SELECTED) == (told_at is not None and told_at <= self.now)

    @invariant()
    def what_the_student_saw_stays_seen(self) -> None:
        seen = student_view(self.application, self.now).changes
        known = getattr(self, "seen", ())
        assert seen[: len(known)] == known
        self.seen = seen


AnyoneMovesAnything.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyoneMovesAnything = AnyoneMovesAnything.TestCase

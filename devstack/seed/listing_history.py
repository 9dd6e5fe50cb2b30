"""The history of one seeded listing and its applications, by the services' own rules and without I/O.

Everything happens in the order of its time: the listing is drafted and published, applications are submitted
and moved, openings are reserved and taken, the listing is closed or paused, deadlines pass, and what the
services do by themselves when it is due is done.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final

from chassis.errors import DomainError
from chassis.ids import new_id, slot_of
from chassis.search.gazetteer import shared_gazetteer
from devstack.seed.messages import posting_message
from devstack.seed.population import ListingOutcome, SeedListing
from devstack.seed.timeline import VERIFICATION_DELAY, history_end, listing_written
from services.analytics.domain.figures import ApplicationEvent, FigureEvent, ListingEvent
from services.analytics.mapping import application_event_from_message
from services.application.domain import moves
from services.application.domain.events import (
    ApplicationWasMoved,
    ApplicationWasSubmitted,
    change_events,
)
from services.application.domain.model import (
    Application,
    ApplicationActor,
    ApplicationActorKind,
    ApplicationPolicy,
    ApplicationState,
    ListingEnding,
    QuestionAnswer,
)
from services.application.domain.submission import StudentSnapshot, submit_application
from services.application.mapping import (
    intake_from_message,
    listing_ending_from_message,
    replayed_event_message,
)
from services.internship.domain import openings, transitions
from services.internship.domain.events import ListingStateWasChanged, events_of_change
from services.internship.domain.geocoding import Coordinates, geocode_posting
from services.internship.domain.model import (
    SYSTEM_ACTOR,
    Actor,
    ActorKind,
    Listing,
    ListingCompany,
    ListingState,
)
from services.internship.domain.moderation import CompanyStanding
from services.internship.domain.openings import OpeningClaim
from services.internship.mapping.events import state_change_message
from services.internship.mapping.listings import intake_to_message, posting_from_message

_LEFT_OUT_REASONS: Final = frozenset({"INTERNSHIP_NOT_FOUND", "INTERNSHIP_NOT_OPEN", "PERMISSION_DENIED"})
"""Why an application is not submitted after all, e.g. since its listing has been closed by its owner."""
_REFUSED_MOVES: Final = frozenset(
    {"ILLEGAL_TRANSITION", "UNEXPECTED_STATE", "NO_OPENING_LEFT", "INTERNSHIP_INCOMPLETE"}
)


@dataclass(frozen=True)
class ListingOwner:
    """The member who posts for a company, and the company as its listings name it."""

    user_id: str
    role: str
    company: ListingCompany
    standing: CompanyStanding


@dataclass(frozen=True)
class PlannedApplication:
    """An application to come: `course` are its states, each with its time, the submission first."""

    id: str
    operation_id: str
    student: StudentSnapshot
    answers: tuple[QuestionAnswer, ...]
    cover_letter: str
    course: tuple[tuple[ApplicationState, datetime], ...]
    offer_expire_time: datetime

    @property
    def as_student(self) -> ApplicationActor:
        """The student as the actor of a move."""
        return ApplicationActor(kind=ApplicationActorKind.STUDENT, id=self.student.id)


@dataclass
class ListingHistory:
    """A listing with all that has happened to it.

    `announced` is the listing as its last event showed it; `ending` is what applications know of its state.
    """

    listing: Listing
    owner: ListingOwner
    policy: ApplicationPolicy
    announced: Listing
    ending: ListingEnding | None = None
    claims: dict[str, OpeningClaim] = field(default_factory=dict)
    applications: dict[str, Application] = field(default_factory=dict)
    figure_events: list[FigureEvent] = field(default_factory=list)

    # --- the listing

    @classmethod
    def draft(cls, plan: "ListingPlan", policy: ApplicationPolicy, now: datetime) -> "ListingHistory":
        """Return the history of a listing that was drafted under an idempotent operation."""
        written, company = listing_written(plan.each, now), plan.owner.company
        posting = posting_from_message(posting_message(plan.each, now))
        listing = Listing(
            id=listing_id(plan.each, plan.operation_id, company.id, now),
            company=company,
            posting=geocode_posting(posting, _locate_city),
            create_time=written,
            update_time=written,
        )
        history = cls(listing, plan.owner, policy, announced=listing)
        history._count_listing(written)
        return history

    def publish(self, operation_id: str, moment: datetime) -> None:
        """Publish the draft, with review unless its company is trusted."""
        actor, company = self._company_actor, self.owner.company
        trusted = self.owner.standing.may_publish_unread(self.listing.posting)
        published = transitions.publish_listing(self.listing, company, actor, moment, trusted=trusted)
        self._store(published, moment, operation_id)

    def end(self, outcome: ListingOutcome, operation_id: str, moment: datetime) -> None:
        """Close or pause the listing, unless it has ended otherwise before."""
        target = {ListingOutcome.CLOSED: ListingState.CLOSED, ListingOutcome.PAUSED: ListingState.PAUSED}
        if outcome not in target:
            return
        try:
            moved = transitions.move_listing(self.listing, target[outcome], self._company_actor, moment)
        except DomainError as error:
            if error.reason not in _REFUSED_MOVES:
                raise
            return
        self._store(moved, moment, operation_id)

    def expire(self, now: datetime) -> None:
        """End the intake at the deadline, if it has passed by now."""
        deadline = self.listing.posting.apply_deadline
        if deadline is None or deadline > now:
            return
        if transitions.can_move(self.listing, ListingState.EXPIRED, SYSTEM_ACTOR, deadline):
            expired = transitions.move_listing(self.listing, ListingState.EXPIRED, SYSTEM_ACTOR, deadline)
            self._store(expired, deadline)

    # --- applications

    def run(self, planned: Iterable[PlannedApplication]) -> None:
        """Let all applications take their courses, each step at its time."""
        for moment, step in sorted(_steps_of(self, planned), key=lambda each: each[0]):
            step(moment)

    def settle_due(self, until: datetime) -> None:
        """Make the changes of applications that are due by then, in order."""
        while due := self._first_due(until):
            application, moment = due
            settled = moves.settle_due_application(application, moment, self.policy)
            if settled is None:
                return
            self._store_application(settled)

    def submit(self, plan: PlannedApplication, moment: datetime) -> None:
        """Submit an application, if the listing takes any."""
        intake = intake_from_message(intake_to_message(self.listing, moment))
        try:
            submitted = submit_application(
                plan.id,
                intake,
                plan.student,
                moment,
                self.policy,
                answers=plan.answers,
                cover_letter=plan.cover_letter,
                operation_id=plan.operation_id,
            )
        except DomainError as error:
            if error.reason not in _LEFT_OUT_REASONS:
                raise
            return
        self.applications[plan.id] = submitted
        self._count_application(ApplicationWasSubmitted(submitted), moment)

    def move(self, plan: PlannedApplication, state: ApplicationState, moment: datetime) -> None:
        """Move an application on its course; it stays where it is when the rules refuse the move."""
        if plan.id not in self.applications:
            return
        operation_id = f"{plan.operation_id}:{state}"
        try:
            if state is ApplicationState.HIRED:
                self._hire(plan, operation_id, moment)
            elif state is ApplicationState.WITHDRAWN:
                seen = self.applications[plan.id]
                self._store_application(
                    moves.withdraw_application(seen, plan.as_student, moment, self.policy, operation_id)
                )
            elif state is not ApplicationState.CLOSED:  # that, the system does when it is due
                self._move_for_company(plan, state, operation_id, moment)
        except DomainError as error:
            if error.reason not in _REFUSED_MOVES:
                raise

    def _move_for_company(
        self, plan: PlannedApplication, state: ApplicationState, operation_id: str, moment: datetime
    ) -> None:
        """Look at the application, which begins its review, and move it further."""
        member = ApplicationActor(
            kind=ApplicationActorKind.COMPANY, id=self.owner.user_id, role=self.owner.role
        )
        reviewed = moves.start_review(self.applications[plan.id], member, moment, self.policy)
        if reviewed is not None:
            self._store_application(reviewed)
        seen = self.applications[plan.id]
        if seen.state is state:
            return
        if state is ApplicationState.OFFERED:
            self._offer(plan, member, operation_id, moment)
            return
        self._store_application(
            moves.move_application(seen, state, member, moment, self.policy, operation_id=operation_id)
        )

    def _offer(
        self, plan: PlannedApplication, member: ApplicationActor, operation_id: str, moment: datetime
    ) -> None:
        """Make an offer for which an opening is reserved. Raises NO_OPENING_LEFT."""
        begun = moves.start_offer(
            self.applications[plan.id],
            member,
            moment,
            self.policy,
            offer_expire_time=plan.offer_expire_time,
            operation_id=operation_id,
        )
        listing, claim = openings.reserve_opening(
            self.listing, self.claims.get(plan.id), plan.id, begun.version, moment
        )
        self._store(listing, moment)
        offered = moves.complete_offer(begun, moment, self.policy)
        # The event of the offer makes its version known to the claim.
        _, self.claims[plan.id] = openings.follow_application(
            listing, claim, offered.version, moment, offered=True
        )
        self._store_application(offered)

    def _hire(self, plan: PlannedApplication, operation_id: str, moment: datetime) -> None:
        """Accept the offer, for which an opening is taken. Raises NO_OPENING_LEFT."""
        begun = moves.start_acceptance(
            self.applications[plan.id], plan.as_student, moment, self.policy, operation_id
        )
        listing, self.claims[plan.id] = openings.take_opening(
            self.listing, self.claims.get(plan.id), plan.id, begun.version, moment
        )
        self._store_application(moves.complete_acceptance(begun, moment, self.policy))
        self._store(listing, moment)

    # --- what follows from a change

    @property
    def _company_actor(self) -> Actor:
        return Actor(kind=ActorKind.COMPANY, id=self.owner.user_id)

    def _store(self, changed: Listing, moment: datetime, operation_id: str = "") -> None:
        before, events = self.listing, list(events_of_change(self.listing, changed))
        operations = (*changed.operations, operation_id) if operation_id else changed.operations
        self.listing = replace(changed, operations=operations)
        if events:
            self.announced = self.listing
        for event in events:
            if isinstance(event, ListingStateWasChanged):
                self._announce_state(replace(event, listing=self.listing), before, moment)

    def _announce_state(self, event: ListingStateWasChanged, before: Listing, moment: datetime) -> None:
        """Count the change of state, and end the applications of a listing that has ended."""
        self._count_listing(moment)
        ending = listing_ending_from_message(state_change_message(event, moment))
        for application in list(self.applications.values()):
            ended = moves.end_with_listing(application, ending, moment, self.policy)
            if ended is not None:
                self._store_application(ended)
        self.ending = replace(ending, pending=False)

    def _store_application(self, changed: Application) -> None:
        before = self.applications[changed.id]
        self.applications[changed.id] = changed
        for event in change_events(before, changed):
            if isinstance(event, ApplicationWasMoved):
                self._count_application(event, changed.update_time)

    def _count_listing(self, moment: datetime) -> None:
        listing = self.listing
        self.figure_events.append(
            ListingEvent(
                internship_id=listing.id,
                company_id=listing.company.id,
                state=listing.state.value,
                version=listing.version,
                time=moment,
            )
        )

    def _count_application(
        self, event: ApplicationWasSubmitted | ApplicationWasMoved, moment: datetime
    ) -> None:
        counted: ApplicationEvent = application_event_from_message(replayed_event_message(event), moment)
        self.figure_events.append(counted)

    def _first_due(self, until: datetime) -> tuple[Application, datetime] | None:
        due = [each for each in self.applications.values() if each.due_time and each.due_time <= until]
        first = min(due, key=lambda each: (each.due_time, each.id), default=None)
        return None if first is None or first.due_time is None else (first, first.due_time)


def listing_id(each: SeedListing, operation_id: str, company_id: str, now: datetime) -> str:
    """Return the ID of a listing, which follows from the operation under which it is drafted."""
    return new_id("int", slot_of(company_id), at=listing_written(each, now), seed=operation_id.encode())


@dataclass(frozen=True)
class ListingPlan:
    """A listing to come: the one of this index in the population of this number."""

    number: int
    index: int
    each: SeedListing
    owner: ListingOwner
    applications: Sequence[PlannedApplication]

    @property
    def operation_id(self) -> str:
        """The idempotent operation under which it is drafted and published."""
        return listing_operation_id(self.number, self.index, self.owner.company.id)


def build_listing_history(plan: ListingPlan, policy: ApplicationPolicy, now: datetime) -> ListingHistory:
    """Return the whole history of a listing that is seeded at `now`."""
    history = ListingHistory.draft(plan, policy, now)
    if plan.each.outcome is not ListingOutcome.DRAFT:
        history.publish(plan.operation_id, history.listing.create_time + VERIFICATION_DELAY)
        history.run(plan.applications)
        ended = history_end(now)
        history.settle_due(ended)
        history.end(plan.each.outcome, f"seed:{plan.number}:end:{history.listing.id}", ended)
        history.settle_due(now)
        history.expire(now)
    return history


def listing_operation_id(number: int, index: int, company_id: str) -> str:
    """Return the idempotent operation under which a listing is drafted and published."""
    return f"seed:{number}:listing:{index}:{company_id}"


def _steps_of(
    history: ListingHistory, planned: Iterable[PlannedApplication]
) -> Iterator[tuple[datetime, Callable[[datetime], None]]]:
    for plan in planned:
        (_, submitted), *later = plan.course
        yield submitted, partial(history.submit, plan)
        for state, at in later:
            yield at, partial(history.move, plan, state)


def _locate_city(city: str, region: str, country: str) -> Coordinates | None:
    found = shared_gazetteer().locate(city, region, country)
    return None if found is None else (found.lat, found.lng)

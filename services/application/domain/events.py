"""The events of applications, which each change of one returns."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from chassis.aggregates import AggregateChange
from services.application.domain.model import Application, ApplicationActorKind


@dataclass(frozen=True, slots=True)
class ApplicationWasSubmitted:
    """A student applied."""

    application: Application


@dataclass(frozen=True, slots=True)
class ApplicationWasMoved:
    """The application came into another state."""

    before: Application
    after: Application


@dataclass(frozen=True, slots=True)
class AcceptanceWasStarted:
    """The student accepts the offer, and an opening has to be taken."""

    application_id: str


@dataclass(frozen=True, slots=True)
class RejectionWasDisclosed:
    """The rejection is disclosed to the student from now on."""

    application: Application


@dataclass(frozen=True, slots=True)
class ApplicationWasAnonymised:
    """Nothing says any more who the student was."""

    application: Application


ApplicationEvent = (
    ApplicationWasSubmitted
    | ApplicationWasMoved
    | AcceptanceWasStarted
    | RejectionWasDisclosed
    | ApplicationWasAnonymised
)


def with_events(
    step: Callable[[Application], Application | None],
) -> Callable[[Application], AggregateChange[Application] | None]:
    """Return a decision from a step that returns the changed application, or None for no change."""

    def decide(before: Application) -> AggregateChange[Application] | None:
        after = step(before)
        return None if after is None else AggregateChange(after, change_events(before, after))

    return decide


def change_events(before: Application, after: Application) -> tuple[ApplicationEvent, ...]:
    """Return the events between two versions.

    A move, the start of an acceptance, a disclosure, the end of retention.
    """
    happened: list[ApplicationEvent] = []
    if len(after.history) > len(before.history):
        happened.append(ApplicationWasMoved(before, after))
    if after.acceptance is not None and before.acceptance is None:
        happened.append(AcceptanceWasStarted(after.id))
    if after.disclosed and not before.disclosed:
        happened.append(RejectionWasDisclosed(after))
    if after.is_anonymous and not before.is_anonymous:
        happened.append(ApplicationWasAnonymised(after))
    return tuple(happened)


def replay_events(
    application: Application,
) -> list[tuple[ApplicationWasSubmitted | ApplicationWasMoved, datetime]]:
    """Return the submission and the moves of an application as events again, each with its time.

    They bear versions that keep their order; the latest bears the application's own.
    """
    steps = [_application_after(application, count) for count in range(1, len(application.history) + 1)]
    submitted = ApplicationWasSubmitted(steps[0])
    moves = [(ApplicationWasMoved(before, after), after.update_time) for before, after in pairwise(steps)]
    return [(submitted, steps[0].update_time), *moves]


def _application_after(application: Application, entries: int) -> Application:
    """Return the application after that number of history entries, as far as events show it."""
    history = application.history[:entries]
    answers = [entry.time for entry in history if entry.actor is ApplicationActorKind.COMPANY]
    is_last = entries == len(application.history)
    return replace(
        application,
        state=history[-1].target,
        history=history,
        update_time=history[-1].time,
        version=application.version if is_last else entries,
        first_response_time=answers[0] if answers else None,
        closed_reason=application.closed_reason if is_last else None,
        offer_expire_time=application.offer_expire_time if is_last else None,
    )

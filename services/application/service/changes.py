"""Reading an application by right, and changing it by compare-and-set."""

from collections.abc import Callable
from typing import Final, Protocol

from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.errors import not_found, overloaded
from services.application.domain.model import (
    Application,
    ApplicationActor,
    ApplicationActorKind,
    ApplicationPolicy,
)
from services.application.domain.submission import ListingIntake, StudentSnapshot
from services.application.events.outgoing import change_events
from services.application.repository import ApplicationRepository

MAX_UPDATE_ATTEMPTS: Final = 8
"""Compare-and-set is lost only to another change that took effect: a few attempts see everybody through."""


class ListingDirectory(Protocol):
    """What is asked of the internship service."""

    async def get(self, internship_id: str) -> ListingIntake: ...

    async def company_of(self, internship_id: str) -> str | None: ...

    async def reserve_opening(self, internship_id: str, application_id: str, version: int) -> None: ...

    async def take_opening(self, internship_id: str, application_id: str, version: int) -> None: ...


class StudentDirectory(Protocol):
    """What is asked of the user service."""

    async def get(self, student_id: str) -> StudentSnapshot: ...


ApplicationStep = Callable[[Application], Application | None]
"""Gives the application after the change; None when there is nothing to change."""


class ApplicationUpdater:
    """Applies steps of the domain to stored applications, telling of each change."""

    def __init__(self, store: ApplicationRepository, clock: Clock, policy: ApplicationPolicy) -> None:
        self._store = store
        self.clock = clock
        self.policy = policy

    async def read(self, application_id: str, reader: Principal) -> Application:
        """The application, if it is the reader's own or their company's; else APPLICATION_NOT_FOUND."""
        found = await self._store.get(application_id)
        if found is None or not _may_read(found, reader):
            raise not_found("APPLICATION_NOT_FOUND", "application", application_id)
        return found

    async def change(self, application: Application, step: ApplicationStep) -> Application:
        """The application after the step; the step sees it anew when somebody else was faster.

        Raises what the step raises, OVERLOADED when others are faster time and again.
        """
        for _ in range(MAX_UPDATE_ATTEMPTS):
            after = step(application)
            if after is None:
                return application
            if await self._store.replace(application, after, change_events(application, after)):
                return after
            application = await self._again(application.id)
        raise overloaded("the application")

    async def _again(self, application_id: str) -> Application:
        found = await self._store.get(application_id)
        if found is None:
            raise not_found("APPLICATION_NOT_FOUND", "application", application_id)
        return found


def actor_of_principal(principal: Principal) -> ApplicationActor:
    """The caller as the rules know them."""
    actor = ApplicationActorKind.STUDENT if principal.kind == "STUDENT" else ApplicationActorKind.COMPANY
    return ApplicationActor(kind=actor, id=principal.id, role=principal.role)


def _may_read(application: Application, reader: Principal) -> bool:
    if reader.kind == "STUDENT":
        return application.student_id == reader.id
    return reader.kind == "COMPANY" and application.company_id == reader.org

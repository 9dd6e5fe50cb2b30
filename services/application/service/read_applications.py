"""Reading applications."""

from chassis.call_context import Principal
from chassis.clock import Clock
from services.application.domain import moves
from services.application.domain.events import with_events
from services.application.domain.model import Application, ApplicationActorKind, ApplicationPolicy
from services.application.repository import ApplicationRepository
from services.application.service.access import actor_of_principal, read_application


class ReadApplications:
    """A student's own applications, and those to a company's listings."""

    def __init__(self, repository: ApplicationRepository, clock: Clock, policy: ApplicationPolicy) -> None:
        self._repository = repository
        self._clock = clock
        self._policy = policy

    async def open_application(self, application_id: str, principal: Principal) -> Application:
        """Return one application.

        The company's first view moves it to IN_REVIEW; a VIEWER's view moves nothing.
        """
        application = await read_application(self._repository, application_id, principal)
        actor = actor_of_principal(principal)
        if actor.kind is ApplicationActorKind.STUDENT:
            return application
        now = self._clock.now()
        decide = with_events(lambda seen: moves.start_review(seen, actor, now, self._policy))
        return await self._repository.update(application.id, decide, known=application)

    async def list_of_student(
        self, principal: Principal, after_id: str | None, limit: int
    ) -> list[Application]:
        """Return the student's applications, newest first, without the frozen profiles."""
        return await self._repository.list_of_student(principal.id, after_id, limit)

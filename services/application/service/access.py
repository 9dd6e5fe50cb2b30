"""Access to applications, and callers as actors of the rules."""

from chassis.call_context import Principal
from chassis.errors import stale_etag
from chassis.idempotency import IdempotentOperation
from chassis.mongo.documents import format_etag
from services.application.domain.model import Application, ApplicationActor, ApplicationActorKind
from services.application.repository import ApplicationRepository


async def read_application(
    repository: ApplicationRepository, application_id: str, principal: Principal
) -> Application:
    """Return an application that is the caller's own or their company's; else raise APPLICATION_NOT_FOUND."""
    found = await repository.get(application_id)
    if found is None or not _may_read(found, principal):
        raise repository.not_found(application_id)
    return found


def actor_of_principal(principal: Principal) -> ApplicationActor:
    """Return the caller as an actor of the rules."""
    kind = ApplicationActorKind.STUDENT if principal.kind == "STUDENT" else ApplicationActorKind.COMPANY
    return ApplicationActor(kind=kind, id=principal.id, role=principal.role)


def check_etag(etag: str, version: int, application: Application) -> None:
    """Raise STALE_ETAG unless the caller has read this version, or gives no etag."""
    if etag and etag != format_etag(version):
        raise stale_etag("application", application.id)


def operation_id(operation: IdempotentOperation | None) -> str:
    """Return the operation's mark in a history entry; "" without an operation."""
    return "" if operation is None else operation.id


def _may_read(application: Application, principal: Principal) -> bool:
    if principal.kind == "STUDENT":
        return application.student_id == principal.id
    return principal.kind == "COMPANY" and application.company_id == principal.org

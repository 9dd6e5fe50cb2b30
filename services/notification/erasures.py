"""The erasure of people in the notification service, as its resources make it."""

from datetime import timedelta

from chassis.erasures import ErasePeople, LateEvents, Tombstones
from chassis.service_definition import ServiceResources
from internshipconnect.events.v1.events_pb2 import NotificationPersonErased
from services.notification.repository import NotificationRepository
from services.notification.settings import NotificationSettings


def build_erasures(
    resources: ServiceResources[NotificationSettings],
    repository: NotificationRepository,
    tombstones: Tombstones,
) -> tuple[ErasePeople, LateEvents]:
    """Return what erases people, also mails that wait, and what drops events that come after it."""
    erasing = ErasePeople(
        tombstones,
        repository.erase_person,
        lambda id_: NotificationPersonErased(user_id=id_),
        resources.clock,
        timedelta(seconds=resources.settings.erasure_settle_s),
    )
    return erasing, LateEvents(tombstones)

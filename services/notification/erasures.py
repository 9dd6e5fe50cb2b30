"""The erasure of people in the notification service, as its resources make it."""

from datetime import timedelta

from chassis.erasures import ErasePeople
from chassis.service_definition import ServiceResources
from chassis.sharding.erased_people import ErasedPeople
from internshipconnect.events.v1.events_pb2 import NotificationPersonErased
from services.notification.repository import NotificationRepository
from services.notification.settings import NotificationSettings


def build_erasures(
    resources: ServiceResources[NotificationSettings],
    repository: NotificationRepository,
    tombstones: ErasedPeople,
) -> ErasePeople:
    """Return what erases people: their recipients, inboxes and mails, also those that wait to be sent."""
    return ErasePeople(
        tombstones,
        repository.erase_person,
        lambda id_: NotificationPersonErased(user_id=id_),
        resources.clock,
        timedelta(seconds=resources.settings.erasure_settle_s),
    )

"""What the service holds of a person, for the service that puts a person's copy together."""

from chassis.grpc.personal_data import PersonalDataRpcs
from chassis.page_tokens import PageTokens
from internshipconnect.notification.v1.personal_data_pb2_grpc import NotificationPersonalDataServiceServicer
from services.notification.repository import NotificationRepository
from services.notification.service.list_personal_data import ListNotificationData


class NotificationPersonalDataServicer(PersonalDataRpcs, NotificationPersonalDataServiceServicer):
    """Answers the RPC of `NotificationPersonalDataService`."""


def build_personal_data_servicer(
    repository: NotificationRepository, page_tokens: PageTokens
) -> NotificationPersonalDataServicer:
    """Return the servicer on the inboxes."""
    return NotificationPersonalDataServicer(ListNotificationData(repository).source, page_tokens)

"""What the service holds of a person, for the service that puts a person's copy together."""

from chassis.clock import Clock
from chassis.grpc.personal_data import PersonalDataRpcs
from chassis.page_tokens import PageTokens
from internshipconnect.application.v1.personal_data_pb2_grpc import ApplicationPersonalDataServiceServicer
from services.application.mapping import application_fields
from services.application.repository import ApplicationRepository
from services.application.service.list_personal_data import ListApplicationData


class ApplicationPersonalDataServicer(PersonalDataRpcs, ApplicationPersonalDataServiceServicer):
    """Answers the RPC of `ApplicationPersonalDataService`."""


def build_personal_data_servicer(
    applications: ApplicationRepository, page_tokens: PageTokens, clock: Clock
) -> ApplicationPersonalDataServicer:
    """Return the servicer on the applications."""
    listing = ListApplicationData(applications, application_fields, clock)
    return ApplicationPersonalDataServicer(listing.source, page_tokens)

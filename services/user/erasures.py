"""The erasure of people in the user service, as its resources make it."""

from datetime import timedelta

from chassis.erasures import ErasePeople, LateEvents
from chassis.service_definition import ServiceResources
from internshipconnect.events.v1.events_pb2 import UserPersonErased
from services.user.adapters import UserAdapters
from services.user.repository import UserRepositories
from services.user.service.erase_person import EraseProfile
from services.user.service.manage_companies import ManageCompanies
from services.user.service.scan_documents import ScanDocuments
from services.user.settings import UserSettings


def build_erasures(
    resources: ServiceResources[UserSettings],
    stored: UserRepositories,
    companies: ManageCompanies,
    contents: ScanDocuments,
    adapters: UserAdapters,
) -> tuple[ErasePeople, LateEvents]:
    """Return what erases people, and what drops events that come after it."""
    person = EraseProfile(stored, stored.removal, companies, contents, adapters.documents.blobs)
    settle = timedelta(seconds=resources.settings.erasure_settle_s)
    erasing = ErasePeople(
        stored.tombstones, person.erase, lambda id_: UserPersonErased(user_id=id_), resources.clock, settle
    )
    return erasing, LateEvents(stored.tombstones)

"""The erasure of people in the application service, as its resources make it."""

from datetime import timedelta

from chassis.erasures import ErasePeople, Tombstones
from chassis.service_definition import ServiceResources
from internshipconnect.events.v1.events_pb2 import ApplicationPersonErased
from services.application.peers import DocumentClient
from services.application.repository import ApplicationRepository
from services.application.service.erase_person import EraseStudent
from services.application.settings import ApplicationSettings


def build_erasures(
    resources: ServiceResources[ApplicationSettings],
    applications: ApplicationRepository,
    tombstones: Tombstones,
) -> ErasePeople:
    """Return what erases people."""
    settings, clock = resources.settings, resources.clock
    documents = DocumentClient(resources.peers.channel("user"))
    person = EraseStudent(applications, documents, clock, settings.policy())
    return ErasePeople(
        tombstones,
        person.erase,
        lambda id_: ApplicationPersonErased(user_id=id_),
        clock,
        timedelta(seconds=settings.erasure_settle_s),
    )

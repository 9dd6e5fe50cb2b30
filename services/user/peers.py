"""Clients of the other services that hold data of persons.

Listings belong to companies, and figures are counts: the internship and the analytics service have nothing
under a person's ID.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from chassis.grpc.client import Peers
from chassis.personal_data import PersonalRecord
from internshipconnect.application.v1.personal_data_pb2_grpc import ApplicationPersonalDataServiceStub
from internshipconnect.auth.v1.personal_data_pb2_grpc import AuthPersonalDataServiceStub
from internshipconnect.common.v1 import personal_data_pb2 as pb
from internshipconnect.notification.v1.personal_data_pb2_grpc import NotificationPersonalDataServiceStub

ListPage = Callable[[pb.ListPersonalDataRequest], Awaitable[pb.ListPersonalDataResponse]]


class PersonalDataClient:
    """Lists what the other services hold of a person."""

    def __init__(self, peers: Peers) -> None:
        self._auth = AuthPersonalDataServiceStub(peers.channel("auth"))
        self._application = ApplicationPersonalDataServiceStub(peers.channel("application"))
        self._notification = NotificationPersonalDataServiceStub(peers.channel("notification"))
        self._calls: Mapping[str, ListPage] = {
            "auth": self._auth.ListPersonalData,
            "application": self._application.ListPersonalData,
            "notification": self._notification.ListPersonalData,
        }

    @property
    def holders(self) -> tuple[str, ...]:
        """The services that are asked, by name."""
        return tuple(self._calls)

    async def iterate(self, holder: str, user_id: str) -> AsyncIterator[PersonalRecord]:
        """Yield what a service holds of a person. Raises UNAVAILABLE."""
        token = ""
        while True:
            request = pb.ListPersonalDataRequest(user_id=user_id, page_token=token)
            page = await self._calls[holder](request)
            for record in page.records:
                yield PersonalRecord(record.collection, record.json)
            token = page.next_page_token
            if not token:
                return

"""Companies, by calls of the user service."""

from chassis.grpc.client import Peers
from internshipconnect.user.v1 import user_pb2 as pb
from internshipconnect.user.v1.user_pb2_grpc import UserServiceStub
from services.internship.domain.model import ListingCompany
from services.internship.mapping.listings import COMPANY_STATES
from services.internship.service.companies import CompanySnapshot


class CompanyClient:
    """Companies by the user service's `GetCompany`."""

    def __init__(self, peers: Peers) -> None:
        self._users = UserServiceStub(peers.channel("user"))

    async def get_company(self, company_id: str) -> CompanySnapshot:
        """Return the company's snapshot; see `CompanyDirectory`."""
        found: pb.Company = await self._users.GetCompany(pb.GetCompanyRequest(company_id=company_id))
        return CompanySnapshot(
            ListingCompany(id=found.id, name=found.name, url=found.url), COMPANY_STATES.name(found.state)
        )

"""Companies, as the user service knows them."""

from dataclasses import dataclass
from typing import Protocol

from chassis.errors import DomainError, domain_error, unavailable
from chassis.grpc.client import Peers
from internshipconnect.user.v1 import user_pb2 as pb
from internshipconnect.user.v1.user_pb2_grpc import UserServiceStub
from services.internship.domain.model import ListingCompany
from services.internship.domain.moderation import SUSPENDED


@dataclass(frozen=True, slots=True)
class CompanySnapshot:
    """What is known of a company: how listings name it, and its state as in the contract, without prefix."""

    company: ListingCompany
    state: str = ""

    @property
    def suspended(self) -> bool:
        """Whether it may post nothing."""
        return self.state == SUSPENDED


class CompanyDirectory(Protocol):
    """Where companies are looked up."""

    async def page(self, company_id: str) -> CompanySnapshot:
        """The company as it is now. Raises COMPANY_NOT_FOUND, UNAVAILABLE."""
        ...


class CompanyClient:
    """Companies by the user service's `GetCompany`."""

    def __init__(self, peers: Peers) -> None:
        self._users = UserServiceStub(peers.channel("user"))

    async def page(self, company_id: str) -> CompanySnapshot:
        """See `Companies`."""
        found: pb.Company = await self._users.GetCompany(pb.GetCompanyRequest(company_id=company_id))
        return CompanySnapshot(
            ListingCompany(id=found.id, name=found.name, url=found.url),
            state=pb.CompanyState.Name(found.state).removeprefix("COMPANY_STATE_"),
        )


async def require_active_company(companies: CompanyDirectory, company_id: str) -> ListingCompany:
    """The company, which may post. Raises as `require_active_snapshot`."""
    return (await require_active_snapshot(companies, company_id)).company


async def require_active_snapshot(companies: CompanyDirectory, company_id: str) -> CompanySnapshot:
    """The page of a company that may post.

    Raises COMPANY_SUSPENDED; UNAVAILABLE while a company that has just registered is not known yet.
    """
    try:
        page = await companies.page(company_id)
    except DomainError as error:
        if error.reason == "COMPANY_NOT_FOUND":
            raise unavailable("the company's page, which is being set up,") from error
        raise
    if page.suspended:
        raise domain_error("COMPANY_SUSPENDED", f"The company {page.company.name} is suspended.")
    return page

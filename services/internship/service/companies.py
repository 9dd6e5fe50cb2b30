"""The port to companies, and the check that a company may post."""

from dataclasses import dataclass
from typing import Protocol

from chassis.errors import DomainError, domain_error, unavailable
from services.internship.domain.model import ListingCompany
from services.internship.domain.moderation import CompanyTrustState


@dataclass(frozen=True, slots=True)
class CompanySnapshot:
    """A company's name for listings, and its state's contract name without prefix."""

    company: ListingCompany
    state: str = ""

    @property
    def is_suspended(self) -> bool:
        """Whether it must not post."""
        return self.state == CompanyTrustState.SUSPENDED


class CompanyDirectory(Protocol):
    """Looks companies up."""

    async def get_company(self, company_id: str) -> CompanySnapshot:
        """Return the company as it is now. Raises COMPANY_NOT_FOUND, UNAVAILABLE."""
        ...


async def require_active_company(companies: CompanyDirectory, company_id: str) -> ListingCompany:
    """Return the company if it may post. Raises as `require_active_snapshot`."""
    return (await require_active_snapshot(companies, company_id)).company


async def require_active_snapshot(companies: CompanyDirectory, company_id: str) -> CompanySnapshot:
    """Return the snapshot of a company that may post.

    Raises COMPANY_SUSPENDED; UNAVAILABLE while a company that has just registered is not known yet.
    """
    try:
        snapshot = await companies.get_company(company_id)
    except DomainError as error:
        if error.reason == "COMPANY_NOT_FOUND":
            raise unavailable("the company's page, which is being set up,") from error
        raise
    if snapshot.is_suspended:
        raise domain_error("COMPANY_SUSPENDED", f"The company {snapshot.company.name} is suspended.")
    return snapshot

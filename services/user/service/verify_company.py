"""The use cases of a company's verification by the proof of its domain."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chassis.aggregates import AggregateChange
from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.text import parse_email_address
from services.user.domain import Company
from services.user.domain.company import DomainVerification, VerificationMethod
from services.user.domain.events import company_state_changed
from services.user.domain.roles import TeamAction
from services.user.domain.verification import (
    DomainCatalogue,
    DomainEvidence,
    check_verification,
    dns_name,
    new_verification,
    read_domain,
    request_verification,
    require_pending,
)
from services.user.repository import CompanyRepository
from services.user.service.manage_companies import CompanyPageCache, company_cache_key
from services.user.service.membership_claims import MembershipClaims
from services.user.service.team_directory import TeamDirectory


class TextRecords(Protocol):
    """The port to the TXT records of domains."""

    async def find_texts(self, name: str) -> tuple[str, ...]:
        """Return the texts at a name, none if there is no such name. Raises UNAVAILABLE."""
        ...


_ChangeCompany = Callable[[Company], Company]


@dataclass(frozen=True, slots=True)
class VerificationAdapters:
    """What the proof of a domain needs of the world outside, and the cache of companies' pages."""

    catalogue: DomainCatalogue
    records: TextRecords
    page_cache: CompanyPageCache


class VerifyCompany:
    """Requests, shows and checks the proof of a company's domain; for owners."""

    def __init__(
        self,
        directory: TeamDirectory,
        companies: CompanyRepository,
        claims: MembershipClaims,
        adapters: VerificationAdapters,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._companies = companies
        self._claims = claims
        self._adapters = adapters
        self._clock = clock

    async def get_verification(self, principal: Principal) -> Company:
        """Return the caller's company with its verification. Raises COMPANY_NOT_FOUND, PERMISSION_DENIED."""
        team = await self._directory.get_team(principal, TeamAction.VERIFY_COMPANY)
        return await self._companies.get_or_raise(team.id)

    async def request(self, principal: Principal, domain: str, method: VerificationMethod) -> Company:
        """Begin the verification by a domain; for a work address an empty one means the caller's own.

        Raises INVALID_FIELD on `domain`, COMPANY_SUSPENDED, VERIFICATION_NOT_POSSIBLE, COMPANY_NOT_FOUND.
        """
        team = await self._directory.get_team(principal, TeamAction.VERIFY_COMPANY)
        if method is VerificationMethod.WORK_ADDRESS and not domain:
            domain = await self._address_domain(principal)
        named = read_domain(domain, method, self._adapters.catalogue)
        request = new_verification(named, method, self._clock.now())
        return await self._update(
            team.id, lambda company: request_verification(company, request, self._clock.now())
        )

    async def check(self, principal: Principal) -> Company:
        """Look for the proof, and verify the company if it is there; else note the problem.

        Raises COMPANY_SUSPENDED, VERIFICATION_NOT_POSSIBLE, COMPANY_NOT_FOUND; UNAVAILABLE when the domain
        name system does not answer.
        """
        company = await self.get_verification(principal)
        pending = require_pending(company, self._clock.now())
        evidence = await self._find_evidence(principal, pending)

        def decide(found: Company) -> Company:
            now = self._clock.now()
            # Evidence of another request than the one that is pending now proves nothing.
            if require_pending(found, now).token != pending.token:
                return found
            return check_verification(found, evidence, now)

        return await self._update(company.id, decide)

    async def _find_evidence(self, principal: Principal, pending: DomainVerification) -> DomainEvidence:
        if pending.method is VerificationMethod.DNS:
            return DomainEvidence(texts=await self._adapters.records.find_texts(dns_name(pending)))
        return DomainEvidence(address_domain=await self._address_domain(principal))

    async def _address_domain(self, principal: Principal) -> str:
        """Return the domain of the caller's address, which is proven: the contract asks for it."""
        profile = await self._claims.get_profile(principal.id)
        return parse_email_address(profile.email).domain.lower() if profile.email_verified else ""

    async def _update(self, company_id: str, change: _ChangeCompany) -> Company:
        def decide(found: Company) -> AggregateChange[Company] | None:
            after = change(found)
            if after == found:
                return None
            changed = after.with_next_version(self._clock.now())
            if changed.state is found.state:
                return AggregateChange(changed)
            reason = changed.judgements[-1].reason
            return AggregateChange(changed, (company_state_changed(found, changed, "", reason),))

        company = await self._companies.update(company_id, decide)
        await self._adapters.page_cache.invalidate(company_cache_key(company_id))
        return company

"""The use cases of companies' profiles."""

from collections.abc import Callable
from typing import Final, Protocol

from chassis.aggregates import AggregateChange
from chassis.call_context import Principal
from chassis.clock import Clock
from chassis.errors import DomainError, invalid_argument, stale_etag
from chassis.mongo.documents import format_etag
from services.user.domain import Company, CompanyState, check_company
from services.user.domain.company import CompanyListPage
from services.user.domain.events import company_state_changed, company_updated
from services.user.repository import CompanyRepository


class CompanyPageCache(Protocol):
    """The cache of companies' profiles."""

    async def invalidate(self, *keys: str) -> None: ...


HOW_TO_BE_VERIFIED: Final = (
    "Only members of a verified company find students. Prove that your company's domain is its own, or ask "
    "the people who run this service to verify it."
)


def company_cache_key(company_id: str) -> str:
    """Return the key under which a company's profile is cached."""
    return f"company:{company_id}"


class ManageCompanies:
    """Reads and changes companies' profiles; a change invalidates the cache."""

    def __init__(self, repository: CompanyRepository, page_cache: CompanyPageCache, clock: Clock) -> None:
        self._repository = repository
        self._page_cache = page_cache
        self._clock = clock

    async def get_company(self, company_id: str) -> Company | None:
        """Return any company."""
        return await self._repository.get(company_id)

    async def get_own_company(self, principal: Principal) -> Company:
        """Return the caller's company; an empty one until its registration has been received."""
        company_id = _require_company_id(principal)
        return await self._repository.get(company_id) or Company(company_id)

    async def update_own_company(
        self, principal: Principal, edit: Callable[[Company], Company], *, expected_etag: str
    ) -> Company:
        """Change the caller's company. Raises STALE_ETAG, or INVALID_FIELD with all violations."""
        company_id = _require_company_id(principal)

        def decide(found: Company | None) -> AggregateChange[Company] | None:
            before = found or Company(company_id)
            if expected_etag and expected_etag != format_etag(before.version):
                raise stale_etag("company", company_id)
            edited = edit(before)
            if violations := check_company(before, edited):
                raise invalid_argument(*violations)
            return self._update(before, edited)

        company = await self._repository.upsert(company_id, decide)
        await self._page_cache.invalidate(company_cache_key(company_id))
        return company or Company(company_id)

    async def record_registration(self, company_id: str, name: str) -> None:
        """Store the name of a registration; a repeat changes nothing."""

        def decide(found: Company | None) -> AggregateChange[Company] | None:
            before = found or Company(company_id)
            change = self._update(before, before.with_registered_name(name))
            return change if found or change is None else AggregateChange(change.aggregate)

        await self._repository.upsert(company_id, decide)
        await self._page_cache.invalidate(company_cache_key(company_id))

    async def set_state(self, company_id: str, state: CompanyState, moderator: str, reason: str) -> Company:
        """Store the state of a company's verification. Raises COMPANY_NOT_FOUND."""

        def decide(found: Company) -> AggregateChange[Company] | None:
            now = self._clock.now()
            decided = found.with_state(state, moderator, reason, now)
            if decided is found:
                return None
            changed = decided.with_next_version(now)
            return AggregateChange(changed, (company_state_changed(found, changed, moderator, reason),))

        company = await self._repository.update(company_id, decide)
        await self._page_cache.invalidate(company_cache_key(company_id))
        return company

    async def list_in_state(self, state: CompanyState | None, after: str, limit: int) -> CompanyListPage:
        """Return companies in a state, or all, in order of ID, from all shards (`by_state`, `_id_`)."""
        return await self._repository.list_in_state(state, after=after, limit=limit)

    async def require_verified(self, principal: Principal) -> Company:
        """Return the caller's company. Raises COMPANY_NOT_VERIFIED or COMPANY_SUSPENDED for any other."""
        company = await self.get_own_company(principal)
        if company.state is CompanyState.SUSPENDED:
            raise DomainError("COMPANY_SUSPENDED", f"The company {company.name} is suspended.")
        if company.state is not CompanyState.VERIFIED:
            raise DomainError("COMPANY_NOT_VERIFIED", HOW_TO_BE_VERIFIED)
        return company

    def _update(self, before: Company, after: Company) -> AggregateChange[Company] | None:
        if after == before:
            return None
        event = company_updated(after)
        events = () if event == company_updated(before) else (event,)
        return AggregateChange(after.with_next_version(self._clock.now()), events)


def _require_company_id(principal: Principal) -> str:
    if not principal.org:
        raise DomainError("COMPANY_NOT_FOUND", "This account belongs to no company.")
    return principal.org

"""The use cases of people's own consents."""

from collections.abc import Sequence

from chassis.call_context import Principal
from services.user.domain.consents import (
    CONSENT_TEXTS,
    ConsentDecision,
    ConsentEntry,
    ConsentPurpose,
    ConsentStatus,
    consent_status,
)
from services.user.repository import ConsentRepository


class ManageConsents:
    """Gives, withdraws and lists the caller's consents."""

    def __init__(self, repository: ConsentRepository) -> None:
        self._repository = repository

    async def decide(self, principal: Principal, decision: ConsentDecision) -> ConsentStatus:
        """Give or withdraw a consent; a repeat changes nothing. Raises CONSENT_TEXT_OUTDATED."""
        last = await self._repository.append(principal.id, decision)
        return consent_status(decision.purpose, last)

    async def list_all(self, principal: Principal) -> list[ConsentStatus]:
        """Return where the caller stands with each purpose, in the table's order."""
        return [
            consent_status(purpose, await self._repository.find_last(principal.id, purpose))
            for purpose in CONSENT_TEXTS
        ]

    async def list_entries(
        self, principal: Principal, purpose: ConsentPurpose, *, after: int, size: int
    ) -> tuple[Sequence[ConsentEntry], bool]:
        """Return a page of the caller's entries about a purpose, oldest first, and whether there are more."""
        found = await self._repository.list_of_purpose(principal.id, purpose, after, size + 1)
        return found[:size], len(found) > size

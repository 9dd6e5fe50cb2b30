"""Exchanges API keys for short-lived access tokens, which the gateway and all services verify as usual."""

from dataclasses import dataclass
from typing import Final

from cachetools import TTLCache

from chassis.aggregates import AggregateChange
from chassis.clock import Clock
from chassis.concurrency.single_flight import SingleFlight, SingleFlightResult
from chassis.errors import DomainError
from chassis.observability.logging import get_logger
from services.auth.domain.accounts import AccountPlan
from services.auth.domain.api_keys import ApiKey, CompanyApiKeys, PresentedApiKey, invalid_api_key
from services.auth.repository import ApiKeyRepository, CompanyPlanRepository
from services.auth.service.token_issuer import TokenIssuer

KNOWN_KEY_TTL_S: Final = 5.0
"""How long a process takes a key without reading it again; the keys that nobody has, too."""
MAX_KNOWN_KEYS: Final = 20_000

_log = get_logger()


@dataclass(slots=True)
class _KnownKey:
    """A stored key with what its tokens say; `access_token` is made when the key is proven first."""

    company_id: str
    key: ApiKey
    plan: AccountPlan
    access_token: str = ""


class ExchangeApiKeys:
    """Exchanges keys. A key is read every few seconds, however often it is sent.

    A revoked key's tokens are revoked like those of a session that has ended, so the copy here matters to
    nobody.
    """

    def __init__(
        self,
        keys: ApiKeyRepository,
        companies: CompanyPlanRepository,
        token_issuer: TokenIssuer,
        clock: Clock,
    ) -> None:
        self._keys = keys
        self._companies = companies
        self._token_issuer = token_issuer
        self._clock = clock
        self._known: TTLCache[str, _KnownKey | None] = TTLCache(
            MAX_KNOWN_KEYS, KNOWN_KEY_TTL_S, timer=lambda: clock.now().timestamp()
        )
        self._loads: SingleFlight[_KnownKey | None] = SingleFlight()

    async def exchange(self, text: str) -> str:
        """Return an access token for a key as a program sends it.

        Raises API_KEY_INVALID, UNAVAILABLE when the key cannot be read now.
        """
        presented = PresentedApiKey.decode(text)
        known = await self._find(presented.id)
        if known is None or not known.key.is_proven_by(presented) or known.key.has_expired(self._clock.now()):
            raise invalid_api_key()
        if not known.access_token:
            known.access_token = await self._token_issuer.api_key_token(
                known.company_id, known.key, known.plan
            )
            await self._record_use(known)
        return known.access_token

    async def _find(self, key_id: str) -> _KnownKey | None:
        try:
            return self._known[key_id]
        except KeyError:
            return await self._loads.load_once(key_id, lambda: self._load(key_id))

    async def _load(self, key_id: str) -> SingleFlightResult[_KnownKey | None]:
        found = await self._keys.find_by_key(key_id)
        key = found.find_key(key_id) if found else None
        known = None
        if found is not None and key is not None:
            company = await self._companies.get(found.id)
            known = _KnownKey(found.id, key, company.plan if company else AccountPlan.FREE)
        self._known[key_id] = known
        return SingleFlightResult(known, is_shared=True)

    async def _record_use(self, known: _KnownKey) -> None:
        """Store the day of the key's use, once a day; a call does not fail for it."""
        today = self._clock.now().date()

        def decide(found: CompanyApiKeys) -> AggregateChange[CompanyApiKeys] | None:
            used = found.used_on(known.key.id, today)
            return AggregateChange(used) if used else None

        if known.key.last_use_day >= today.isoformat():
            return
        try:
            await self._keys.update(known.company_id, decide)
        except DomainError as error:
            _log.warning("the use of an API key could not be stored", reason=error.reason)

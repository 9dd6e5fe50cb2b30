"""API keys of companies: made, listed and revoked by owners, ended with a suspension."""

from collections.abc import Iterable
from datetime import timedelta

from chassis.aggregates import AggregateChange
from chassis.clock import Clock
from chassis.errors import permission_denied
from services.auth.domain.accounts import Account, CompanyRole
from services.auth.domain.api_keys import (
    ApiKey,
    ApiKeyChangeKind,
    ApiKeyScope,
    CompanyApiKeys,
    PresentedApiKey,
)
from services.auth.domain.events import ApiKeyWasChanged
from services.auth.domain.security_events import SecurityVerb
from services.auth.domain.security_notes import api_key_note
from services.auth.performers import current_performer
from services.auth.repository import (
    AccountRepository,
    ApiKeyRepository,
    CompanyPlanRepository,
    SecurityEventRepository,
)
from services.auth.service.token_issuer import SessionRevoker


class ManageApiKeys:
    """The keys of a company, for its owners.

    A key is the company's: it stays when the member leaves who made it. The record of security events is that
    of the member, on another shard, so it is written first: it may name a key that was never stored, and
    never lacks one.
    """

    def __init__(
        self,
        keys: ApiKeyRepository,
        *,
        accounts: AccountRepository,
        companies: CompanyPlanRepository,
        security_events: SecurityEventRepository,
        revocations: SessionRevoker,
        clock: Clock,
    ) -> None:
        self._keys = keys
        self._accounts = accounts
        self._companies = companies
        self._security_events = security_events
        self._revocations = revocations
        self._clock = clock

    async def list_keys(self, user_id: str, company_id: str) -> tuple[ApiKey, ...]:
        """Return the company's keys, the newest first. Raises PERMISSION_DENIED for others than owners."""
        await self._get_owner(user_id, company_id)
        found = await self._keys.get(company_id)
        return found.listed(self._clock.now()) if found else ()

    async def create(
        self, user_id: str, company_id: str, *, name: str, scopes: Iterable[ApiKeyScope], life: timedelta
    ) -> tuple[ApiKey, str]:
        """Make a key; return it, and the text that a program sends.

        Raises PERMISSION_DENIED, COMPANY_SUSPENDED, API_KEY_LIMIT_REACHED.
        """
        now = self._clock.now()
        owner = await self._get_owner(user_id, company_id)
        presented = PresentedApiKey.new(company_id, now)
        key = ApiKey(presented.id, name, tuple(scopes), presented.digest, user_id, now, now + life)
        known = await self._keys.get(company_id)
        (known or CompanyApiKeys(company_id)).check_capacity(now)
        created = await self._changed(owner, key, ApiKeyChangeKind.CREATED)
        await self._record(user_id, SecurityVerb.API_KEY_CREATED, key)

        def decide(found: CompanyApiKeys | None) -> AggregateChange[CompanyApiKeys] | None:
            keys = found or CompanyApiKeys(company_id)
            if keys.find_key(key.id) is not None:
                return None
            return AggregateChange(keys.with_key(key, now), (created,))

        await self._keys.upsert(company_id, decide, known=known)
        return key, presented.encode()

    async def revoke(self, user_id: str, company_id: str, key_id: str) -> None:
        """Revoke a key, and the access tokens that it was exchanged for.

        Raises API_KEY_NOT_FOUND, PERMISSION_DENIED.
        """
        known = await self._keys.get(company_id) if company_id else None
        key = (known or CompanyApiKeys(company_id)).find_key_or_raise(key_id)
        owner = await self._get_owner(user_id, company_id)
        revoked = await self._changed(owner, key, ApiKeyChangeKind.REVOKED)
        await self._record(user_id, SecurityVerb.API_KEY_REVOKED, key)

        def decide(found: CompanyApiKeys) -> AggregateChange[CompanyApiKeys]:
            return AggregateChange(found.without_key(key_id), (revoked,))

        await self._keys.update(company_id, decide, known=known)
        await self._revocations.revoke([key_id])

    async def follow_company(self, company_id: str, *, is_suspended: bool, company_version: int) -> None:
        """Apply a change of a company's state, in the order of its versions: a suspension ends all keys.

        After a crash before their tokens are revoked, these expire within a minute.
        """
        ended: tuple[str, ...] = ()

        def decide(found: CompanyApiKeys | None) -> AggregateChange[CompanyApiKeys] | None:
            nonlocal ended
            keys = found or CompanyApiKeys(company_id)
            after = keys.with_suspension(is_suspended=is_suspended, company_version=company_version)
            ended = tuple(key.id for key in keys.keys) if after and is_suspended else ()
            return AggregateChange(after) if after else None

        await self._keys.upsert(company_id, decide)
        await self._revocations.revoke(ended)

    async def _get_owner(self, user_id: str, company_id: str) -> Account:
        """Return the caller's account: its token may be older than the end of its ownership.

        Raises PERMISSION_DENIED.
        """
        account = await self._accounts.get(user_id)
        if account is None or not _is_owner(account, company_id):
            raise permission_denied("API keys are for the owners of a company.")
        return account

    async def _changed(self, owner: Account, key: ApiKey, change: ApiKeyChangeKind) -> ApiKeyWasChanged:
        company_id = owner.holder.company_id
        return ApiKeyWasChanged(
            company_id=company_id,
            company_name=owner.holder.company_name,
            key_id=key.id,
            key_name=key.name,
            change=change,
            actor_id=owner.id,
            owner_ids=await self._list_owners(company_id, owner.id),
        )

    async def _list_owners(self, company_id: str, caller_id: str) -> tuple[str, ...]:
        """Return the owners to inform; a member whose shard does not answer may be one."""
        members = (await self._companies.list_members(company_id)).user_ids
        found = await self._accounts.get_each({*members, caller_id})
        owners = {account.id for account in found.items if _is_owner(account, company_id)}
        return tuple(sorted(owners.union(found.unavailable_ids)))

    async def _record(self, user_id: str, verb: SecurityVerb, key: ApiKey) -> None:
        await self._security_events.record(user_id, api_key_note(verb, key), current_performer(user_id))


def _is_owner(account: Account, company_id: str) -> bool:
    holder = account.holder
    return bool(company_id) and holder.company_id == company_id and holder.role is CompanyRole.OWNER

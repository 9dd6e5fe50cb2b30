"""Encrypts with the newest data key what another one has encrypted."""

from typing import Final

from cryptography.exceptions import InvalidTag

from chassis.aggregates import AggregateChange
from chassis.observability.logging import get_logger
from services.auth.domain.accounts import Account
from services.auth.key_store import KeyStore
from services.auth.repository import AccountRepository, ChainKey, SigningKeyRepository

MAX_UNREADABLE: Final = 1_000
"""A round ends after this number of secrets that no data key opens."""

_log = get_logger()


class RenewSeals:
    """Goes through signing keys, the key of the security events and second factors.

    A round on all that is renewed already changes nothing.
    """

    def __init__(
        self,
        accounts: AccountRepository,
        signing_keys: SigningKeyRepository,
        chain_key: ChainKey,
        key_store: KeyStore,
    ) -> None:
        self._accounts = accounts
        self._signing_keys = signing_keys
        self._chain_key = chain_key
        self._key_store = key_store

    async def renew(self) -> None:
        """Renew everything; what no data key opens is logged and left as it is."""
        await self._renew_signing_keys()
        try:
            await self._chain_key.renew_seal()
        except InvalidTag:
            _log.error("no data key opens the key of the security events")
        unreadable = set[str]()
        while found := await self._accounts.find_sealed_with_others(
            self._key_store.data_key_name, unreadable
        ):
            for user_id in found:
                try:
                    await self._accounts.update(user_id, self._decide)
                except InvalidTag:
                    unreadable.add(user_id)
                    _log.error("no data key opens the second factor of an account", user_id=user_id)
            if len(unreadable) > MAX_UNREADABLE:
                return

    async def _renew_signing_keys(self) -> None:
        for key in await self._signing_keys.list_keys():
            if self._key_store.is_sealed_with_newest(key):
                continue
            try:
                await self._signing_keys.replace_seal(key, self._key_store.reseal_signing_key(key))
            except InvalidTag:
                _log.error("no data key opens a signing key", kid=key.kid)

    def _decide(self, account: Account) -> AggregateChange[Account]:
        authenticator = account.authenticator
        if authenticator is None or authenticator.sealed_with == self._key_store.data_key_name:
            return AggregateChange()
        resealed, codes = self._key_store.reseal_second_factors(
            authenticator, account.recovery_codes, account.id
        )
        return AggregateChange(account.with_authenticator(resealed, codes))

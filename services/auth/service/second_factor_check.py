"""Checks of second factors: each code is used up in the account before it counts."""

from chassis.aggregates import AggregateChange
from chassis.clock import Clock
from services.auth.domain.accounts import Account
from services.auth.domain.events import SecondFactorWasChanged
from services.auth.domain.second_factors import (
    OTP_METHODS,
    RECOVERY_METHODS,
    SecondFactorChangeKind,
    invalid_second_factor,
    matching_step,
    without_code,
)
from services.auth.key_store import KeyStore
from services.auth.repository import AccountRepository

_TOTP_DIGITS = 6


class SecondFactorCheck:
    """Uses up codes of authenticator apps and recovery codes."""

    def __init__(self, accounts: AccountRepository, key_store: KeyStore, clock: Clock) -> None:
        self._accounts = accounts
        self._key_store = key_store
        self._clock = clock

    async def use_code(self, account: Account, typed: str) -> tuple[str, ...]:
        """Use a code up and return the methods of the sign-in with it, in the terms of RFC 8176.

        Raises INVALID_SECOND_FACTOR for a wrong code, and for one that was used.
        """
        code = typed.replace(" ", "").replace("-", "")
        is_totp = len(code) == _TOTP_DIGITS and code.isdigit()
        decide = self._use_step if is_totp else self._use_recovery_code
        await self._accounts.update(account.id, lambda found: decide(found, code), known=account)
        return OTP_METHODS if is_totp else RECOVERY_METHODS

    def find_step(self, account: Account, code: str) -> int:
        """Return the step of a code of the account's app. Raises INVALID_SECOND_FACTOR."""
        authenticator = account.authenticator
        if authenticator is None:
            raise invalid_second_factor()
        secret = self._key_store.open_secret(authenticator, account.id)
        step = matching_step(secret, code, self._clock.now(), after=authenticator.last_step)
        if step is None:
            raise invalid_second_factor()
        return step

    def _use_step(self, account: Account, code: str) -> AggregateChange[Account]:
        return AggregateChange(account.with_used_step(self.find_step(account, code)))

    def _use_recovery_code(self, account: Account, code: str) -> AggregateChange[Account]:
        codes = {
            sealed: self._key_store.open_recovery_code(sealed, account.id)
            for sealed in account.recovery_codes
        }
        left = without_code(codes, code)
        if left is None:
            raise invalid_second_factor()
        event = SecondFactorWasChanged(account.id, account.email, SecondFactorChangeKind.RECOVERY_CODE_USED)
        return AggregateChange(account.with_authenticator(account.authenticator, left), (event,))

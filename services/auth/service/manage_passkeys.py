"""Adding, naming and removing the passkeys of an account."""

import secrets
from dataclasses import replace
from typing import Final

from chassis.aggregates import AggregateChange
from chassis.call_context import SECOND_FACTOR_METHOD
from chassis.clock import Clock
from chassis.ids import new_id, slot_of
from services.auth.domain.accounts import Account
from services.auth.domain.events import SecondFactorWasChanged
from services.auth.domain.passkey_changes import (
    check_may_add_passkey,
    find_passkey,
    with_changed_passkey,
    with_passkey,
    without_passkey,
)
from services.auth.domain.passkeys import (
    CHALLENGE_BYTES,
    NewCredential,
    Passkey,
    PasskeyChallenge,
    invalid_passkey,
    passkey_in_use,
)
from services.auth.domain.second_factors import SecondFactorChangeKind, second_factor_required
from services.auth.repository import AccountRepository, IdentityDirectory
from services.auth.service.passkey_ports import PasskeyPorts

_TICKET_BYTES: Final = 32


class ManagePasskeys:
    """The passkeys of an account; the directory of identities has the account of each credential."""

    def __init__(
        self, ports: PasskeyPorts, accounts: AccountRepository, directory: IdentityDirectory, clock: Clock
    ) -> None:
        self._verifier = ports.verifier
        self._challenges = ports.challenges
        self._accounts = accounts
        self._directory = directory
        self._clock = clock

    async def list_passkeys(self, user_id: str) -> tuple[Passkey, ...]:
        """Return the passkeys of an account, the newest first."""
        return (await self._accounts.get_or_raise(user_id)).passkeys

    async def begin(self, user_id: str) -> tuple[str, str]:
        """Return a ticket and the browser's options. Raises PASSKEY_LIMIT_REACHED, UNAVAILABLE."""
        account = await self._accounts.get_or_raise(user_id)
        check_may_add_passkey(account)
        ticket, challenge = new_ticket(), secrets.token_bytes(CHALLENGE_BYTES)
        await self._challenges.keep(ticket, PasskeyChallenge(challenge, user_id))
        return ticket, self._verifier.registration_options(account, challenge)

    async def complete(
        self, user_id: str, amr: tuple[str, ...], ticket: str, credential: str, name: str
    ) -> Passkey:
        """Add the passkey that the browser has made.

        Raises PASSKEY_INVALID, PASSKEY_IN_USE, PASSKEY_LIMIT_REACHED, UNAVAILABLE, and SECOND_FACTOR_REQUIRED
        for a caller by password alone where that does not sign in.
        """
        pending = await self._challenges.take(ticket)
        if pending is None or pending.user_id != user_id:
            raise invalid_passkey()
        created = self._verifier.verify_registration(credential, pending.challenge)
        added = self._new_passkey(user_id, created, name)

        def decide(account: Account) -> AggregateChange[Account]:
            _require_second_factor(account, amr)
            event = _changed(account, SecondFactorChangeKind.PASSKEY_ADDED)
            return AggregateChange(with_passkey(account, added), (event,))

        known = await self._accounts.get_or_raise(user_id)
        decide(known)  # refused before the directory is changed
        owner = await self._directory.find_linked_user(added.key)
        if owner not in (None, user_id) or not await self._directory.enter_user(
            added.key, user_id, former=owner, now=added.create_time
        ):
            raise passkey_in_use()
        await self._accounts.update(user_id, decide, known=known)
        return added

    async def rename(self, user_id: str, passkey_id: str, name: str) -> Passkey:
        """Give a passkey another name and return it. Raises PASSKEY_NOT_FOUND."""

        def decide(account: Account) -> AggregateChange[Account]:
            renamed = replace(find_passkey(account, passkey_id), name=name)
            return AggregateChange(with_changed_passkey(account, renamed))

        known = await self._accounts.get(user_id)
        find_passkey(known, passkey_id)
        return find_passkey(await self._accounts.update(user_id, decide, known=known), passkey_id)

    async def remove(self, user_id: str, amr: tuple[str, ...], passkey_id: str) -> None:
        """Remove a passkey.

        Raises PASSKEY_NOT_FOUND, NO_AUTHENTICATOR for the last factor of staff, SECOND_FACTOR_REQUIRED for a
        caller by password alone where that does not sign in.
        """

        def decide(account: Account) -> AggregateChange[Account]:
            _require_second_factor(account, amr)
            event = _changed(account, SecondFactorChangeKind.PASSKEY_REMOVED)
            return AggregateChange(without_passkey(account, passkey_id), (event,))

        known = await self._accounts.get(user_id)
        removed = find_passkey(known, passkey_id)
        await self._accounts.update(user_id, decide, known=known)
        await self._directory.release_identity(removed.key, user_id)

    def _new_passkey(self, user_id: str, created: NewCredential, name: str) -> Passkey:
        now = self._clock.now()
        return Passkey(
            id=new_id("pky", slot_of(user_id), at=now),
            credential_id=created.credential_id,
            public_key=created.public_key,
            sign_count=created.proof.sign_count,
            is_backup_eligible=created.proof.is_backup_eligible,
            is_backed_up=created.proof.is_backed_up,
            name=name,
            create_time=now,
        )


def new_ticket() -> str:
    """Return a random ticket, by which its holder completes what they have begun."""
    return secrets.token_urlsafe(_TICKET_BYTES)


def _require_second_factor(account: Account, amr: tuple[str, ...]) -> None:
    if account.needs_second_factor and SECOND_FACTOR_METHOD not in amr:
        raise second_factor_required()


def _changed(account: Account, change: SecondFactorChangeKind) -> SecondFactorWasChanged:
    return SecondFactorWasChanged(account.id, account.email, change)

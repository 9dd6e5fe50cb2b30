"""Staff accounts: given and taken by operators only; no registration makes one."""

import secrets
from dataclasses import dataclass
from typing import Final

from chassis.clock import Clock
from chassis.errors import Violation, invalid_argument
from chassis.ids import new_id
from services.auth.domain.accounts import STAFF_KINDS, Account, AccountHolder, AccountKind
from services.auth.domain.addresses import check_address_reachable, read_address
from services.auth.domain.events import PasswordResetWasRequested, UserWasRegistered
from services.auth.domain.staff import as_staff_account, open_staff_account, without_staff_rights
from services.auth.domain.visitor import UNKNOWN_VISITOR
from services.auth.hashing import Argon2Hasher
from services.auth.repository import AccountChange, AccountRepository
from services.auth.service.administer_accounts import AdministerAccounts
from services.auth.service.code_book import CodeBook
from services.auth.service.ended_access import EndedAccess

_RANDOM_PASSWORD_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class StaffInvitation:
    """A staff account that has no password yet, and the code with which its owner chooses one."""

    account: Account
    code: str


class ManageStaff:
    """Opens staff accounts, and takes their rights away.

    Nobody knows a password of such an account until its owner has replaced it by the code.
    """

    def __init__(
        self,
        accounts: AccountRepository,
        administration: AdministerAccounts,
        *,
        hasher: Argon2Hasher,
        codes: CodeBook,
        ended_access: EndedAccess,
        clock: Clock,
        by_smtputf8: bool = False,
    ) -> None:
        self._accounts = accounts
        self._administration = administration
        self._hasher = hasher
        self._codes = codes
        self._ended_access = ended_access
        self._clock = clock
        self._by_smtputf8 = by_smtputf8

    async def create(
        self, email: str, name: str, kind: AccountKind, *, by_mail: bool = True
    ) -> StaffInvitation:
        """Open an account of staff; `by_mail` its code is sent, too.

        The code is good for a quarter of an hour; afterwards `RequestPasswordReset` sends another one. A
        registration of the address that nobody has proven is replaced. Raises INVALID_FIELD on `email` where
        the address has an account, or on `kind` for one that is no staff.
        """
        if kind not in STAFF_KINDS:
            raise invalid_argument(Violation("kind", "is MODERATOR or ADMIN"))
        read = read_address(email)
        check_address_reachable(read, by_smtputf8=self._by_smtputf8)
        now = self._clock.now()
        spare = new_id("usr", self._accounts.choose_home_slot(), at=now)
        user_id = await self._accounts.reserve_address(read.key, spare, now)
        guesses = await self._codes.count_guesses(read.key, UNKNOWN_VISITOR, spend=0)
        code, sent = self._codes.issue(user_id, read.display, guesses, UNKNOWN_VISITOR)
        password_hash, holder = await self._unknown_password(), AccountHolder(name, kind)

        def decide(found: Account | None) -> AccountChange[Account]:
            details = (holder, password_hash, sent, now)
            opened = as_staff_account(found, *details) if found else open_staff_account(user_id, *details)
            requested = PasswordResetWasRequested(user_id, read.display, code, sent.expire_time)
            events = (UserWasRegistered(opened), *((requested,) if by_mail else ()))
            return AccountChange(opened, account=opened, events=events)

        account = (await self._accounts.update_with_session(user_id, decide)).answer
        await self._ended_access.revoke(account)
        return StaffInvitation(account, code)

    async def revoke(self, email: str) -> Account:
        """Take a staff account's rights away: it is suspended, its sessions, password and factors are gone.

        Raises USER_NOT_FOUND, INVALID_FIELD on `email` for an account that is not staff.
        """
        user_id = (await self._administration.find_account(email)).id
        password_hash, now = await self._unknown_password(), self._clock.now()

        def decide(found: Account | None) -> AccountChange[Account]:
            if found is None:
                raise self._accounts.not_found(user_id)
            after = without_staff_rights(found, password_hash, now)
            return AccountChange(after, account=after)

        account = (await self._accounts.update_with_session(user_id, decide)).answer
        await self._ended_access.revoke(account)
        return account

    async def _unknown_password(self) -> str:
        return await self._hasher.rehash_password(secrets.token_urlsafe(_RANDOM_PASSWORD_BYTES))

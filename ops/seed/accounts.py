"""Accounts with a proven address, without the mails and the hash that each would cost."""

from datetime import datetime

from chassis.caller import Principal
from chassis.ids import new_id
from ops.seed.rooms import Rooms
from services.auth.domain import Account, Holder, Registration, normalise, open_account
from services.auth.service.registration import registered
from services.auth.store import AccountStore, Change


async def open_proven(
    rooms: Rooms, email: str, holder: Holder, password_hash: str, moment: datetime
) -> Principal:
    """The person whose account this is; an account that is there already is left as it is."""
    user_id = await rooms.accounts.reserve(normalise(email), new_id("usr", at=moment), moment)

    def decide(account: Account | None) -> Change[Account]:
        if account is not None:
            return Change(account)
        registration = Registration(holder, password_hash, b"", 0, moment)
        opened = open_account(user_id, email, registration, moment).verify(registration, moment)
        return Change(opened, account=opened, events=(registered(opened),))

    return _principal((await rooms.accounts.change(user_id, decide)).answer)


async def find_person(accounts: AccountStore, email: str) -> Principal | None:
    """The person whose account this address has; None when it has none."""
    user_id = await accounts.user_of(normalise(email))
    account = await accounts.find(user_id) if user_id else None
    return _principal(account) if account else None


def _principal(account: Account) -> Principal:
    holder = account.holder
    return Principal(
        id=account.id,
        kind=str(holder.kind),
        role=str(holder.role or ""),
        org=holder.company_id,
        plan=str(account.plan),
        email_verified=True,
    )

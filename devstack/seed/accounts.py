"""Accounts with a verified address, without the cost of mails and hashes."""

from datetime import datetime

from chassis.call_context import Principal
from chassis.ids import new_id
from devstack.seed.in_process_services import InProcessServices
from services.auth.domain.accounts import Account, AccountHolder, PendingRegistration, open_account
from services.auth.domain.addresses import normalise_address
from services.auth.domain.events import UserWasRegistered
from services.auth.repository import AccountChange, AccountRepository


async def create_verified_account(
    services: InProcessServices, email: str, holder: AccountHolder, password_hash: str, moment: datetime
) -> Principal:
    """Return the account's principal; an account that exists already is left as it is."""
    address = normalise_address(email)
    user_id = await services.accounts.reserve_address(address, new_id("usr", at=moment), moment)

    def decide(account: Account | None) -> AccountChange[Account]:
        if account is not None:
            return AccountChange(account)
        registration = PendingRegistration(holder, password_hash, b"", 0, moment)
        opened = open_account(user_id, email, registration, moment).verified_by(registration, moment)
        return AccountChange(opened, account=opened, events=(UserWasRegistered(opened),))

    return _principal_of_account((await services.accounts.update_with_session(user_id, decide)).answer)


async def find_principal(accounts: AccountRepository, email: str) -> Principal | None:
    """Return the principal of the account of this address; None when it has none."""
    user_id = await accounts.find_user_id(normalise_address(email))
    account = await accounts.get(user_id) if user_id else None
    return _principal_of_account(account) if account else None


def _principal_of_account(account: Account) -> Principal:
    holder = account.holder
    return Principal(
        id=account.id,
        kind=str(holder.kind),
        role=str(holder.role or ""),
        org=holder.company_id,
        plan=str(account.plan),
        email_verified=True,
    )

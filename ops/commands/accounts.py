"""`ic accounts`: make staff accounts, and give and take plans."""

import json
from typing import Annotated, Final

import typer
from google.protobuf.json_format import MessageToDict
from rich.markup import escape
from rich.table import Table

from chassis.ids import is_id
from ops.accounts import find_account, run_auth_cases
from ops.console import console
from ops.errors import OpsError
from ops.options import DEFAULT_STACK, AsJson, StackName, open_chosen_cluster
from ops.printable import printable
from services.auth.domain.accounts import Account, AccountKind, AccountPlan
from services.auth.mapping import account_details_message
from services.auth.service.manage_staff import StaffInvitation
from services.auth.service.use_cases import AuthUseCases

STAFF_ROLES: Final = {"moderator": AccountKind.MODERATOR, "admin": AccountKind.ADMIN}
AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="The e-mail address, or user ID.")]
OperatorOption = Annotated[
    str, typer.Option("--as", help="Under which name it is kept; yours by default.", metavar="NAME")
]


def register(app: typer.Typer) -> None:
    """Add `ic accounts`."""
    accounts = typer.Typer(help="Make staff accounts, and give and take plans.", no_args_is_help=True)
    accounts.command("show")(show)
    accounts.command("create-staff")(create_staff)
    accounts.command("revoke-staff")(revoke_staff)
    accounts.command("set-plan")(set_plan)
    app.add_typer(accounts, name="accounts")


def show(address: AddressArgument, stack: StackName = DEFAULT_STACK, as_json: AsJson = False) -> None:
    """Show an account: kind, company, plan, state, factors."""
    account = run_auth_cases(open_chosen_cluster(stack), lambda cases: find_account(cases, address))
    fields = MessageToDict(account_details_message(account))
    if as_json:
        print(json.dumps(fields, indent=2, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in fields.items():
        table.add_row(name, escape(printable(str(value))))
    console.print(table)


def create_staff(
    address: AddressArgument,
    *,
    role: Annotated[str, typer.Option("--role", help="moderator or admin.")],
    name: Annotated[str, typer.Option("--name", help="How the person is called.")] = "Staff",
    print_code: Annotated[
        bool, typer.Option("--print-code", help="Print the code here, and send no mail.")
    ] = False,
    operator: OperatorOption = "",
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Open an account of staff; its owner chooses the password with a code of one use.

    Until an authenticator app is on, its sessions can do nothing but turn one on.
    """
    kind = STAFF_ROLES.get(role.lower())
    if kind is None:
        raise OpsError(f"there is no staff role '{role}'; there are {', '.join(STAFF_ROLES)}")

    async def create(cases: AuthUseCases) -> StaffInvitation:
        return await cases.staff.create(address, name, kind, by_mail=not print_code)

    invited = run_auth_cases(open_chosen_cluster(stack), create, operator)
    account = invited.account
    console.print(f"{escape(printable(account.email))} is {kind.lower()} {account.id}", soft_wrap=True)
    where = f"the code is {invited.code}" if print_code else "the code is on its way to the address"
    console.print(
        f"{where}: it chooses the password (auth/reset-password) within a quarter of an hour;"
        " auth/request-password-reset sends another one",
        soft_wrap=True,
    )


def revoke_staff(
    address: AddressArgument, operator: OperatorOption = "", stack: StackName = DEFAULT_STACK
) -> None:
    """Take a staff account's rights away: it is suspended, and signed out everywhere within seconds."""

    async def revoke(cases: AuthUseCases) -> Account:
        return await cases.staff.revoke(address)

    account = run_auth_cases(open_chosen_cluster(stack), revoke, operator)
    console.print(f"{escape(printable(account.email))} {account.id} is no longer staff", soft_wrap=True)


def set_plan(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Address, user ID, or company ID.")],
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="FREE, PREMIUM, PRO, or ADMIN.")],
    operator: OperatorOption = "",
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Give an account, or each member of a company, another plan; a worse one ends the sessions."""
    known = _parse_plan(plan)

    async def change(cases: AuthUseCases) -> str:
        if is_id("cmp", address):
            if known is AccountPlan.ADMIN:
                raise OpsError("a company has the plan FREE, PREMIUM or PRO")
            shared, members = await cases.company_plans.set_plan(address, known)
            return f"{address} has the plan {shared.plan}, and its members, {members}"
        account = await find_account(cases, address)
        changed = await cases.administration.set_plan(account.id, known, by_operator=True)
        return f"{changed.email} {changed.id} has the plan {changed.plan}"

    done = run_auth_cases(open_chosen_cluster(stack), change, operator)
    console.print(escape(printable(done)), soft_wrap=True)


def _parse_plan(given: str) -> AccountPlan:
    try:
        return AccountPlan(given.upper())
    except ValueError:
        raise OpsError(f"there is no plan '{given}'; there are {', '.join(AccountPlan)}") from None

"""`ic mail`: read the mails that a stack has sent."""

import json
import re
from typing import Annotated, Any

import httpx
import typer
from rich.markup import escape
from rich.table import Table

from devstack import topology
from ops.console import console
from ops.errors import OpsError
from ops.options import DEFAULT_STACK, AsJson, StackName
from ops.printable import printable
from ops.waiting import wait_until

CALL_TIMEOUT_S = 30.0
POLL_INTERVAL_S = 0.5
CODE_PATTERN = re.compile(r"\b(\d{8})\b")


def register(app: typer.Typer) -> None:
    """Add `ic mail`, with `list` as what it does when nothing else is asked."""
    mail = typer.Typer(help="Read the mails that the stack has sent.", invoke_without_command=True)
    mail.callback()(default)
    mail.command("list")(list_mails)
    mail.command("show")(show_mail)
    mail.command("code")(show_code)
    mail.command("clear")(clear_mails)
    app.add_typer(mail, name="mail")


def default(context: typer.Context, stack: StackName = DEFAULT_STACK) -> None:
    """Read the mails that the stack has sent."""
    if context.invoked_subcommand is None:
        list_mails(stack=stack)


def list_mails(
    stack: StackName = DEFAULT_STACK,
    to: Annotated[str | None, typer.Option(help="Only mails to this address.")] = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=1000, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest mails."""
    parameters: dict[str, str | int] = {"limit": limit} | ({"to": to} if to else {})
    mails = _call_mailbox("GET", stack, "/mails", parameters)["mails"]
    if as_json:
        print(json.dumps(mails, indent=2))
        return
    table = Table("id", "received", "to", "subject", box=None, pad_edge=False)
    for mail in mails:
        moment = mail["received_at"][:19].replace("T", " ")
        table.add_row(
            str(mail["id"]),
            moment,
            _printable_markup(", ".join(mail["to"])),
            _printable_markup(mail["subject"]),
        )
    console.print(table if mails else "no mails yet")


def show_mail(
    mail_id: Annotated[int, typer.Argument(metavar="ID", help="As in `ic mail list`.")],
    stack: StackName = DEFAULT_STACK,
    as_json: AsJson = False,
) -> None:
    """Show one mail."""
    mail = _call_mailbox("GET", stack, f"/mails/{mail_id}")
    if as_json:
        print(json.dumps(mail, indent=2))
        return
    console.print(f"[bold]{_printable_markup(mail['subject'])}[/]", soft_wrap=True)
    console.print(
        f"[dim]to {_printable_markup(', '.join(mail['to']))}, {mail['received_at']}[/]\n", soft_wrap=True
    )
    for line in (mail["text"] or mail["html"]).splitlines():
        console.print(printable(line), markup=False, soft_wrap=True)
    for link in mail["links"]:
        console.print(f"[dim]link[/] {_printable_markup(link)}", soft_wrap=True)


def _printable_markup(text: str) -> str:
    return escape(printable(text))


def show_code(
    to: Annotated[str, typer.Argument(metavar="ADDRESS", help="Whom the code was sent to.")],
    stack: StackName = DEFAULT_STACK,
    within_s: Annotated[
        float,
        typer.Option("--within", min=0, max=600, help="So many seconds it may be on its way."),
    ] = 30.0,
) -> None:
    """Print the newest code that was mailed to an address, and nothing else."""
    code = wait_until(lambda: _find_newest_code(stack, to), timeout_s=within_s, interval_s=POLL_INTERVAL_S)
    if code is None:
        raise OpsError(f"no mail to '{to}' holds a code; see: ic mail list --to {to}")
    print(code)


def _find_newest_code(stack: str, to: str) -> str | None:
    for mail in _call_mailbox("GET", stack, "/mails", {"to": to})["mails"]:
        if match := CODE_PATTERN.search(_call_mailbox("GET", stack, f"/mails/{mail['id']}")["text"]):
            return match[1]
    return None


def clear_mails(stack: StackName = DEFAULT_STACK) -> None:
    """Delete all mails."""
    console.print(f"{_call_mailbox('DELETE', stack, '/mails')['deleted']} mails deleted")


def _call_mailbox(
    method: str, stack: str, path: str, parameters: dict[str, str | int] | None = None
) -> dict[str, Any]:
    url = f"{topology.find_stack(stack).mailbox_url}{path}"
    try:
        answer = httpx.request(method, url, params=parameters, timeout=CALL_TIMEOUT_S, trust_env=False)
    except httpx.HTTPError as error:
        raise OpsError(f"the mailbox of the stack '{stack}' does not answer; start it: ic up") from error
    body: dict[str, Any] = answer.json()
    if answer.is_error:
        raise OpsError(body["error"])
    return body

"""`ic demo`: walk the main journey against a running stack."""

import json
import time

import httpx
import typer

from devstack import lifecycle, topology
from devstack.journey.client import ApiError, HttpExchange
from devstack.journey.main_journey import Journey, JourneyUsers
from devstack.local_cluster import LocalCluster
from devstack.stack import Stack
from devstack.tls import httpx_verify
from ops.console import console
from ops.errors import OpsError
from ops.moderation import ModerationClient
from ops.options import DEFAULT_STACK, StackName

MAX_BODY_CHARACTERS = 150
SECRET_FIELDS = frozenset({"password", "newPassword", "code", "invitationToken"})


def register(app: typer.Typer) -> None:
    """Add `ic demo`."""
    app.command("demo")(demo)


def demo(stack: StackName = DEFAULT_STACK) -> None:
    """Walk the main journey against the running stack, with the HTTP calls that it makes."""
    found = topology.find_stack(stack)
    lifecycle.wait_for_workers(Stack.assemble(found))
    moderator = ModerationClient(LocalCluster.load(found), "demo")
    cast = JourneyUsers.create(
        found.public_url, found.mailbox_url, moderator, _CallPrinter().tell, httpx_verify(found)
    )
    journey = Journey(cast)
    started = time.monotonic()
    try:
        for number, (sentence, step) in enumerate(journey.steps(), start=1):
            console.print(f"\n[bold]{number:>2}. {sentence}.[/]")
            step()
    except httpx.TransportError as error:
        raise OpsError(f"the gateway of the stack '{stack}' does not answer; start it: ic up") from error
    except (ApiError, TimeoutError) as error:
        raise OpsError(f"the journey ended early: {error}") from error
    _print_outcome(journey, time.monotonic() - started)


class _CallPrinter:
    """Prints each call once; repeats of a poll are only counted."""

    def __init__(self) -> None:
        self._last = ""

    def tell(self, exchange: HttpExchange) -> None:
        call = f"{exchange.method} {exchange.path}"
        if call == self._last and exchange.method == "GET":
            return
        self._last = call
        outcome = f"[dim]{exchange.status}, {exchange.took_ms:.0f} ms[/]"
        console.print(f"    [cyan]{exchange.method:<5}[/] {exchange.path}  {outcome}", soft_wrap=True)
        if exchange.request_body:
            console.print(
                f"          {_shorten_body(exchange.request_body)}", style="dim", markup=False, soft_wrap=True
            )


def _shorten_body(body: dict[str, object]) -> str:
    shown = {name: "…" if name in SECRET_FIELDS else value for name, value in body.items()}
    text = json.dumps(shown, ensure_ascii=False)
    return text if len(text) <= MAX_BODY_CHARACTERS else text[:MAX_BODY_CHARACTERS] + " …"


def _print_outcome(journey: Journey, took_s: float) -> None:
    console.print(f"\n[bold green]The listing is {_plain_state(journey.internship['state'])}.[/]", end=" ")
    console.print(f"{journey.funnel['applications']} application, {journey.funnel['views']} view(s):")
    for stage in journey.funnel["stages"]:
        if stage["reached"]:
            console.print(f"    {stage['stage']:<12} reached {stage['reached']}, now {stage['current']}")
    console.print(f"[dim]The whole journey took {took_s:.1f} s. The mails: ic mail[/]")


def _plain_state(name: str) -> str:
    return name.removeprefix("INTERNSHIP_STATE_")

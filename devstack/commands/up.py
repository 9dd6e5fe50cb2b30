"""`ic up`: start a stack, or see that all of a running one is up."""

import shutil
from typing import Annotated

import typer

from devstack import lifecycle, observers, topology
from devstack.tls import authority_path
from devstack.topology import Topology
from ops.console import console
from ops.options import DEFAULT_STACK, StackName
from ops.paths import REPO
from ops.progress import StepProgress


def register(app: typer.Typer) -> None:
    """Add `ic up`."""
    app.command("up")(up)


def up(
    stack: StackName = DEFAULT_STACK,
    *,
    members: Annotated[
        int | None, typer.Option(help="Members of each shard's replica set, 1 or 3.", show_default="1")
    ] = None,
    shards: Annotated[
        int | None, typer.Option(help="MongoDB shards of a new stack.", show_default="2")
    ] = None,
    regions: Annotated[
        int | None, typer.Option(help="Regions of a new stack, 1 or 2.", show_default="1")
    ] = None,
    tls: Annotated[
        bool | None,
        typer.Option("--tls/--no-tls", help="Gateways take TLS only, or none; kept.", show_default="none"),
    ] = None,
    faults: Annotated[
        bool,
        typer.Option("--faults", help="Put a proxy before the stores, for `ic fault`; a new stack only."),
    ] = False,
    redundant: Annotated[
        bool,
        typer.Option(
            "--redundant",
            help="Members of each shard, Redis replicas and brokers, three of each; a new stack only.",
        ),
    ] = False,
    observe: Annotated[
        bool | None,
        typer.Option(
            "--observe/--no-observe",
            help="Run Prometheus, Alertmanager, trace and log store, or not; kept.",
            show_default="no",
        ),
    ] = None,
    no_seed: Annotated[bool, typer.Option("--no-seed", help="Leave the stores empty.")] = False,
    stores_only: Annotated[
        bool, typer.Option("--stores-only", help="Start no services and no gateway.")
    ] = False,
) -> None:
    """Start a stack, or see that all of a running one is up; ends all faults."""
    steps = StepProgress()
    found = topology.find_or_create_stack(
        stack,
        shards=shards,
        members=members,
        regions=regions,
        tls=tls,
        faults=faults,
        redundant=redundant,
        observe=observe,
    )
    running = lifecycle.start_without_broker(found, steps, stores_only=stores_only)
    if not no_seed and not stores_only:
        _seed_once(found, steps)
    lifecycle.finish_new_broker(running, steps)
    _print_addresses(found, steps, stores_only=stores_only)


def _seed_once(found: Topology, steps: StepProgress) -> None:
    if found.seeded_marker.exists():
        return
    # Only here: the services' libraries take a second to load.
    from devstack.seed.seed_plan import SeedRequest  # noqa: PLC0415
    from devstack.seed.seeding import print_seed_logins, seed_with_progress  # noqa: PLC0415

    seed_with_progress(found, SeedRequest(), steps)
    print_seed_logins()


def _print_addresses(found: Topology, steps: StepProgress, *, stores_only: bool) -> None:
    option = "" if found.name == DEFAULT_STACK else f" --stack {found.name}"
    console.print(f"\n[bold]stack '{found.name}' is ready[/] after {steps.elapsed_s:.1f} s")
    places = {} if stores_only else _gateway_urls(found) | {"API page": f"{found.public_url}/docs"}
    if found.observe and not stores_only:
        places |= observers.observer_urls(found)
    places |= {"mailbox": found.mailbox_url, "data and logs": str(found.root)}
    for name, place in places.items():
        console.print(f"  {name:<14} {place}", soft_wrap=True)
    if found.tls and not stores_only:
        console.print(
            f"  {'try it':<14} curl --cacert {authority_path(found)} {found.public_url}/health",
            soft_wrap=True,
        )
    console.print("try next:")
    ic = "ic" if shutil.which("ic") else ".venv/bin/ic"
    _print_next_commands(ic, option)
    if ic != "ic":
        console.print("to have `ic` as a command in this shell (or in a new one: make shell):", markup=False)
        console.print(f'  export PATH="{REPO / ".venv" / "bin"}:$PATH"', markup=False, soft_wrap=True)


def _print_next_commands(ic: str, option: str) -> None:
    for command, what in (
        (f"{ic} demo{option}", "one application from registration to hire, call by call"),
        (f"{ic} status{option}", "each process: port, state, memory, readiness"),
        (f"{ic} mail{option}", "the mails that were sent"),
        (f"{ic} logs -f{option}", "what the processes say"),
        (f"{ic} down{option}", "stop it"),
    ):
        console.print(f"  {command:<34} [dim]{what}[/]")


def _gateway_urls(found: Topology) -> dict[str, str]:
    names = ["gateway"] if len(found.regions) == 1 else [region.name for region in found.regions]
    return {name: found.region_url(region) for name, region in zip(names, found.regions, strict=True)}

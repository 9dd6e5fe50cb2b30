"""`ic load`: put load on a running stack by Artillery, JMeter and gRPC, and hold it to thresholds."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from devstack import topology
from ops.console import console
from ops.errors import OpsError
from ops.options import DEFAULT_STACK, StackName
from ops.progress import StepProgress
from verify.load.load_result import LIMITS_HINT, LoadResult, needs_limits_hint
from verify.load.load_runner import DEFAULT_TOOLS, LoadRunner, LoadTool, require_local_profile
from verify.load.load_target import parse_local_target, parse_target
from verify.load.manifests import (
    DEFAULT_IMAGE,
    PASSWORD_KEY,
    PASSWORD_SECRET,
    DistributedLoad,
    render_manifests,
)
from verify.load.profiles import LoadProfile, read_profile
from verify.load.report import format_figure, render_report

SEED_REQUESTS_PER_S = 1_000_000


def register(app: typer.Typer) -> None:
    """Add `ic load`."""
    app.command("load")(load)


def load(
    stack: StackName = DEFAULT_STACK,
    *,
    tool: Annotated[
        list[LoadTool] | None,
        typer.Option(help="Only by this; may be repeated.", show_default=", ".join(DEFAULT_TOOLS)),
    ] = None,
    profile: Annotated[str, typer.Option(help="How much: smoke, local or seed.")] = "smoke",
    seconds: Annotated[
        int | None, typer.Option(min=4, max=86_400, help="Stretch the profile's phases to this.")
    ] = None,
    p99_ms: Annotated[
        float | None, typer.Option("--p99-ms", min=0.001, help="Instead of the profile's threshold.")
    ] = None,
    max_error_percent: Annotated[
        float | None,
        typer.Option("--max-error-percent", min=0, max=100, help="Instead of the profile's threshold."),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page of HTML here.", metavar="FILE")] = None,
    target: Annotated[
        str | None, typer.Option(help="Another gateway of this machine; with --render, that of the cluster.")
    ] = None,
    render: Annotated[
        bool, typer.Option("--render", help="Run nothing, but print manifests of pods for a cluster.")
    ] = False,
    pods: Annotated[
        int | None, typer.Option(min=1, help="With --render: how many.", show_default="by the rate")
    ] = None,
    requests_per_s: Annotated[
        int, typer.Option("--requests-per-s", min=1, help="With --render: of all pods together.")
    ] = SEED_REQUESTS_PER_S,
    image: Annotated[str, typer.Option(help="With --render: the image of Artillery.")] = DEFAULT_IMAGE,
) -> None:
    """Put load on a running, seeded stack, and fail when a threshold is broken.

    `ic load --profile local --report load.html`; a cluster: `ic load --profile seed --render --target URL`.
    """
    wanted = read_profile(profile).changed(
        seconds=seconds, max_p99_ms=p99_ms, max_error_percent=max_error_percent
    )
    if render:
        _print_manifests(wanted, target, requests_per_s, pods, image)
        return
    require_local_profile(wanted)
    if report is not None and (report.is_dir() or not report.absolute().parent.is_dir()):
        raise OpsError(f"--report: {report} cannot be written: name a file in a folder that there is")
    gateway = parse_local_target(target) if target else None
    # The listings of the run are closed as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    runner = LoadRunner.prepare(topology.find_stack(stack), wanted, gateway)
    results = _run_tools(runner, tool or DEFAULT_TOOLS)
    breaches = runner.find_breaches(results)
    _print_results(results)
    if report is not None:
        report.write_text(render_report(wanted, runner.target.url, results, breaches))
        console.print(f"report: {escape(str(report))}", soft_wrap=True)
    for breach in breaches:
        console.print(f"[bold red]broken:[/] {escape(breach)}", soft_wrap=True)
    if needs_limits_hint(results):
        console.print(LIMITS_HINT)
    if breaches:
        raise OpsError(f"{len(breaches)} thresholds of the profile '{wanted.name}' are broken")
    console.print(f"[bold green]all thresholds of the profile '{wanted.name}' are kept[/]")


def _run_tools(runner: LoadRunner, wanted: "list[LoadTool] | tuple[LoadTool, ...]") -> list[LoadResult]:
    steps, results = StepProgress(), []
    runner.install_tools(wanted, steps)
    for tool in dict.fromkeys(wanted):
        with steps.step(f"{tool}, {runner.profile.duration_s} s"):
            results.append(runner.run_tool(tool))
    return results


def _print_results(results: list[LoadResult]) -> None:
    for result in results:
        table = Table(
            "call", "count", "failed", "p50 ms", "p95 ms", "p99 ms", "max ms", box=None, pad_edge=False
        )
        table.title = (
            f"{result.tool}: {result.attempted:,} {result.counted}, {result.failed:,} failed; "
            f"{format_figure(result.requests_per_s)} calls/s, p99 {format_figure(result.p99_ms)} ms"
        )
        table.title_justify = "left"
        for column in table.columns[1:]:
            column.justify = "right"
        for call in result.calls:
            times = (call.p50_ms, call.p95_ms, call.p99_ms, call.max_ms)
            table.add_row(
                escape(call.name), f"{call.count:,}", f"{call.failed:,}", *map(format_figure, times)
            )
        console.print(table)


def _print_manifests(
    profile: LoadProfile, target: str | None, requests_per_s: int, pods: int | None, image: str
) -> None:
    if target is None:
        raise OpsError("--render needs --target: the gateway's URL as pods of the cluster reach it")
    load = DistributedLoad.plan(profile, parse_target(target), requests_per_s, pods, image)
    rate = f"{load.sessions_per_pod_s:.1f} sessions/s each"
    typer.echo(f"# {load.requests_per_s:,} requests/s by {load.pods:,} pods, {rate}.")
    typer.echo(f"# The Secret {PASSWORD_SECRET} has to hold {PASSWORD_KEY}: that of the seeded students.")
    typer.echo(render_manifests(load), nl=False)

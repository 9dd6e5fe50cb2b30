"""`ic fault`: switch faults of stores and services on and off."""

import re
import time
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import typer
from pydantic import ValidationError
from rich.table import Table

from devstack import fault_injection, topology
from devstack.fault_proxy.model import StoreFault
from devstack.supervisor import require_running
from devstack.topology import Topology
from gateway.xds.mesh import AbortFault, DelayFault, FaultStatus, ServiceFault
from ops.console import console
from ops.errors import OpsError
from ops.options import DEFAULT_STACK, StackName
from ops.service_names import SERVICES

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%?")
FAULT_STATUSES = get_args(FaultStatus)


@dataclass(frozen=True)
class FaultOptions:
    """The parsed options of the command line; durations in seconds, None if not given."""

    delay_s: float | None = None
    jitter_s: float | None = None
    down: bool = False
    hang: bool = False
    abort: float | None = None
    status: str | None = None
    percent: float | None = None
    for_s: float | None = None

    @property
    def until(self) -> float | None:
        """The end of the fault, in Unix seconds; None without one."""
        return None if self.for_s is None else time.time() + self.for_s


def register(app: typer.Typer) -> None:
    """Add `ic fault`."""
    app.command("fault")(fault)


def fault(
    target: Annotated[
        str | None, typer.Argument(help="A store, a group of stores or a service; none: what is on.")
    ] = None,
    *,
    delay: Annotated[str | None, typer.Option(help="Answers come so much later: 200ms, 1.5s.")] = None,
    jitter: Annotated[str | None, typer.Option(help="Of a store's delay: give or take so much.")] = None,
    down: Annotated[bool, typer.Option("--down", help="A store's connections are reset.")] = False,
    hang: Annotated[
        bool, typer.Option("--hang", help="Nothing passes to and from a store until it ends.")
    ] = False,
    abort: Annotated[str | None, typer.Option(help="So many of a service's calls fail: 30%.")] = None,
    status: Annotated[
        str | None,
        typer.Option(help=f"How they fail: {', '.join(FAULT_STATUSES)}.", show_default="UNAVAILABLE"),
    ] = None,
    percent: Annotated[
        str | None,
        typer.Option(help="So many of a store's connections, or of a service's delayed calls: 50%."),
    ] = None,
    for_: Annotated[str | None, typer.Option("--for", help="It ends by itself after this: 20s.")] = None,
    off: Annotated[
        bool, typer.Option("--off", help="End the target's fault; without a target, all.")
    ] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Switch faults of stores and services on and off; returns when they are in force. `ic up` ends all."""
    found = topology.find_stack(stack)
    require_running(found)
    asked = FaultOptions(
        delay_s=_parse_seconds("--delay", delay),
        jitter_s=_parse_seconds("--jitter", jitter),
        down=down,
        hang=hang,
        abort=_parse_percent("--abort", abort),
        status=status,
        percent=_parse_percent("--percent", percent),
        for_s=_parse_seconds("--for", for_),
    )
    if off and asked != FaultOptions():
        raise OpsError("--off goes alone, or with a target")
    if off:
        fault_injection.clear_faults(found, target)
    else:
        _set_fault(found, target, asked)
    _print_faults(found)


def _set_fault(found: Topology, target: str | None, asked: FaultOptions) -> None:
    if target is not None:
        fault_injection.resolve_fault_target(found, target)
        fault_injection.set_fault(found, target, build_fault(target, asked))
    elif asked != FaultOptions():
        raise OpsError(
            f"say what is to have the fault: {', '.join(fault_injection.list_fault_targets(found))}"
        )


def build_fault(target: str, asked: FaultOptions) -> StoreFault | ServiceFault:
    """Return the fault that is asked for. Raises OpsError when it is invalid or the target cannot have it."""
    try:
        return (
            _build_service_fault(target, asked) if target in SERVICES else _build_store_fault(target, asked)
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        problem = first["msg"].removeprefix("Value error, ")
        raise OpsError(f"{place}: {problem}" if place else problem) from None


def _build_service_fault(target: str, asked: FaultOptions) -> ServiceFault:
    if asked.down or asked.hang or asked.jitter_s is not None:
        raise OpsError(f"'{target}' is a service: it takes --delay and --abort, such as --abort 100%")
    if asked.status is not None and asked.abort is None:
        raise OpsError("--status says how calls fail: it needs --abort, such as --abort 30%")
    if asked.percent is not None and asked.delay_s is None:
        raise OpsError("--percent is of delayed calls: it needs --delay; --abort has a share of its own")
    if asked.abort is None and asked.delay_s is None:
        raise OpsError(f"say what is to happen to calls of '{target}': --delay 200ms, --abort 30% or --off")
    abort, delay = None, None
    if asked.abort is not None:
        abort = AbortFault.model_validate(_without_none(percent=asked.abort, status=asked.status))
    if asked.delay_s is not None:
        delay = DelayFault.model_validate(_without_none(duration_s=asked.delay_s, percent=asked.percent))
    return ServiceFault(abort=abort, delay=delay, until=asked.until)


def _build_store_fault(target: str, asked: FaultOptions) -> StoreFault:
    if asked.abort is not None or asked.status is not None:
        raise OpsError(f"'{target}' is a store: it takes --delay, --down or --hang")
    kinds = [
        kind
        for kind, wanted in (("delay", asked.delay_s is not None), ("down", asked.down), ("hang", asked.hang))
        if wanted
    ]
    if len(kinds) != 1:
        raise OpsError(
            f"say one thing that is to happen to '{target}': --delay 200ms, --down, --hang or --off"
        )
    if asked.jitter_s is not None and asked.delay_s is None:
        raise OpsError("--jitter is of a delay: it needs --delay")
    return StoreFault.model_validate(
        _without_none(
            kind=kinds[0],
            delay_s=asked.delay_s,
            jitter_s=asked.jitter_s,
            percent=asked.percent,
            until=asked.until,
        )
    )


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _parse_seconds(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if not 0.001 <= seconds <= 3600:
        raise OpsError(f"{option} takes a time from 1ms to 60m, such as 200ms, 1.5s or 2m, not '{text}'")
    return seconds


def _parse_percent(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    match = _PERCENT.fullmatch(text)
    percent = float(match[1]) if match else 0.0
    if not 0 < percent <= 100:
        raise OpsError(f"{option} takes a share of more than 0% and at most 100%, not '{text}'")
    return percent


def _print_faults(found: Topology) -> None:
    on = fault_injection.read_active_faults(found)
    table = Table(title=f"faults of '{found.name}'", title_justify="left", box=None, pad_edge=False)
    for name in ("target", "fault", "for"):
        table.add_column(name)
    for target, one in on.items():
        left = (
            "until it is switched off" if one.until is None else f"{max(0.0, one.until - time.time()):.0f} s"
        )
        table.add_row(target, describe_fault(one), left)
    console.print(table if on else f"no fault is on in the stack '{found.name}'")
    stores = fault_injection.list_store_targets(found)
    console.print("[dim]stores:[/]", ", ".join(stores) if stores else "none; ic up --stack NAME --faults")
    console.print("[dim]services:[/]", ", ".join(SERVICES))


def describe_fault(fault: StoreFault | ServiceFault) -> str:
    """Return a short description of a fault."""
    if isinstance(fault, StoreFault):
        jitter = f" ± {fault.jitter_s * 1000:.0f} ms" if fault.jitter_s else ""
        what = f"delay {fault.delay_s * 1000:.0f} ms{jitter}" if fault.kind == "delay" else fault.kind
        return what if fault.percent == 100 else f"{what}, {fault.percent:g} % of connections"
    parts = []
    if fault.abort is not None:
        parts.append(f"abort {fault.abort.percent:g} % with {fault.abort.status}")
    if fault.delay is not None:
        parts.append(f"delay {fault.delay.percent:g} % by {fault.delay.duration_s * 1000:.0f} ms")
    return ", ".join(parts)

"""`ic fault`: switch faults of stores and services on and off."""

import re
import time
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import typer
from pydantic import ValidationError
from rich.table import Table

from gateway.control_plane.mesh import Abort, Delay, Fault, FaultStatus
from ops.console import console
from ops.errors import OpsError
from ops.faults.model import StoreFault
from ops.options import StackName
from ops.stack import faults, lifecycle, topology
from ops.stack.topology import DEFAULT_STACK, SERVICES, Topology

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%?")
STATUSES = get_args(FaultStatus)


@dataclass(frozen=True)
class Asked:
    """What the command line says, read; durations in seconds, absent where it says nothing."""

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
        """When it ends by itself, in Unix seconds."""
        return None if self.for_s is None else time.time() + self.for_s


def register(app: typer.Typer) -> None:
    """Adds `ic fault`."""
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
        str | None, typer.Option(help=f"How they fail: {', '.join(STATUSES)}.", show_default="UNAVAILABLE")
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
    found = topology.find(stack)
    lifecycle.must_run(found)
    asked = Asked(
        delay_s=_seconds("--delay", delay),
        jitter_s=_seconds("--jitter", jitter),
        down=down,
        hang=hang,
        abort=_percent("--abort", abort),
        status=status,
        percent=_percent("--percent", percent),
        for_s=_seconds("--for", for_),
    )
    if off and asked != Asked():
        raise OpsError("--off goes alone, or with a target")
    if off:
        faults.clear(found, target)
    else:
        _set(found, target, asked)
    _show(found)


def _set(found: Topology, target: str | None, asked: Asked) -> None:
    if target is not None:
        faults.resolve(found, target)
        faults.set_fault(found, target, fault_of(target, asked))
    elif asked != Asked():
        raise OpsError(f"say what is to have the fault: {', '.join(faults.targets(found))}")


def fault_of(target: str, asked: Asked) -> StoreFault | Fault:
    """The fault that is asked for. Raises OpsError when the target cannot have it, or it makes no sense."""
    try:
        return _of_service(target, asked) if target in SERVICES else _of_store(target, asked)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        problem = first["msg"].removeprefix("Value error, ")
        raise OpsError(f"{place}: {problem}" if place else problem) from None


def _of_service(target: str, asked: Asked) -> Fault:
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
        abort = Abort.model_validate(_given(percent=asked.abort, status=asked.status))
    if asked.delay_s is not None:
        delay = Delay.model_validate(_given(duration_s=asked.delay_s, percent=asked.percent))
    return Fault(abort=abort, delay=delay, until=asked.until)


def _of_store(target: str, asked: Asked) -> StoreFault:
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
        _given(
            kind=kinds[0],
            delay_s=asked.delay_s,
            jitter_s=asked.jitter_s,
            percent=asked.percent,
            until=asked.until,
        )
    )


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _seconds(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if not 0.001 <= seconds <= 3600:
        raise OpsError(f"{option} takes a time from 1ms to 60m, such as 200ms, 1.5s or 2m, not '{text}'")
    return seconds


def _percent(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    match = _PERCENT.fullmatch(text)
    percent = float(match[1]) if match else 0.0
    if not 0 < percent <= 100:
        raise OpsError(f"{option} takes a share of more than 0% and at most 100%, not '{text}'")
    return percent


def _show(found: Topology) -> None:
    on = faults.in_force(found)
    table = Table(title=f"faults of '{found.name}'", title_justify="left", box=None, pad_edge=False)
    for name in ("target", "fault", "for"):
        table.add_column(name)
    for target, one in on.items():
        left = (
            "until it is switched off" if one.until is None else f"{max(0.0, one.until - time.time()):.0f} s"
        )
        table.add_row(target, describe(one), left)
    console.print(table if on else f"no fault is on in the stack '{found.name}'")
    stores = faults.store_targets(found)
    console.print("[dim]stores:[/]", ", ".join(stores) if stores else "none; ic up --stack NAME --faults")
    console.print("[dim]services:[/]", ", ".join(SERVICES))


def describe(fault: StoreFault | Fault) -> str:
    """A fault in a few words."""
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

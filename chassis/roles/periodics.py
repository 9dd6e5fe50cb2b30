"""Work that repeats."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from chassis.caller import Call, Principal, begin
from chassis.observability import metrics
from chassis.observability.logging import get_logger
from chassis.observability.tracing import continue_trace

_LONGEST_FIRST_WAIT_S: Final = 10.0
_JITTER: Final = 0.1

_log = get_logger()


@dataclass(frozen=True)
class Periodic:
    """Work that the `work` role repeats about every `every_s` seconds, never twice at once in a process."""

    name: str
    every_s: float
    call: Callable[[], Awaitable[None]]


async def repeat(periodic: Periodic, principal: Principal) -> None:
    """Runs it again and again, acting as `principal`, until cancelled; the first time soon."""
    begin(Call(principal=principal))
    await asyncio.sleep(random.uniform(0, min(periodic.every_s, _LONGEST_FIRST_WAIT_S)))  # noqa: S311
    while True:
        await _run_once(periodic)
        await asyncio.sleep(periodic.every_s * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311


async def _run_once(periodic: Periodic) -> None:
    outcome = "done"
    with continue_trace("", f"periodic {periodic.name}", kind="internal") as span:
        try:
            await periodic.call()
        except Exception as error:
            outcome = "failed"
            span.failed(repr(error))
            _log.exception("periodic task failed", task=periodic.name)
    metrics.periodic_runs.labels(periodic.name, outcome).inc()

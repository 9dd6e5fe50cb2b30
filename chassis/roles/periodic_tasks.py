"""Tasks that run periodically."""

import asyncio
import random
from typing import Final

from chassis.call_context import CallContext, Principal, bind_call
from chassis.observability import metrics
from chassis.observability.logging import get_logger
from chassis.observability.tracing import continue_trace
from chassis.service_definition import PeriodicTask

__all__ = ["PeriodicTask", "repeat_task"]

_MAX_FIRST_WAIT_S: Final = 10.0
_JITTER: Final = 0.1

_log = get_logger()


async def repeat_task(periodic: PeriodicTask, principal: Principal) -> None:
    """Run the task again and again, acting as `principal`, until cancelled; the first time soon."""
    bind_call(CallContext(principal=principal))
    metrics.periodic_runs.labels(periodic.name, "failed")  # exported as 0 before the first one
    await asyncio.sleep(random.uniform(0, min(periodic.interval_s, _MAX_FIRST_WAIT_S)))  # noqa: S311
    while True:
        await _run_once(periodic)
        await asyncio.sleep(periodic.interval_s * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311


async def _run_once(periodic: PeriodicTask) -> None:
    outcome = "done"
    with continue_trace("", f"periodic {periodic.name}", kind="internal") as span:
        try:
            await periodic.run()
        except Exception as error:
            outcome = "failed"
            span.set_error(repr(error))
            _log.exception("periodic task failed", task=periodic.name)
    metrics.periodic_runs.labels(periodic.name, outcome).inc()

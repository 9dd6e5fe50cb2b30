"""Our own gRPC load: the classes of calls of ghz's configurations, at a steady rate, all at the same time."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

import grpc
import uvloop
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from chassis.contracts import find_rpc
from ops.errors import OpsError
from verify.bench.closed_loop import (
    CallFailedError,
    CallsExhaustedError,
    MeasurementTimes,
    run_closed_loop,
)
from verify.bench.samples import percentile
from verify.load.ghz_config import (
    GhzCall,
    GhzConfig,
    PlaceholderValues,
    expand_calls,
    fill_templates,
)
from verify.load.load_result import CallFigures, LoadResult, figures_of_calls
from verify.load.load_target import LoadTarget

GRPC: Final = "grpc"


@dataclass(frozen=True)
class GrpcClassPlan:
    """One class of calls at a rate, for some seconds."""

    config: GhzConfig
    calls_per_s: float
    seconds: float

    @property
    def call_count(self) -> int:
        """The number of calls, about."""
        return round(self.calls_per_s * self.seconds)


@dataclass
class _ClassAnswers:
    latencies_ms: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)


class SteadyRate:
    """Lets callers pass one after the other, this many a second; who comes late does not catch up."""

    def __init__(self, per_s: float) -> None:
        self._interval_s = 1 / per_s
        self._next_s = 0.0

    async def wait(self) -> None:
        """Wait until the next caller may pass."""
        now = asyncio.get_running_loop().time()
        at = max(self._next_s, now - self._interval_s)
        self._next_s = at + self._interval_s
        await asyncio.sleep(max(0.0, at - now))


def run_grpc_classes(
    plans: Sequence[GrpcClassPlan], target: LoadTarget, values: PlaceholderValues
) -> LoadResult:
    """Make the calls of all classes at once, through the gateway. Raises OpsError for a wrong file."""
    prepared = [(plan, list(expand_calls(plan.config, values))) for plan in plans]
    for plan, calls in prepared:
        build_message(plan.config, fill_templates(calls[0].data))
    return uvloop.run(_run_classes(prepared, target))


def build_message(config: GhzConfig, data: dict[str, Any]) -> Message:
    """Return the request of a call. Raises OpsError when there is no such method, or no such field."""
    spec = find_rpc(config.method)
    if spec is None:
        raise OpsError(f"{config.name}: call: there is no method {config.call}")
    try:
        return ParseDict(data, spec.request_type())
    except ParseError as error:
        raise OpsError(f"{config.name}: data: {error}") from error


async def _run_classes(
    prepared: Sequence[tuple[GrpcClassPlan, Sequence[GhzCall]]], target: LoadTarget
) -> LoadResult:
    began = time.monotonic()
    async with grpc.aio.insecure_channel(target.address) as channel:
        answers = await asyncio.gather(*(_run_class(plan, calls, channel) for plan, calls in prepared))
    took_s = time.monotonic() - began
    failures = sum((each.failures for each in answers), Counter[str]())
    figures: list[CallFigures] = [
        figures_of_calls(plan.config.name, each.latencies_ms, each.failures)
        for (plan, _), each in zip(prepared, answers, strict=True)
    ]
    times_ms = [time_ms for each in answers for time_ms in each.latencies_ms]
    return LoadResult(
        tool=GRPC,
        counted="calls",
        attempted=len(times_ms),
        failed=failures.total(),
        duration_s=took_s,
        p99_ms=percentile(times_ms, 0.99),
        calls=figures,
        failures=dict(failures),
    )


async def _run_class(
    plan: GrpcClassPlan, calls: Sequence[GhzCall], channel: grpc.aio.Channel
) -> _ClassAnswers:
    answers, rate = _ClassAnswers(), SteadyRate(plan.calls_per_s)
    method: Any = channel.unary_unary(plan.config.method)
    coming: Iterator[GhzCall] = iter(calls) if plan.config.is_once else cycle(calls)

    async def act() -> None:
        await rate.wait()
        call = next(coming, None)
        if call is None:
            raise CallsExhaustedError
        await _make_call(plan.config, call, method, answers)

    pace = MeasurementTimes(plan.seconds, warm_up_s=0.0)
    await run_closed_loop(act, at_once=plan.config.concurrency, pace=pace, pids=())
    return answers


async def _make_call(config: GhzConfig, call: GhzCall, method: Any, answers: _ClassAnswers) -> None:
    body = build_message(config, fill_templates(call.data)).SerializeToString()
    metadata = tuple(fill_templates(call.metadata).items())
    began = time.perf_counter()
    try:
        await method(body, metadata=metadata, timeout=config.timeout_s)
    except grpc.aio.AioRpcError as error:
        reason = f"{error.code().name}: {error.details()}"
        answers.failures[reason] += 1
        raise CallFailedError(reason) from error
    finally:
        answers.latencies_ms.append((time.perf_counter() - began) * 1000)

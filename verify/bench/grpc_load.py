"""gRPC load: serialized requests, unparsed answers; the same for a baseline and for its row."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Final

import grpc
import uvloop

from verify.bench.closed_loop import CallFailedError, CallsExhaustedError, MeasurementTimes, run_closed_loop
from verify.bench.samples import LoadSample

CALL_TIMEOUT_S: Final = 5.0
GRPC_CONNECTIONS: Final = 4
# Without it, channels to one address share one connection.
CHANNEL_OPTIONS: Final = (("grpc.use_local_subchannel_pool", 1),)

CallMetadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PreparedCall:
    """One call, ready to be sent."""

    body: bytes
    metadata: CallMetadata = ()


@dataclass(frozen=True)
class GrpcLoadPlan:
    """Calls of one method, repeated in turn, or with `once` sent only once.

    They go to the servers at `targets` in turn.
    """

    targets: Sequence[str]
    method: str
    calls: Sequence[PreparedCall]
    at_once: int
    pids: tuple[int, ...]
    once: bool = False


def bearer_metadata(token: str) -> CallMetadata:
    """Return the metadata of a call by the token's owner."""
    return (("authorization", f"Bearer {token}"),)


def run_grpc_load(plan: GrpcLoadPlan, pace: MeasurementTimes) -> LoadSample:
    """Make the calls of a plan, in this process."""
    return uvloop.run(_run_load(plan, pace))


async def _run_load(plan: GrpcLoadPlan, pace: MeasurementTimes) -> LoadSample:
    async with AsyncExitStack() as closing:
        methods: list[Any] = []
        for target in islice(cycle(plan.targets), GRPC_CONNECTIONS):
            channel = await closing.enter_async_context(
                grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
            )
            methods.append(channel.unary_unary(plan.method))
        calls = iter(plan.calls) if plan.once else cycle(plan.calls)
        return await run_closed_loop(
            _make_caller(calls, cycle(methods)), at_once=plan.at_once, pace=pace, pids=plan.pids
        )


def _make_caller(calls: Iterator[PreparedCall], methods: Iterator[Any]) -> Callable[[], Any]:
    async def act() -> None:
        call = next(calls, None)
        if call is None:
            raise CallsExhaustedError
        try:
            await next(methods)(call.body, metadata=call.metadata, timeout=CALL_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise CallFailedError(f"{error.code().name}: {error.details()}") from error

    return act

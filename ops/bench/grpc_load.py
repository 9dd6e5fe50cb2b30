"""gRPC load: serialized requests out, answers not looked into; the same for a baseline and for its row."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

import grpc
import uvloop

from ops.bench.figures import Sample
from ops.bench.loop import CallFailedError, NoMoreCallsError, Pace, closed_loop

DEADLINE_S: Final = 5.0
CONNECTIONS: Final = 4
# Without it, channels to one address share one connection.
OPTIONS: Final = (("grpc.use_local_subchannel_pool", 1),)

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Call:
    """One call, ready to be sent."""

    body: bytes
    metadata: Metadata = ()


@dataclass(frozen=True)
class Plan:
    """Calls of one method of the server at `target`; `once` sends each only once, else they go round."""

    target: str
    method: str
    calls: Sequence[Call]
    at_once: int
    pids: tuple[int, ...]
    once: bool = False


def drive(plan: Plan, pace: Pace) -> Sample:
    """Makes the calls of a plan, in this process."""
    return uvloop.run(_drive(plan, pace))


async def _drive(plan: Plan, pace: Pace) -> Sample:
    async with AsyncExitStack() as closing:
        methods: list[Any] = []
        for _ in range(CONNECTIONS):
            channel = await closing.enter_async_context(
                grpc.aio.insecure_channel(plan.target, options=OPTIONS)
            )
            methods.append(channel.unary_unary(plan.method))
        calls = iter(plan.calls) if plan.once else cycle(plan.calls)
        return await closed_loop(
            _acting(calls, cycle(methods)), at_once=plan.at_once, pace=pace, pids=plan.pids
        )


def _acting(calls: Iterator[Call], methods: Iterator[Any]) -> Callable[[], Any]:
    async def act() -> None:
        call = next(calls, None)
        if call is None:
            raise NoMoreCallsError
        try:
            await next(methods)(call.body, metadata=call.metadata, timeout=DEADLINE_S)
        except grpc.aio.AioRpcError as error:
            raise CallFailedError(f"{error.code().name}: {error.details()}") from error

    return act

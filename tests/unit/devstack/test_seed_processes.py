"""The processes that seed: what their parent left behind does not hold them up."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from devstack.seed.shares import SeedProcesses, Share


@pytest.fixture
def _abandoned_channel() -> Iterator[None]:
    """Leave the last channel of gRPC to the garbage collector, as a caller of some earlier time does."""

    async def leave() -> None:
        holder: list[Any] = [grpc.aio.insecure_channel("127.0.0.1:1")]
        holder.append(holder)

    gc.collect()
    gc.disable()
    asyncio.run(leave())
    yield
    gc.enable()


async def _collect(share: Share, _report: Callable[[str, int], None]) -> int:
    gc.collect()
    return share.number


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("_abandoned_channel")
def test_a_share_ends_nothing_that_is_its_parents() -> None:
    with SeedProcesses(lambda _what, _done: None) as processes:
        numbers = processes.results(processes.start(_collect))
    assert sorted(numbers) == list(range(processes.count))

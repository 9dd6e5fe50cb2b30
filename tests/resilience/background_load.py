"""Calls at a steady rate, whatever becomes of them, and what the services count of them."""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from devstack.region import StackRegion
from tests.stack import StackHandle, wait_until_blocking

PER_SECOND: Final = 50
TIMEOUT_S: Final = 20.0


@dataclass(frozen=True)
class FailedCall:
    """A call without a proper answer; `at` is its time, in monotonic seconds."""

    at: float
    what: str


@dataclass
class LoadResult:
    """The outcomes of the calls so far."""

    answered: int = 0
    failures: list[FailedCall] = field(default_factory=list)
    refused: int = 0
    """How many were refused by a service at its limit, with a time to try again: a busy machine's answer."""
    slowest_s: float = 0.0

    @property
    def failing_for_s(self) -> float:
        """The seconds from the first failure to the last one."""
        moments = [one.at for one in self.failures]
        return max(moments) - min(moments) if moments else 0.0

    def await_more(self, calls: int) -> None:
        """Return when this number of calls more has been answered well."""
        wanted = self.answered + calls
        wait_until_blocking(lambda: self.answered >= wanted, f"{calls} more answers", every_s=0.02)

    def __str__(self) -> str:
        kinds = sorted({one.what for one in self.failures})
        return (
            f"{self.answered} answered, the slowest in {self.slowest_s:.2f} s, {self.refused} refused, "
            f"{len(self.failures)} failed within {self.failing_for_s:.2f} s: {kinds}"
        )


RequestFactory = Callable[[int], dict[str, Any]]
"""Returns the arguments of `httpx.AsyncClient.request` for the call of a number."""


@contextmanager
def steady_load(
    stack: StackHandle, region: StackRegion, request: RequestFactory, per_second: int = PER_SECOND
) -> Iterator[LoadResult]:
    """Call a region's gateway from a thread until the block ends; then await the calls in flight."""
    load, over = LoadResult(), threading.Event()
    caller = threading.Thread(
        target=lambda: asyncio.run(_call(stack, region, request, per_second, load, over))
    )
    caller.start()
    try:
        yield load
    finally:
        over.set()
        caller.join()


async def _call(
    stack: StackHandle,
    region: StackRegion,
    request: RequestFactory,
    per_second: int,
    load: LoadResult,
    over: threading.Event,
) -> None:
    url, began, number = stack.topology.region_url(region), time.monotonic(), 0
    async with (
        httpx.AsyncClient(base_url=url, verify=stack.trust, timeout=TIMEOUT_S, trust_env=False) as client,
        asyncio.TaskGroup() as calls,
    ):
        while not over.is_set():
            calls.create_task(_one(client, request(number), load))
            number += 1
            await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))


async def _one(client: httpx.AsyncClient, request: dict[str, Any], load: LoadResult) -> None:
    sent = time.monotonic()
    try:
        answer = await client.request(**request)
        what = "" if answer.is_success else f"{answer.status_code} {answer.text[:200]}"
        is_refused = answer.status_code == httpx.codes.TOO_MANY_REQUESTS and "retry-after" in answer.headers
    except httpx.TransportError as error:
        what, is_refused = repr(error), False
    ended = time.monotonic()
    load.slowest_s = max(load.slowest_s, ended - sent)
    if is_refused:
        load.refused += 1
    elif what:
        load.failures.append(FailedCall(ended, what))
    else:
        load.answered += 1


def count_answered_calls(region: StackRegion, *methods: str) -> float:
    """Return how many calls of these RPCs the serving processes of a region have answered."""
    return sum(
        _sum_metric(ports.serve_ops, "grpc_server_handled_total", f'grpc_method="{method}"')
        for ports in region.services.values()
        for method in methods
    )


def count_handled_events(region: StackRegion, queue: str) -> float:
    """Return how many events of a queue the workers of a region have handled."""
    return sum(
        _sum_metric(ports.work_ops, "events_handled_total", f'outcome="done",queue="{queue}"')
        for ports in region.services.values()
    )


def _sum_metric(port: int, metric: str, label: str) -> float:
    try:
        lines = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5.0).text.splitlines()
    except httpx.TransportError:
        return 0.0
    wanted = set(label.split(","))
    found = (re.fullmatch(rf"{metric}{{(.*)}} (\S+)", line) for line in lines)
    return sum(float(one[2]) for one in found if one and wanted <= set(one[1].split(",")))

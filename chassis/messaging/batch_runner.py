"""Collects the events of one queue and handles them in batches."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chassis.messaging.consumer_connection import Ack, BrokerDelivery, Outcome
from chassis.messaging.subscriptions import BatchSubscription, ReceivedEvent


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event that waits for its outcome."""

    delivery: BrokerDelivery
    received: ReceivedEvent


HandleBatch = Callable[[Sequence[PendingEvent]], Awaitable[Outcome]]
"""Handles events together and returns their common outcome."""


class BatchRunner:
    """Handles one batch at a time, with all events that arrived during the last one."""

    def __init__(
        self,
        subscription: BatchSubscription,
        handle: HandleBatch,
        settle: Callable[[BrokerDelivery, Outcome], None],
    ) -> None:
        self._policy = subscription.policy
        self._handle = handle
        self._settle = settle
        self._pending: deque[PendingEvent] = deque()
        self._is_full = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, event: PendingEvent) -> None:
        """Handle an event in the next batch."""
        self._pending.append(event)
        if len(self._pending) >= self._policy.max_events:
            self._is_full.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._drain())

    async def stop(self, grace_s: float) -> None:
        """Begin no more batches, and let the present one end within `grace_s` seconds."""
        self._pending.clear()
        self._is_full.set()
        if self._task is not None:
            _, late = await asyncio.wait([self._task], timeout=grace_s)
            for task in late:
                task.cancel()

    async def _drain(self) -> None:
        try:
            await self._run_batch()
            while self._pending:
                await self._wait_for_others()
                await self._run_batch()
        finally:
            self._task = None

    async def _wait_for_others(self) -> None:
        if len(self._pending) >= self._policy.max_events:
            return
        self._is_full.clear()
        try:
            async with asyncio.timeout(self._policy.max_wait_s):
                await self._is_full.wait()
        except TimeoutError:
            pass

    async def _run_batch(self) -> None:
        count = min(len(self._pending), self._policy.max_events)
        batch = [self._pending.popleft() for _ in range(count)]
        if not batch:
            return
        outcome = await self._handle(batch)
        if isinstance(outcome, Ack) or len(batch) == 1:
            for event in batch:
                self._settle(event.delivery, outcome)
        else:
            await self._run_alone(batch)

    async def _run_alone(self, batch: Sequence[PendingEvent]) -> None:
        """Handle each event by itself: those of one subject one after the other, in their order."""
        by_subject: dict[str, list[PendingEvent]] = defaultdict(list)
        for event in batch:
            by_subject[event.received.incoming.subject].append(event)

        async def run_each(events: Sequence[PendingEvent]) -> None:
            for event in events:
                self._settle(event.delivery, await self._handle([event]))

        async with asyncio.TaskGroup() as group:
            for events in by_subject.values():
                group.create_task(run_each(events))

"""A service's subscriptions: queues, the events that reach them and their handlers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from chassis.contracts import event_type
from chassis.sharding.inbox import IncomingEvent

__all__ = [
    "BatchEventHandler",
    "BatchPolicy",
    "BatchSubscription",
    "EventHandler",
    "IncomingEvent",
    "QueueSubscription",
    "ReceivedEvent",
    "Subscription",
    "WorkQueue",
]

EventHandler = Callable[[Any, IncomingEvent], Awaitable[None]]
"""Takes the event's message and its attributes; raises to have the event delivered again."""


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One event of a batch: its message and its attributes."""

    message: Any
    incoming: IncomingEvent


BatchEventHandler = Callable[[Sequence[ReceivedEvent]], Awaitable[None]]
"""Takes events in the order of arrival. If it raises, each is given to it again alone.

So a part of a batch may have taken effect when it raises, and every event may come again.
"""


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """How many events a batch holds, and how long one waits for others after a batch.

    An event that arrives at an idle queue is handled at once.
    """

    max_events: int = 64
    max_wait_s: float = 0.02


@dataclass(frozen=True)
class WorkQueue:
    """A durable queue and the events that reach it.

    Each service's `event_handlers.py` lists its own as `QUEUES`, so that they can be declared on the broker
    before the first event is published: an event published before its queue is declared is lost.
    """

    name: str
    event_types: tuple[type[Message], ...]

    @property
    def routing_keys(self) -> tuple[str, ...]:
        return tuple(sorted(event_type(kind) for kind in self.event_types))


@dataclass(frozen=True)
class QueueSubscription:
    """A durable work queue and the handlers of its events.

    Up to `prefetch` events are handled at once; within one process, those of one subject run one after the
    other, in the order of arrival. No other order is certain. An event whose handler raises is delivered
    again after a growing delay, `max_attempts` times in all, and then moved to `<queue>.dead`.
    """

    queue: str
    handlers: Mapping[type[Message], EventHandler]
    prefetch: int = 64
    max_attempts: int = 8

    @property
    def work_queue(self) -> WorkQueue:
        """The queue that this subscription needs."""
        return WorkQueue(self.queue, tuple(self.handlers))


@dataclass(frozen=True)
class BatchSubscription:
    """A durable work queue whose events are handled in batches, one batch at a time in each process.

    An event that fails alone is delivered again or moved away as in `QueueSubscription`. `prefetch` lets the
    next batch arrive during one.
    """

    queue: str
    event_types: tuple[type[Message], ...]
    handle: BatchEventHandler
    prefetch: int = 192
    max_attempts: int = 8
    policy: BatchPolicy = BatchPolicy()

    @property
    def work_queue(self) -> WorkQueue:
        """The queue that this subscription needs."""
        return WorkQueue(self.queue, self.event_types)


Subscription = QueueSubscription | BatchSubscription

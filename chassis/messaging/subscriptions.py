"""A service's subscriptions: queues, the events that reach them and their handlers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from chassis.contracts import event_type
from chassis.sharding.inbox import IncomingEvent

__all__ = ["EventHandler", "IncomingEvent", "QueueSubscription", "WorkQueue"]

EventHandler = Callable[[Any, IncomingEvent], Awaitable[None]]
"""Takes the event's message and its attributes; raises to have the event delivered again."""


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

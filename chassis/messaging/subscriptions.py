"""What a service reacts to: queues, the events that fill them and their handlers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from chassis.contracts import event_type
from chassis.sharding.inbox import IncomingEvent

__all__ = ["EventHandler", "IncomingEvent", "QueueSubscription", "WorkQueue"]

EventHandler = Callable[[Any, IncomingEvent], Awaitable[None]]
"""Takes the event's message and its attributes; raising means "not done, deliver again"."""


@dataclass(frozen=True)
class WorkQueue:
    """A durable queue and the events that reach it.

    Each service's `events.py` lists its own as `QUEUES`, so that they can be declared on the broker before
    the first event is published: an event published before its queue is declared is lost.
    """

    name: str
    event_types: tuple[type[Message], ...]

    @property
    def routing_keys(self) -> tuple[str, ...]:
        return tuple(sorted(event_type(kind) for kind in self.event_types))


@dataclass(frozen=True)
class QueueSubscription:
    """A durable work queue and what happens with each event on it.

    Up to `prefetch` events are handled at once; within one process, those of one subject one after the
    other, as they arrive. Otherwise their order is not certain. An event whose handler raises is delivered
    again after a growing delay, `max_attempts` times in all, and then kept in `<queue>.dead`.
    """

    queue: str
    handlers: Mapping[type[Message], EventHandler]
    prefetch: int = 64
    max_attempts: int = 8

    @property
    def work_queue(self) -> WorkQueue:
        """The queue that this subscription needs."""
        return WorkQueue(self.queue, tuple(self.handlers))

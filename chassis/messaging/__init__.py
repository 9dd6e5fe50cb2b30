"""Events between services: outbox, relay, broker and consumers."""

from chassis.messaging.subscriptions import (
    BatchEventHandler,
    BatchSubscription,
    EventHandler,
    IncomingEvent,
    QueueSubscription,
    ReceivedEvent,
    Subscription,
    WorkQueue,
)

__all__ = [
    "BatchEventHandler",
    "BatchSubscription",
    "EventHandler",
    "IncomingEvent",
    "QueueSubscription",
    "ReceivedEvent",
    "Subscription",
    "WorkQueue",
]

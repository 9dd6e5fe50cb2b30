"""Events between services: outbox, relay, broker and consumers."""

from chassis.messaging.subscriptions import EventHandler, IncomingEvent, QueueSubscription, WorkQueue

__all__ = ["EventHandler", "IncomingEvent", "QueueSubscription", "WorkQueue"]

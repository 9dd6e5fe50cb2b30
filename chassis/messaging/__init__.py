"""Events between services: outbox, relay, broker and consumers."""

from chassis.messaging.subscriptions import Handler, Incoming, Subscription, WorkQueue

__all__ = ["Handler", "Incoming", "Subscription", "WorkQueue"]

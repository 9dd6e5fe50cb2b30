"""Events between services: outbox, relay, broker and consumers."""

from chassis.messaging.subscriptions import Handler, Incoming, Subscription

__all__ = ["Handler", "Incoming", "Subscription"]

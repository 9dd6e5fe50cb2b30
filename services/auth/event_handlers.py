"""Which events the auth service reacts to: none."""

from typing import Final

from chassis.messaging import QueueSubscription, WorkQueue

QUEUES: Final[tuple[WorkQueue, ...]] = ()
"""The queues of this service."""


class AuthEventHandlers:
    """No event of another service changes an account."""

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """Return the queues with the handler of each event."""
        return ()

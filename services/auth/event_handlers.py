"""The events that the auth service handles: none."""

from typing import Final

from chassis.messaging import QueueSubscription, WorkQueue

QUEUES: Final[tuple[WorkQueue, ...]] = ()
"""The queues of this service."""


class AuthEventHandlers:
    """Handlers of no event: other services' events do not change accounts."""

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """Return the queues with the handler of each event."""
        return ()

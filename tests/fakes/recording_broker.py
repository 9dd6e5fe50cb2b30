"""A broker's connection that delivers what a test gives it and records the outcomes."""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, cast

from chassis.messaging import Subscription
from chassis.messaging.consumer import EventConsumers
from chassis.messaging.consumer_connection import (
    BrokerDelivery,
    ConsumerConnection,
    Outcome,
    SharedMessage,
)


class RecordingBroker:
    """Runs the consumers of one subscription."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._outcomes: dict[int, asyncio.Future[Outcome]] = {}
        self.consumers = EventConsumers("amqp://nowhere", [subscription], name="user", connect=self._connect)

    def deliver(self, body: bytes, attempt: int = 1) -> "asyncio.Future[Outcome]":
        """Deliver a message; the future has its outcome once the consumers settle it."""
        delivery = BrokerDelivery(self._subscription, body, attempt, SharedMessage(message=None, unsettled=1))
        outcome = self._outcomes[id(delivery)] = asyncio.get_running_loop().create_future()
        outcome.add_done_callback(lambda _: delivery)  # keeps the delivery, and so its ID, alive
        self._deliver(delivery)
        return outcome

    async def __aenter__(self) -> Self:
        self.consumers.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.consumers.stop(grace_s=1.0)

    # --- the connection, as the consumers see it

    def _connect(
        self, _url: str, _subscriptions: Sequence[Subscription], deliver: Callable[[BrokerDelivery], None]
    ) -> ConsumerConnection:
        self._deliver = deliver
        return cast(ConsumerConnection, self)

    def start(self) -> None: ...

    def pause(self) -> None: ...

    def stop(self) -> None: ...

    def settle(self, delivery: BrokerDelivery, outcome: Outcome) -> None:
        self._outcomes[id(delivery)].set_result(outcome)

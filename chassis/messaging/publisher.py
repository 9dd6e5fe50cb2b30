"""Publishing with confirms: many messages in flight at once; a confirmed message counts as sent."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from amqp.exceptions import NotFound
from kombu import Producer

from chassis.messaging.broker_connection import connect_broker
from chassis.messaging.message_bodies import OutgoingEvent, pack_messages
from chassis.messaging.topology import EVENTS_EXCHANGE, PROVISIONED_EXCHANGE
from chassis.store_tls import StoreTls

PERSISTENT_DELIVERY_MODE: Final = 2
POLL_TIMEOUT_S: Final = 0.05


class PublishNotConfirmedError(Exception):
    """The broker did not confirm the whole batch; some of it may have arrived."""


class BrokerBlockedError(PublishNotConfirmedError):
    """The broker accepts no messages at all, as its disk or memory is nearly full."""

    def __init__(self) -> None:
        super().__init__("the broker is short of disk or memory and takes no messages; see its log")


class BrokerNotProvisionedError(PublishNotConfirmedError):
    """The broker may lack queues, so that it would drop events."""

    def __init__(self) -> None:
        super().__init__("the broker has not all queues yet: run `ic provision`")


class EventPublisher:
    """Publishes events to the exchange over one connection on a thread of its own.

    Kombu blocks, so it must not run on the event loop. The connection is opened on first use and again after
    any failure. There are no heartbeats: a dead connection shows when the next batch is not confirmed in
    time. While the broker lacks memory or disk the connection is kept: the broker would not notice that it is
    closed, and each attempt would cost it one more. With `needs_provisioning` it uses only a broker on which
    all services' queues are declared.
    """

    def __init__(
        self,
        amqp_url: str,
        *,
        tls: StoreTls | None = None,
        timeout_s: float = 10.0,
        needs_provisioning: bool = False,
    ) -> None:
        self._url = amqp_url
        self._tls = tls
        self._timeout_s = timeout_s
        self._needs_provisioning = needs_provisioning
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="publisher")
        self._open: _ConfirmingConnection | None = None
        self._pinging: asyncio.Future[None] | None = None

    async def publish(self, batch: Sequence[OutgoingEvent]) -> None:
        """Publish the batch, and return once the broker has stored every event of it.

        Raises PublishNotConfirmedError, OSError or an AMQP error when that is not certain; the whole batch
        has to be published again.
        """
        await self._in_thread(self._publish, batch)

    async def ping(self) -> None:
        """Make a round trip to the broker. Raises when it does not answer or the exchange is missing.

        Concurrent callers share one round trip.
        """
        if self._pinging is None or self._pinging.done():
            self._pinging = self._in_thread(self._ping)
            # Nobody may be there any more to hear of a failure.
            self._pinging.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(self._pinging)

    async def close(self) -> None:
        await self._in_thread(self._close_connection)
        self._thread.shutdown(wait=False)

    def _in_thread(self, call: Callable[..., None], *arguments: Any) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)

    def _publish(self, batch: Sequence[OutgoingEvent]) -> None:
        self._on_connection(lambda connection: connection.publish(batch))

    def _ping(self) -> None:
        self._on_connection(_ConfirmingConnection.ping)

    def _on_connection(self, call: "Callable[[_ConfirmingConnection], None]") -> None:
        try:
            call(self._connected())
        except BrokerBlockedError:
            raise
        except BaseException:
            self._close_connection()
            raise

    def _connected(self) -> "_ConfirmingConnection":
        if self._open is None:
            opened = _ConfirmingConnection(self._url, self._tls, self._timeout_s)
            if self._needs_provisioning:
                opened.require_provisioned()
            self._open = opened
        return self._open

    def _close_connection(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


class _ConfirmingConnection:
    """One connection whose channel counts the messages that it has sent and those that are confirmed."""

    def __init__(self, url: str, tls: StoreTls | None, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._blocked = False
        self._connection = connect_broker(
            url,
            timeout_s=timeout_s,
            tls=tls,
            on_blocked=self._on_blocked,
            on_unblocked=self._on_unblocked,
        )
        self._channel = self._connection.channel()
        # `confirm_publish` would wait for each message in turn; this enables the same confirms for a whole
        # batch in flight.
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._producer = Producer(self._channel, auto_declare=False)
        self._sent = 0
        self._unconfirmed: set[int] = set()

    def require_provisioned(self) -> None:
        """Close the connection and raise BrokerNotProvisionedError unless all queues are declared."""
        try:
            self._channel.exchange_declare(PROVISIONED_EXCHANGE, "fanout", passive=True)
        except NotFound:
            self.close()
            raise BrokerNotProvisionedError from None
        except BaseException:
            self.close()
            raise

    def publish(self, batch: Sequence[OutgoingEvent]) -> None:
        self._wait_until_unblocked()
        for message in pack_messages(batch):
            self._sent += 1
            self._unconfirmed.add(self._sent)
            self._producer.publish(
                message.body,
                exchange=EVENTS_EXCHANGE,
                routing_key=message.routing_key,
                content_type=message.content_type,
                content_encoding="binary",
                delivery_mode=PERSISTENT_DELIVERY_MODE,
                message_id=message.id,
                type=message.routing_key,
                timeout=self._timeout_s,
            )
        self._wait_for_confirms()

    def ping(self) -> None:
        if self._blocked:
            self._drain_events(POLL_TIMEOUT_S)
        if self._blocked:
            raise BrokerBlockedError
        self._channel.exchange_declare(EVENTS_EXCHANGE, "topic", passive=True)

    def close(self) -> None:
        # `collect` drops the socket without the closing handshake, which a dead broker would never answer.
        self._connection.collect(socket_timeout=1.0)

    def _wait_until_unblocked(self) -> None:
        if self._blocked:
            self._drain_events(self._timeout_s)
        if self._blocked:
            raise BrokerBlockedError

    def _wait_for_confirms(self) -> None:
        give_up = monotonic() + self._timeout_s
        while self._unconfirmed:
            left = give_up - monotonic()
            if left <= 0 and self._blocked:
                raise BrokerBlockedError
            if left <= 0:
                raise PublishNotConfirmedError(
                    f"{len(self._unconfirmed)} messages not confirmed in {self._timeout_s} s"
                )
            self._drain_events(left)

    def _drain_events(self, seconds: float) -> None:
        """Handle the events that the broker sends within `seconds`, if any."""
        with suppress(TimeoutError):
            self._connection.drain_events(timeout=seconds)

    def _on_blocked(self, _reason: str) -> None:
        self._blocked = True

    def _on_unblocked(self) -> None:
        self._blocked = False

    def _on_ack(self, tag: int, multiple: bool) -> None:
        if multiple:
            self._unconfirmed = {sent for sent in self._unconfirmed if sent > tag}
        else:
            self._unconfirmed.discard(tag)

    def _on_nack(self, tag: int, _multiple: bool) -> None:
        raise PublishNotConfirmedError(f"the broker refused message {tag} of this connection")

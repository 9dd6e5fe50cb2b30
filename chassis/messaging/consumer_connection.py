"""The consumers' connection to the broker: Kombu on a thread of its own.

Kombu is synchronous and its connections belong to one thread. That thread passes every message to a callback
and goes on reading; `settle` takes a message's outcome from any thread and has it carried out on that thread.
"""

import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from kombu import Consumer, Message, Producer, Queue

from chassis.concurrency.backoff import Backoff
from chassis.messaging import topology
from chassis.messaging.broker_connection import connect_broker
from chassis.messaging.message_bodies import (
    BATCH_CONTENT_TYPE,
    EVENT_CONTENT_TYPE,
    read_event_id,
    unpack_bodies,
)
from chassis.messaging.message_headers import FailureHeaders, add_failure
from chassis.messaging.publisher import PERSISTENT_DELIVERY_MODE
from chassis.messaging.subscriptions import Subscription
from chassis.observability import metrics
from chassis.observability.logging import get_logger
from chassis.store_tls import StoreTls

DELIVERIES_BEFORE_SPLIT: Final = 2
"""Deliveries of a batch that ended without an outcome, before its events go their ways alone."""

_log = get_logger()


@dataclass(frozen=True, slots=True)
class ConsumerPolicy:
    """How long the broker may take to answer, and how often the connection is looked after."""

    broker_timeout_s: float = 15.0
    heartbeat_interval_s: int = 10
    tick_interval_s: float = 1.0
    count_interval_s: float = 15.0


DEFAULT_CONSUMER_POLICY: Final = ConsumerPolicy()


@dataclass(frozen=True, slots=True)
class BrokerDelivery:
    """One event from a queue, alone or among others in its message. `attempt` counts from 1."""

    subscription: Subscription
    body: bytes
    attempt: int
    source: "SharedMessage" = field(repr=False)


@dataclass(slots=True)
class SharedMessage:
    """A message, and how many of its events have no outcome yet."""

    message: Message
    unsettled: int

    @property
    def is_batch(self) -> bool:
        """Whether it was sent as one of several events."""
        return bool(self.message.content_type == BATCH_CONTENT_TYPE)


@dataclass(frozen=True, slots=True)
class Ack:
    """The event's effect is committed, or it has none."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Deliver the event again after a delay, or give up when it had all its attempts."""

    error: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Move the event to the dead letters at once: no later attempt can succeed."""

    error: str


Outcome = Ack | Retry | DeadLetter


class ConsumerConnection:
    """Consumes `subscriptions` on a thread of its own until stopped; reconnects for ever.

    `deliver` is called on that thread for every event and must not block. A message is acknowledged when all
    its events have an outcome; an event to deliver again, or to give up on, goes its way alone.
    """

    def __init__(
        self,
        amqp_url: str,
        subscriptions: Sequence[Subscription],
        deliver: Callable[[BrokerDelivery], None],
        policy: ConsumerPolicy = DEFAULT_CONSUMER_POLICY,
        tls: StoreTls | None = None,
    ) -> None:
        self._policy = policy
        self._url = amqp_url
        self._tls = tls
        self._subscriptions = subscriptions
        self._deliver = deliver
        self._outcomes: deque[tuple[BrokerDelivery, Outcome]] = deque()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._pausing = threading.Event()
        self._paused = threading.Event()
        self._stopping = threading.Event()
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    @property
    def is_connected(self) -> bool:
        """Whether messages can arrive now."""
        return self._connected.is_set()

    def start(self) -> None:
        self._thread.start()

    def settle(self, delivery: BrokerDelivery, outcome: Outcome) -> None:
        """Carry out the outcome of an event soon; callable from any thread, does not block.

        An outcome for an event of a closed connection is dropped: the broker delivers its message again.
        """
        self._outcomes.append((delivery, outcome))
        self._wake()

    def pause(self, timeout_s: float = 3.0) -> None:
        """Stop taking messages, and return then; delivered messages can still be settled."""
        self._pausing.set()
        self._wake()
        self._paused.wait(timeout_s)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Carry out the outcomes so far and close the connection; the broker redelivers other messages."""
        self._pausing.set()
        self._stopping.set()
        self._wake()
        self._thread.join(timeout_s)

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # the pipe is full of wake-ups already
            self._wake_writer.send(b"\0")

    def _run(self) -> None:
        backoff = Backoff()
        while not self._pausing.is_set():
            try:
                with closing(self._connect()) as session:
                    backoff.reset()
                    self._process_events(session)
            except (
                Exception
            ) as error:  # Kombu may raise anything, AttributeError even, when a connection breaks.
                _log.warning("broker connection lost", error=repr(error))
            finally:
                self._connected.clear()
                metrics.broker_connected.set(0)
            self._pausing.wait(backoff.next_delay_s())
        self._paused.set()

    def _connect(self) -> "_BrokerSession":
        session = _BrokerSession(self._url, self._subscriptions, self._deliver, self._policy, self._tls)
        self._connected.set()
        metrics.broker_connected.set(1)
        _log.info("broker connected", queues=[each.queue for each in self._subscriptions])
        return session

    def _process_events(self, session: "_BrokerSession") -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(session.socket, selectors.EVENT_READ)
            selector.register(self._wake_reader, selectors.EVENT_READ)
            while not self._stopping.is_set():
                self._settle_all(session)
                session.dispatch_arrived()
                session.send_heartbeats()
                if self._pausing.is_set():
                    session.pause()
                    self._paused.set()
                selector.select(self._policy.tick_interval_s)
                self._drain_wake_ups()
        self._settle_all(session)

    def _settle_all(self, session: "_BrokerSession") -> None:
        while self._outcomes:
            delivery, outcome = self._outcomes.popleft()
            session.settle(delivery, outcome)

    def _drain_wake_ups(self) -> None:
        with suppress(BlockingIOError):
            while self._wake_reader.recv(4096):
                pass


class _BrokerSession:
    """One connection: a channel per subscription, as prefetch is per channel, and one for publishing."""

    def __init__(
        self,
        url: str,
        subscriptions: Sequence[Subscription],
        deliver: Callable[[BrokerDelivery], None],
        policy: ConsumerPolicy,
        tls: StoreTls | None,
    ) -> None:
        self._policy = policy
        self._connection = connect_broker(
            url,
            timeout_s=self._policy.broker_timeout_s,
            tls=tls,
            heartbeat_s=self._policy.heartbeat_interval_s,
            confirm_publish=True,
        )
        try:
            self._channel = self._connection.channel()
            topology.declare_on_channel(self._channel, [each.work_queue for each in subscriptions])
            self._producer = Producer(self._channel, auto_declare=False)
            self._subscriptions = subscriptions
            self._deliver = deliver
            self._next_count = 0.0
            self._channels = set[Any]()
            self._consumers = [self._consume(subscription) for subscription in subscriptions]
        except BaseException:
            self.close()
            raise

    @property
    def socket(self) -> socket.socket:
        sock: socket.socket = self._connection.connection.sock
        return sock

    def close(self) -> None:
        # Without the closing handshake, which a broken connection would never answer.
        self._connection.collect(socket_timeout=1.0)

    def dispatch_arrived(self) -> None:
        """Dispatch all messages that have arrived, without waiting for more."""
        try:
            while True:
                self._connection.drain_events(timeout=0)
        except TimeoutError:
            return

    def send_heartbeats(self) -> None:
        """Send heartbeats, and now and then measure the queues' lengths."""
        self._connection.heartbeat_check()
        if monotonic() >= self._next_count:
            self._next_count = monotonic() + self._policy.count_interval_s
            for subscription in self._subscriptions:
                self._count(subscription.queue)
                self._count(topology.dead_letter_queue(subscription.queue))

    def pause(self) -> None:
        while self._consumers:
            self._consumers.pop().cancel()

    def settle(self, delivery: BrokerDelivery, outcome: Outcome) -> None:
        if delivery.source.message.channel not in self._channels:
            return
        match outcome:
            case Retry(error) if delivery.attempt < delivery.subscription.max_attempts:
                self._forward(delivery, error, topology.retry_exchange(delivery.attempt))
            case Retry(error) | DeadLetter(error):
                self._forward(delivery, error, "", topology.dead_letter_queue(delivery.subscription.queue))
        delivery.source.unsettled -= 1
        if not delivery.source.unsettled:
            delivery.source.message.ack()

    def _forward(self, delivery: BrokerDelivery, error: str, exchange: str, routing_key: str = "") -> None:
        message, queue = delivery.source.message, delivery.subscription.queue
        headers = add_failure(
            message.headers,
            attempt=delivery.attempt,
            error=error,
            queue=queue,
            routing_key=message.delivery_info["routing_key"],
        )
        self._send(delivery.source, delivery.body, exchange, routing_key or queue, headers)

    def _send(
        self, source: SharedMessage, body: bytes, exchange: str, routing_key: str, headers: dict[str, Any]
    ) -> None:
        """Send an event of a message on, alone, and wait until the broker has it."""
        message = source.message
        own_id = read_event_id(body) if source.is_batch else message.properties.get("message_id")
        self._producer.publish(
            body,
            exchange=exchange,
            routing_key=routing_key,
            mandatory=True,
            headers=headers,
            content_type=EVENT_CONTENT_TYPE,
            content_encoding=message.content_encoding,
            delivery_mode=PERSISTENT_DELIVERY_MODE,
            message_id=own_id,
            type=message.properties.get("type"),
            timeout=self._policy.broker_timeout_s,
            confirm_timeout=self._policy.broker_timeout_s,
        )

    def _consume(self, subscription: Subscription) -> Consumer:
        channel = self._connection.channel()
        self._channels.add(channel)

        def on_message(message: Message) -> None:
            bodies = unpack_bodies(message.content_type, body_bytes(message.body))
            source = SharedMessage(message, len(bodies))
            if source.is_batch and _earlier_deliveries(message) >= DELIVERIES_BEFORE_SPLIT:
                self._split(subscription, source, bodies)
                return
            attempt = FailureHeaders.parse(message.headers).attempts + 1
            for body in bodies:
                self._deliver(BrokerDelivery(subscription, body, attempt, source))

        queue = Queue(subscription.queue, no_declare=True)
        consumer = Consumer(channel, [queue], on_message=on_message, auto_declare=False)
        consumer.qos(prefetch_count=subscription.prefetch)
        consumer.consume()
        return consumer

    def _split(self, subscription: Subscription, source: SharedMessage, bodies: Sequence[bytes]) -> None:
        """Put each event of a batch into the queue alone.

        One of them may be what ends each consumer that takes the batch. The broker gives up on such a
        message, and would give up on all its events.
        """
        _log.warning("batch is split", queue=subscription.queue, events=len(bodies))
        for body in bodies:
            self._send(source, body, "", subscription.queue, {})
        source.message.ack()

    def _count(self, queue: str) -> None:
        _, messages, _ = self._channel.queue_declare(queue, passive=True)
        metrics.queue_messages.labels(queue).set(messages)


def _earlier_deliveries(message: Message) -> int:
    """Return how often the broker has delivered the message before, as it counts for quorum queues."""
    return int(message.headers.get("x-delivery-count") or 0)


def body_bytes(body: Any) -> bytes:
    """Return a message's body as bytes, in whichever type Kombu decoded it."""
    return body.encode() if isinstance(body, str) else bytes(body)

"""Runs handlers for messages: concurrently or in batches, on the event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import product
from time import monotonic, perf_counter
from typing import Final

import grpc
from google.protobuf.message import DecodeError, Message

from chassis.call_context import CallContext, Principal, bind_call
from chassis.concurrency.keyed_lock import KeyedLock
from chassis.contracts import error_reasons, event_type
from chassis.errors import DomainError
from chassis.messaging.batch_runner import BatchRunner, PendingEvent
from chassis.messaging.consumer_connection import (
    Ack,
    BrokerDelivery,
    ConsumerConnection,
    DeadLetter,
    Outcome,
    Retry,
)
from chassis.messaging.subscriptions import (
    BatchSubscription,
    EventHandler,
    IncomingEvent,
    ReceivedEvent,
    Subscription,
)
from chassis.observability import metrics
from chassis.observability.logging import get_logger
from chassis.observability.tracing import continue_trace
from internshipconnect.events.v1.events_pb2 import Event

HANDLER_TIMEOUT_S: Final = 30.0
# Not for the caller to repeat, but another run begins with newer state and may succeed.
_RETRIED_CODES: Final = frozenset(
    {grpc.StatusCode.ABORTED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAUTHENTICATED}
)

_log = get_logger()


ConnectToBroker = Callable[
    [str, Sequence[Subscription], Callable[[BrokerDelivery], None]], ConsumerConnection
]


class PoisonMessageError(Exception):
    """A message that no consumer can parse."""


class EventConsumers:
    """Runs the subscriptions' handlers on the event loop, acting as the service `name`."""

    def __init__(
        self,
        amqp_url: str,
        subscriptions: Sequence[Subscription],
        *,
        name: str,
        connect: ConnectToBroker = ConsumerConnection,
    ) -> None:
        self._principal = Principal(id=name, kind="SERVICE")
        self._subscriptions = subscriptions
        self._event_types = {each.queue: _event_types_by_name(each) for each in subscriptions}
        self._runners: dict[str, BatchRunner] = {}
        self._connection = connect(amqp_url, subscriptions, self._deliver)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._subject_locks = KeyedLock()
        self._places = {each.queue: asyncio.Semaphore(each.prefetch) for each in subscriptions}

    @property
    def is_connected(self) -> bool:
        """Whether messages can arrive now."""
        return self._connection.is_connected

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._runners = {
            each.queue: self._batch_runner(each)
            for each in self._subscriptions
            if isinstance(each, BatchSubscription)
        }
        for each in self._subscriptions:
            _export_outcomes(each.queue, self._event_types[each.queue])
        self._connection.start()

    async def stop(self, grace_s: float = 10.0) -> None:
        """Take no more messages and wait for those in flight; the broker redelivers unfinished ones."""
        await asyncio.to_thread(self._connection.pause)
        await asyncio.gather(
            self._end_in_flight(grace_s), *(runner.stop(grace_s) for runner in self._runners.values())
        )
        await asyncio.to_thread(self._connection.stop)

    async def _end_in_flight(self, grace_s: float) -> None:
        if self._in_flight:
            _, late = await asyncio.wait(self._in_flight, timeout=grace_s)
            for task in late:
                task.cancel()

    def _deliver(self, delivery: BrokerDelivery) -> None:
        self._loop.call_soon_threadsafe(self._begin, delivery)

    def _begin(self, delivery: BrokerDelivery) -> None:
        """Give an event to its handler, or settle one that has none here."""
        queue = delivery.subscription.queue
        try:
            received = self._receive(delivery.body, queue)
        except PoisonMessageError as poison:
            _log.error("event is unreadable", queue=queue, error=str(poison))
            metrics.events_handled.labels(queue, metrics.OTHER_LABEL, "unreadable").inc()
            self._connection.settle(delivery, DeadLetter(str(poison)))
            return
        if received is None:
            metrics.events_handled.labels(queue, metrics.OTHER_LABEL, "ignored").inc()
            self._connection.settle(delivery, Ack())
        elif queue in self._runners:
            self._runners[queue].add(PendingEvent(delivery, received))
        else:
            task = self._loop.create_task(self._handle_alone(delivery, received))
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)

    def _receive(self, body: bytes, queue: str) -> ReceivedEvent | None:
        """Return an event; None for a type that is not handled here. Raises PoisonMessageError."""
        event = _parse_event(body)
        kind = self._event_types[queue].get(event.type)
        return (
            None
            if kind is None
            else ReceivedEvent(_unpack_message(event, kind), _incoming_event(event, queue))
        )

    def _batch_runner(self, subscription: BatchSubscription) -> BatchRunner:
        async def handle(batch: Sequence[PendingEvent]) -> Outcome:
            events = [each.received for each in batch]
            attempt = max(each.delivery.attempt for each in batch)
            return await self._run(lambda: subscription.handle(events), events, attempt)

        return BatchRunner(subscription, handle, self._connection.settle)

    async def _handle_alone(self, delivery: BrokerDelivery, received: ReceivedEvent) -> None:
        handler = _handler_of(delivery, received)
        queue, subject = delivery.subscription.queue, received.incoming.subject
        # Events of one entity run in the order of arrival: concurrent ones would only conflict on its
        # document.
        async with self._places[queue], self._subject_locks.hold(f"{queue}:{subject}"):
            outcome = await self._run(
                lambda: handler(received.message, received.incoming), [received], delivery.attempt
            )
        self._connection.settle(delivery, outcome)

    async def _run(
        self, handle: Callable[[], Awaitable[None]], events: Sequence[ReceivedEvent], attempt: int
    ) -> Outcome:
        """Handle one event or a batch, under the trace of the first, and return the outcome of all."""
        first = events[0].incoming
        deadline = monotonic() + HANDLER_TIMEOUT_S
        bind_call(CallContext(first.event_id, deadline=deadline, principal=self._principal))
        started = perf_counter()
        name = f"handle {first.type}" if len(events) == 1 else f"handle a batch of {first.queue}"
        attributes: dict[str, str | float] = {
            "messaging.system": "rabbitmq",
            "messaging.destination.name": first.queue,
            "messaging.batch.message_count": len(events),
        }
        in_flight = metrics.events_in_flight.labels(first.queue)
        in_flight.inc(len(events))
        try:
            with continue_trace(first.traceparent, name, attributes=attributes) as span:
                outcome = await _call_handler(handle, events, attempt)
                if not isinstance(outcome, Ack):
                    span.set_error(outcome.error)
        finally:
            in_flight.dec(len(events))
        if len(events) == 1 or isinstance(outcome, Ack):
            # A failed batch is counted event by event.
            _count_handled(events, outcome, perf_counter() - started)
        return outcome


_OUTCOME_LABELS: Final[Mapping[type[Outcome], str]] = {Ack: "done", Retry: "failed", DeadLetter: "buried"}


def _export_outcomes(queue: str, types: Iterable[str]) -> None:
    """Export the failures as 0 before the first one: Prometheus sees no increase in a series that is new."""
    metrics.events_handled.labels(queue, metrics.OTHER_LABEL, "unreadable")
    metrics.events_age_seconds.labels(queue)
    for type_, outcome in product(types, _OUTCOME_LABELS.values()):
        metrics.events_handled.labels(queue, type_, outcome)


def _count_handled(events: Sequence[ReceivedEvent], outcome: Outcome, seconds: float) -> None:
    if isinstance(outcome, Ack):
        now = datetime.now(UTC)
        age = metrics.events_age_seconds.labels(events[0].incoming.queue)
        for event in events:
            age.observe(max(0.0, (now - event.incoming.time).total_seconds()))
    for event in events:
        labels = (event.incoming.queue, event.incoming.type)
        metrics.events_handling_seconds.labels(*labels).observe(seconds)
        metrics.events_handled.labels(*labels, _OUTCOME_LABELS[type(outcome)]).inc()


async def _call_handler(
    handle: Callable[[], Awaitable[None]], events: Sequence[ReceivedEvent], attempt: int
) -> Outcome:
    first = events[0].incoming
    where: dict[str, object] = {
        "queue": first.queue,
        "type": first.type,
        "event_id": first.event_id,
        "attempt": attempt,
    }
    if len(events) > 1:
        where["batch"] = len(events)
    try:
        async with asyncio.timeout(HANDLER_TIMEOUT_S):
            await handle()
    except DomainError as error:
        _log.warning("event not handled", **where, error=str(error))
        return Retry(str(error)) if _is_worth_retrying(error) else DeadLetter(str(error))
    except Exception as error:
        _log.exception("event handler failed", **where)
        return Retry(f"{type(error).__name__}: {error}")
    return Ack()


def _is_worth_retrying(error: DomainError) -> bool:
    reason = error_reasons()[error.reason]
    return reason.is_retryable or reason.code in _RETRIED_CODES


def _event_types_by_name(subscription: Subscription) -> dict[str, type[Message]]:
    return {event_type(kind): kind for kind in subscription.work_queue.event_types}


def _handler_of(delivery: BrokerDelivery, received: ReceivedEvent) -> EventHandler:
    subscription = delivery.subscription
    if isinstance(subscription, BatchSubscription):
        raise TypeError(f"{subscription.queue} is handled in batches")
    return subscription.handlers[type(received.message)]


def _parse_event(body: bytes) -> Event:
    try:
        event = Event.FromString(body)
    except DecodeError as error:
        raise PoisonMessageError(f"not an event: {error}") from error
    if not event.id or not event.type:
        raise PoisonMessageError("an event without id or type")
    return event


def _unpack_message(event: Event, kind: type[Message]) -> Message:
    message = kind()
    try:
        matches = event.data.Unpack(message)
    except DecodeError as error:
        raise PoisonMessageError(f"{event.type} {event.id}: {error}") from error
    if not matches:
        raise PoisonMessageError(f"{event.type} {event.id} carries {event.data.type_url}")
    return message


def _incoming_event(event: Event, queue: str) -> IncomingEvent:
    return IncomingEvent(
        event_id=event.id,
        type=event.type,
        source=event.source,
        subject=event.subject,
        time=event.time.ToDatetime(tzinfo=UTC),
        traceparent=event.traceparent,
        queue=queue,
    )

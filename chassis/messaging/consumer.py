"""Runs handlers for messages: concurrently, on the event loop."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC
from time import monotonic, perf_counter
from typing import Final

import grpc
from google.protobuf.message import DecodeError, Message

from chassis.call_context import CallContext, Principal, bind_call
from chassis.concurrency.keyed_lock import KeyedLock
from chassis.contracts import error_reasons, event_type
from chassis.errors import DomainError
from chassis.messaging.consumer_connection import (
    Ack,
    BrokerDelivery,
    ConsumerConnection,
    DeadLetter,
    Outcome,
    Retry,
)
from chassis.messaging.subscriptions import EventHandler, IncomingEvent, QueueSubscription
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


class PoisonMessageError(Exception):
    """A message that no consumer can parse."""


class EventConsumers:
    """Runs the subscriptions' handlers on the event loop, acting as the service `name`."""

    def __init__(self, amqp_url: str, subscriptions: Sequence[QueueSubscription], *, name: str) -> None:
        self._principal = Principal(id=name, kind="SERVICE")
        self._handlers = {each.queue: _handlers_by_event_type(each.handlers) for each in subscriptions}
        self._connection = ConsumerConnection(amqp_url, subscriptions, self._deliver)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._subject_locks = KeyedLock()

    @property
    def is_connected(self) -> bool:
        """Whether messages can arrive now."""
        return self._connection.is_connected

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection.start()

    async def stop(self, grace_s: float = 10.0) -> None:
        """Take no more messages and wait for those in flight; the broker redelivers unfinished ones."""
        await asyncio.to_thread(self._connection.pause)
        if self._in_flight:
            _, late = await asyncio.wait(self._in_flight, timeout=grace_s)
            for task in late:
                task.cancel()
        await asyncio.to_thread(self._connection.stop)

    def _deliver(self, delivery: BrokerDelivery) -> None:
        self._loop.call_soon_threadsafe(self._start_handling, delivery)

    def _start_handling(self, delivery: BrokerDelivery) -> None:
        task = self._loop.create_task(self._handle(delivery))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _handle(self, delivery: BrokerDelivery) -> None:
        with metrics.events_in_flight.labels(delivery.subscription.queue).track_inprogress():
            self._connection.settle(delivery, await self._process(delivery))

    async def _process(self, delivery: BrokerDelivery) -> Outcome:
        queue = delivery.subscription.queue
        try:
            event = _parse_event(delivery.body)
            kind, handler = self._handlers[queue].get(event.type, (None, None))
            if kind is None or handler is None:
                metrics.events_handled.labels(queue, metrics.OTHER_LABEL, "ignored").inc()
                return Ack()
            message = _unpack_message(event, kind)
        except PoisonMessageError as poison:
            _log.error("event is unreadable", queue=queue, error=str(poison))
            metrics.events_handled.labels(queue, metrics.OTHER_LABEL, "unreadable").inc()
            return DeadLetter(str(poison))
        # Events of one entity run in the order of arrival: concurrent ones would only conflict on its
        # document.
        async with self._subject_locks.hold(f"{queue}:{event.subject}"):
            return await self._run_handler(handler, message, _incoming_event(event, queue), delivery.attempt)

    async def _run_handler(
        self, handler: EventHandler, message: Message, incoming: IncomingEvent, attempt: int
    ) -> Outcome:
        bind_call(CallContext(incoming.event_id, monotonic() + HANDLER_TIMEOUT_S, self._principal))
        started = perf_counter()
        attributes = {"messaging.system": "rabbitmq", "messaging.destination.name": incoming.queue}
        with continue_trace(incoming.traceparent, f"handle {incoming.type}", attributes=attributes) as span:
            outcome = await _call_handler(handler, message, incoming, attempt)
            if not isinstance(outcome, Ack):
                span.set_error(outcome.error)
        labels = (incoming.queue, incoming.type)
        metrics.events_handling_seconds.labels(*labels).observe(perf_counter() - started)
        metrics.events_handled.labels(*labels, _OUTCOME_LABELS[type(outcome)]).inc()
        return outcome


_OUTCOME_LABELS: Final[Mapping[type[Outcome], str]] = {Ack: "done", Retry: "failed", DeadLetter: "buried"}


async def _call_handler(
    handler: EventHandler, message: Message, incoming: IncomingEvent, attempt: int
) -> Outcome:
    where = {
        "queue": incoming.queue,
        "type": incoming.type,
        "event_id": incoming.event_id,
        "attempt": attempt,
    }
    try:
        async with asyncio.timeout(HANDLER_TIMEOUT_S):
            await handler(message, incoming)
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


def _handlers_by_event_type(
    handlers: Mapping[type[Message], EventHandler],
) -> dict[str, tuple[type[Message], EventHandler]]:
    return {event_type(kind): (kind, handler) for kind, handler in handlers.items()}


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

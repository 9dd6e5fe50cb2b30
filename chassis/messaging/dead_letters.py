"""Dead letters: listing, replaying and deleting them.

No message is lost: a replayed one is published with a confirm before it is removed from the dead letters, and
a listed one returns to its place. A process killed in between leaves the message there, perhaps beside a copy
in its queue; handlers drop repeats.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from kombu import Connection, Consumer, Message, Producer, Queue

from chassis.contracts import ContractError, event_class
from chassis.messaging import topology
from chassis.messaging.broker_connection import connect_broker
from chassis.messaging.consumer_connection import body_bytes
from chassis.messaging.message_headers import FailureHeaders, clear_failures
from chassis.messaging.publisher import PERSISTENT_DELIVERY_MODE
from chassis.observability.redaction import REDACTED, redact_fields
from chassis.store_tls import StoreTls
from internshipconnect.events.v1.events_pb2 import Event

MAX_LOADED_MESSAGES: Final = 10_000
"""Dead letters of one queue in memory at once; of a longer queue only the first ones are read."""

_TIMEOUT_S: Final = 15.0
_DRAIN_TIMEOUT_S: Final = 2.0
_REQUEUE_TIMEOUT_S: Final = 5.0
_POLL_INTERVAL_S: Final = 0.01
_CONSUMER_VANISHED: Final = "its consumer vanished each time while it was handling it"
_PROOF_FIELDS: Final = frozenset({"code"})
"""Fields of events that hold secrets, by name; logs have no such field."""

DeadLetterFilter = Callable[["DeadLetterMessage"], bool]
DeadLetterProgress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class DeadLetterMessage:
    """A message that `queue` gave up on after `attempts` attempts, the last of which failed with `error`.

    `event` is None when the message is no event; `id` is then the message ID that it was sent with, if any.
    """

    queue: str
    id: str
    attempts: int
    error: str
    first_failed_at: datetime | None
    event: Event | None

    @property
    def type(self) -> str:
        """The event's type; "" when the message is no event."""
        return self.event.type if self.event else ""

    @property
    def time(self) -> datetime | None:
        """The event's time, UTC; None when the message is no event."""
        return self.event.time.ToDatetime(tzinfo=UTC) if self.event else None

    @property
    def trace_id(self) -> str:
        """The trace in which the event was emitted, as logs spell it; "" when there is none."""
        parts = self.event.traceparent.split("-") if self.event else []
        return parts[1] if len(parts) == 4 else ""

    @property
    def payload(self) -> dict[str, Any] | None:
        """The event's message as JSON, with secrets redacted as in logs; None when it is unreadable."""
        if self.event is None:
            return None
        try:
            message = event_class(self.event.type)()
            readable = self.event.data.Unpack(message)
        except (ContractError, DecodeError):
            return None
        if not readable:
            return None
        fields = redact_fields(MessageToDict(message, preserving_proto_field_name=True).items())
        return fields | dict.fromkeys(_PROOF_FIELDS & fields.keys(), REDACTED)


@dataclass(frozen=True, slots=True)
class DeadLetterSummary:
    """The dead letters of one queue; `oldest` and `types` describe the first `MAX_LOADED_MESSAGES`."""

    queue: str
    count: int
    oldest: datetime | None
    types: Counter[str]


class DeadLetterQueues:
    """The dead letters on the broker at `amqp_url`.

    All methods block, and raise OSError or amqp.AMQPError when the broker does not answer or there is no such
    queue.
    """

    def __init__(self, amqp_url: str, tls: StoreTls | None = None) -> None:
        self._url = amqp_url
        self._tls = tls

    def summarize(self, queues: Sequence[str]) -> list[DeadLetterSummary]:
        """Return a summary of each queue's dead letters."""
        with self._connection() as connection:
            return [_summarize_queue(connection, queue) for queue in queues]

    def peek(self, queue: str, most: int) -> list[DeadLetterMessage]:
        """Return the first dead letters, at most `most`, in their order, which is not changed."""
        with self._connection() as connection:
            return _peek_messages(connection, queue)[:most]

    def replay(
        self, queue: str, wanted: DeadLetterFilter, progress: DeadLetterProgress = lambda done: None
    ) -> int:
        """Move the wanted dead letters back to their queue, with all attempts again; return their number.

        `progress` receives the number of moved ones so far. Messages that die during this call stay where
        they are.
        """
        with self._connection() as connection:
            producer = Producer(connection.channel(), auto_declare=False)

            def give_back(message: Message) -> None:
                _republish(producer, queue, message)

            return _settle_matching(connection, queue, wanted, give_back, progress)

    def delete(
        self, queue: str, wanted: DeadLetterFilter, progress: DeadLetterProgress = lambda done: None
    ) -> int:
        """Delete the wanted dead letters for good; return their number."""
        with self._connection() as connection:
            return _settle_matching(connection, queue, wanted, lambda message: None, progress)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        connecting = connect_broker(self._url, timeout_s=_TIMEOUT_S, tls=self._tls, confirm_publish=True)
        with connecting as connection:
            yield connection


def _summarize_queue(connection: Connection, queue: str) -> DeadLetterSummary:
    count = _count_dead_letters(connection, queue)
    letters = _peek_messages(connection, queue) if count else []
    times = [time for letter in letters if (time := letter.time or letter.first_failed_at)]
    types = Counter(letter.type or "unreadable" for letter in letters)
    return DeadLetterSummary(queue, count, min(times, default=None), types)


def _peek_messages(connection: Connection, queue: str) -> list[DeadLetterMessage]:
    with _held_messages(connection, queue, MAX_LOADED_MESSAGES) as messages:
        return [_parse_dead_letter(queue, message) for message in messages]


def _settle_matching(
    connection: Connection,
    queue: str,
    wanted: DeadLetterFilter,
    settle: Callable[[Message], None],
    progress: DeadLetterProgress,
) -> int:
    left, done, done_before = _count_dead_letters(connection, queue), 0, -1
    while left > 0 and done > done_before:
        done_before = done
        with _held_messages(connection, queue, left) as messages:
            for message in messages:
                if wanted(_parse_dead_letter(queue, message)):
                    settle(message)
                    progress(done := done + 1)
                    message.ack()
        left -= len(messages)
    return done


@contextmanager
def _held_messages(connection: Connection, queue: str, most: int) -> Iterator[list[Message]]:
    """Hold at most `most` and `MAX_LOADED_MESSAGES` dead letters; unacknowledged ones return to their place.

    All, because a message that returns to a quorum queue goes behind those that returned before: holding only
    the first ones would rotate the queue. So would holding some before others are back, hence the wait for
    them.
    """
    lying = _count_dead_letters(connection, queue)
    messages: list[Message] = []
    channel = connection.channel()
    try:
        _collect_messages(connection, channel, queue, messages, min(lying, most, MAX_LOADED_MESSAGES))
        yield messages
    finally:
        channel.close()
    lying -= sum(message.acknowledged for message in messages)
    give_up = monotonic() + _REQUEUE_TIMEOUT_S
    while _count_dead_letters(connection, queue) < lying and monotonic() < give_up:
        sleep(_POLL_INTERVAL_S)


def _collect_messages(
    connection: Connection, channel: Any, queue: str, messages: list[Message], most: int
) -> None:
    if not most:
        return
    dead = Queue(topology.dead_letter_queue(queue), no_declare=True)
    consumer = Consumer(channel, [dead], on_message=messages.append, auto_declare=False)
    consumer.qos(prefetch_count=most)
    consumer.consume()
    with suppress(TimeoutError):
        while len(messages) < most:
            connection.drain_events(timeout=_DRAIN_TIMEOUT_S)


def _count_dead_letters(connection: Connection, queue: str) -> int:
    with connection.channel() as channel:
        declared = channel.queue_declare(topology.dead_letter_queue(queue), passive=True)
    return int(declared.message_count)


def _republish(producer: Producer, queue: str, message: Message) -> None:
    """Publish to the one queue that gave up on the message: other queues have handled the event."""
    producer.publish(
        body_bytes(message.body),
        exchange="",
        routing_key=queue,
        mandatory=True,
        headers=clear_failures(message.headers),
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        delivery_mode=PERSISTENT_DELIVERY_MODE,
        message_id=message.properties.get("message_id"),
        type=message.properties.get("type"),
        timeout=_TIMEOUT_S,
        confirm_timeout=_TIMEOUT_S,
    )


def _parse_dead_letter(queue: str, message: Message) -> DeadLetterMessage:
    failures = FailureHeaders.parse(message.headers)
    event = _parse_event_or_none(body_bytes(message.body))
    vanished = _broker_deliveries(message.headers)
    return DeadLetterMessage(
        queue=queue,
        id=event.id if event else str(message.properties.get("message_id") or ""),
        attempts=failures.attempts + vanished,
        error=_CONSUMER_VANISHED if vanished else failures.error,
        first_failed_at=failures.first_failed_at,
        event=event,
    )


def _broker_deliveries(headers: dict[str, Any]) -> int:
    """Return how often the broker delivered the message before it gave up; 0 when a consumer gave up."""
    deaths = headers.get("x-death") or [{}]
    return topology.MAX_REDELIVERIES if deaths[0].get("reason") == "delivery_limit" else 0


def _parse_event_or_none(body: bytes) -> Event | None:
    try:
        event = Event.FromString(body)
    except DecodeError:
        return None
    return event if event.id and event.type else None

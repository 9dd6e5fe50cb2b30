"""Exchanges and queues on the broker: one durable topic exchange, work queues with their dead letters, and
one retry queue per delay that all work queues share.

A retry queue has no consumers: its messages expire after its delay and return, by their routing key, to the
queue they came from. Each delay has a queue of its own, so that no message waits behind one with a longer
delay.
"""

import random
from collections.abc import Iterable
from typing import Any, Final

from kombu import Exchange, Queue

from chassis.messaging.broker_connection import connect_broker
from chassis.messaging.subscriptions import WorkQueue
from chassis.store_tls import StoreTls

EVENTS_EXCHANGE: Final = "internshipconnect.events"
PROVISIONED_EXCHANGE: Final = "internshipconnect.provisioned"
"""It is declared after all queues: where it exists, no event is dropped for want of a queue."""
RETRY_DELAYS_S: Final = (1, 5, 25, 120, 600)
MAX_REDELIVERIES: Final = 20
"""The deliveries of a message whose consumers vanished, after which the broker itself gives up on it."""

_DEFAULT_EXCHANGE: Final = ""
_URL_SEPARATOR: Final = ";"
"""Kombu's, between the URLs of a broker's nodes."""
_QUORUM_QUEUE: Final = {"x-queue-type": "quorum"}
# Dead-lettering inside the broker is at most once by default; this way it is confirmed like any publish.
_SAFE_DEAD_LETTERING: Final = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


def dead_letter_queue(queue: str) -> str:
    """Return the name of the queue with the dead letters of `queue`."""
    return f"{queue}.dead"


def retry_exchange(attempt: int) -> str:
    """Return the retry exchange after a failed `attempt`, from 1; its routing key is the queue's name."""
    return _retry_queue_name(RETRY_DELAYS_S[min(attempt, len(RETRY_DELAYS_S)) - 1])


def shuffle_brokers(amqp_url: str) -> str:
    """Return the URLs of a broker's nodes, separated by `;`, in a random order.

    Connections begin with the first one, so that processes with different orders spread over all nodes.
    """
    urls = amqp_url.split(_URL_SEPARATOR)
    return _URL_SEPARATOR.join(random.sample(urls, len(urls)))


def declare_topology(
    amqp_url: str, queues: Iterable[WorkQueue], *, tls: StoreTls | None = None, timeout_s: float = 10.0
) -> None:
    """Declare the exchanges and queues that `queues` need; repeating it changes nothing.

    Run it for the queues of all services at once: until it has run, the services' workers publish nothing, as
    the broker drops an event that no queue is bound to. Raises OSError or amqp.AMQPError when the broker does
    not answer or has a queue of that name with other properties.
    """
    with connect_broker(amqp_url, timeout_s=timeout_s, tls=tls) as connection:
        # Not its default channel, which hides errors of the connection behind one of Kombu's own.
        channel = connection.channel()
        declare_on_channel(channel, queues)
        Exchange(PROVISIONED_EXCHANGE, type="fanout", durable=True)(channel).declare()


def count_messages(
    amqp_url: str, queues: Iterable[str], *, tls: StoreTls | None = None, timeout_s: float = 10.0
) -> int:
    """Return the number of messages that wait in these queues together, without those that a consumer holds.

    Raises OSError or amqp.AMQPError when the broker does not answer or a queue does not exist.
    """
    with connect_broker(amqp_url, timeout_s=timeout_s, tls=tls) as connection:
        channel = connection.channel()
        return sum(int(channel.queue_declare(queue, passive=True).message_count) for queue in queues)


def declare_on_channel(channel: Any, queues: Iterable[WorkQueue]) -> None:
    """Declare exchanges and queues over an open Kombu channel."""
    events = Exchange(EVENTS_EXCHANGE, type="topic", durable=True)
    events(channel).declare()
    for delay_s in RETRY_DELAYS_S:
        _declare_retry_queue(channel, delay_s)
    for queue in queues:
        _declare_durable_queue(channel, dead_letter_queue(queue.name), {})
        declared = _declare_durable_queue(channel, queue.name, _work_queue_arguments(queue.name))
        for routing_key in queue.routing_keys:
            declared.bind_to(EVENTS_EXCHANGE, routing_key=routing_key)


def _declare_retry_queue(channel: Any, delay_s: int) -> None:
    name = _retry_queue_name(delay_s)
    Exchange(name, type="fanout", durable=True)(channel).declare()
    back = {"x-message-ttl": delay_s * 1000, "x-dead-letter-exchange": _DEFAULT_EXCHANGE}
    _declare_durable_queue(channel, name, {**back, **_SAFE_DEAD_LETTERING}).bind_to(name)


def _work_queue_arguments(queue: str) -> dict[str, Any]:
    return {
        "x-delivery-limit": MAX_REDELIVERIES,
        "x-dead-letter-exchange": _DEFAULT_EXCHANGE,
        "x-dead-letter-routing-key": dead_letter_queue(queue),
        **_SAFE_DEAD_LETTERING,
    }


def _declare_durable_queue(channel: Any, name: str, arguments: dict[str, Any]) -> Any:
    queue = Queue(name, durable=True, queue_arguments={**_QUORUM_QUEUE, **arguments})(channel)
    queue.queue_declare()
    return queue


def _retry_queue_name(delay_s: int) -> str:
    return f"internshipconnect.retry.{delay_s}s"

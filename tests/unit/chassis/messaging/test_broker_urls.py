"""Several nodes of a broker: every process knows all, and not all begin with the same."""

from collections.abc import Callable

import pytest
from kombu import Connection

from chassis.messaging.dead_letters import DeadLetterQueues
from chassis.messaging.topology import count_messages, declare_topology, shuffle_brokers

URLS = [f"amqp://ic:secret@rabbit-{number}:5672/ic" for number in range(3)]


def test_a_single_url_stays_as_it_is() -> None:
    assert shuffle_brokers(URLS[0]) == URLS[0]


def test_processes_begin_with_different_nodes_and_know_all() -> None:
    orders = [shuffle_brokers(";".join(URLS)).split(";") for _ in range(200)]

    assert all(sorted(order) == URLS for order in orders)
    assert {order[0] for order in orders} == set(URLS)


def test_a_connection_goes_to_the_next_node_when_one_does_not_answer() -> None:
    connection = Connection(";".join(URLS))
    seen = []
    for _ in URLS:
        seen.append(connection.hostname)
        connection.maybe_switch_next()

    assert seen == ["rabbit-0", "rabbit-1", "rabbit-2"]


@pytest.mark.parametrize(
    "use",
    [
        lambda url: declare_topology(url, [], timeout_s=1.0),
        lambda url: count_messages(url, ["some"], timeout_s=1.0),
        lambda url: DeadLetterQueues(url).summarize(["some"]),
    ],
)
def test_a_broker_that_is_down_is_an_error_of_the_connection(use: Callable[[str], object]) -> None:
    with pytest.raises(OSError, match="refused"):
        use("amqp://ic:secret@127.0.0.1:1//")

"""The table of queues that is declared before anybody publishes."""

import importlib
from importlib.util import find_spec

import pytest

from chassis.messaging import WorkQueue
from ops.paths import REPO

SERVICES = sorted(path.name for path in (REPO / "services").iterdir() if path.is_dir())
REACTING = [name for name in SERVICES if find_spec(f"services.{name}.event_handlers") is not None]


def queues_of(service: str) -> tuple[WorkQueue, ...]:
    queues: tuple[WorkQueue, ...] = importlib.import_module(f"services.{service}.event_handlers").QUEUES
    return queues


@pytest.mark.parametrize("service", REACTING)
def test_a_service_that_reacts_to_events_lists_its_queues(service: str) -> None:
    queues = queues_of(service)
    assert queues
    assert all(queue.routing_keys for queue in queues)


def test_no_two_services_share_a_queue() -> None:
    names = [queue.name for service in REACTING for queue in queues_of(service)]
    assert len(names) == len(set(names))

"""The queues of the user service."""

from types import SimpleNamespace
from typing import Any, cast

from chassis.erasures import LateEvents
from services.user.event_handlers import (
    MAX_CONCURRENT_READINGS,
    QUEUES,
    RESUME_PARSING_QUEUE,
    all_subscriptions,
)
from services.user.resumes.sandbox import SandboxLimits

NOTHING = cast(Any, SimpleNamespace(profiles=None, companies=None, views=None, scanning=None, reading=None))
LATE = LateEvents(NOTHING)


def test_each_declared_queue_has_its_subscription() -> None:
    subscriptions = all_subscriptions(NOTHING, NOTHING, NOTHING, NOTHING, LATE)
    subscribed = {each.queue: each.work_queue.routing_keys for each in subscriptions}
    assert subscribed == {each.name: each.routing_keys for each in QUEUES}


def test_a_worker_takes_as_many_resumes_as_its_memory_is_meant_for() -> None:
    [reading] = [
        each
        for each in all_subscriptions(NOTHING, NOTHING, NOTHING, NOTHING, LATE)
        if each.queue == RESUME_PARSING_QUEUE
    ]
    assert reading.prefetch == MAX_CONCURRENT_READINGS == SandboxLimits().max_concurrent

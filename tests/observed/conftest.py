"""A stack that Prometheus and Alertmanager watch, and a receiver that speaks PagerDuty's Events API v2."""

from collections.abc import Iterator

import pytest

from devstack.observers import PAGERDUTY_VARIABLE
from devstack.rate_limiter import LIFTED_LIMITS_FACTOR
from tests.observed.pagerduty_receiver import PagerDutyReceiver
from tests.observed.prometheus_client import PrometheusClient
from tests.stack import StackHandle, running_second_stack


@pytest.fixture(scope="session")
def pagerduty() -> Iterator[PagerDutyReceiver]:
    with PagerDutyReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def stack(pagerduty: PagerDutyReceiver) -> Iterator[StackHandle]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PAGERDUTY_VARIABLE, pagerduty.url)
        with running_second_stack("observed", observe=True, limits_times=LIFTED_LIMITS_FACTOR) as found:
            yield found


@pytest.fixture(scope="session")
def prometheus(stack: StackHandle) -> PrometheusClient:
    return PrometheusClient(stack.cluster.prometheus_url)

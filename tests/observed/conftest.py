"""A stack that Prometheus and Alertmanager watch, and a receiver that speaks PagerDuty's Events API v2."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from uuid import uuid4

import httpx
import pytest

from devstack.observers import PAGERDUTY_VARIABLE
from devstack.rate_limiter import LIFTED_LIMITS_FACTOR
from devstack.telemetry import OTLP_ENDPOINT_VARIABLE, TRACE_SAMPLE_RATIO_VARIABLE
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
        # Those of the stack under test, which has no trace store.
        for name in (OTLP_ENDPOINT_VARIABLE, TRACE_SAMPLE_RATIO_VARIABLE):
            patch.delenv(name, raising=False)
        with running_second_stack("observed", observe=True, limits_times=LIFTED_LIMITS_FACTOR) as found:
            yield found


@pytest.fixture(scope="session", autouse=True)
def _traffic(stack: StackHandle) -> Iterator[None]:
    """Send requests all the while, so that there is something to see: Prometheus needs them to rise."""
    is_over = threading.Event()
    thread = threading.Thread(target=_send_requests, args=(stack, is_over), daemon=True)
    thread.start()
    yield
    is_over.set()
    thread.join()


def _send_requests(stack: StackHandle, is_over: threading.Event) -> None:
    with httpx.Client(base_url=stack.gateway_url, timeout=20.0, trust_env=False) as client:
        for number in count():
            with suppress(httpx.HTTPError):  # the drills break what answers
                client.get("/api/v1/internships", params={"q": f"python {number % 7}"})
                client.get("/api/v1/internships/int_0")
                client.get(f"/made-up/{number}")
                client.request(f"X{number % 50}", "/api/v1/internships")
                client.get("/api/v1/me")
                if number % 10 == 0:
                    client.post("/api/v1/auth/register", json=_registration())
            if is_over.wait(0.5):
                return


def _registration() -> dict[str, str]:
    name = uuid4().hex
    kind = "ACCOUNT_KIND_STUDENT"
    return {"email": f"{name}@example.com", "password": f"P-{name}", "kind": kind, "name": "Sam Okafor"}


@pytest.fixture(scope="session")
def prometheus(stack: StackHandle) -> PrometheusClient:
    return PrometheusClient(stack.cluster.prometheus_url)

"""One request, one trace: from Envoy to the mail that it caused, two services later."""

import os
import secrets
import time
from collections.abc import Iterator

import httpx
import pytest

from devstack.journey.client import ApiUser
from devstack.journey.main_journey import JOURNEY_PASSWORD
from tests.otlp import OtlpReceiver, running_otlp_receiver
from tests.stack import StackHandle
from tests.waiting import WAIT_TIMEOUT_S

EXPORT_TIMEOUT_S = WAIT_TIMEOUT_S


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """Yield a receiver at the address to which the stack under test exports its traces."""
    endpoint = os.environ.get("IC_OTLP_ENDPOINT", "")
    if not endpoint:
        pytest.skip("this stack exports no traces: `ic test` makes one that does")
    with running_otlp_receiver(int(endpoint.rpartition(":")[2])) as (receiver, _):
        yield receiver


def test_a_registration_is_one_trace_from_the_gateway_to_its_mail(
    stack: StackHandle, receiver: OtlpReceiver
) -> None:
    trace_id, client_span = secrets.token_hex(16), secrets.token_hex(8)
    person = ApiUser(stack.gateway_url, stack.mailbox_url, f"traced.{trace_id[:8]}@example.com")

    answer = httpx.post(
        f"{stack.gateway_url}/api/v1/auth/register",
        json={
            "email": person.email,
            "password": JOURNEY_PASSWORD,
            "name": "Traced",
            "kind": "ACCOUNT_KIND_STUDENT",
        },
        # The gateway decides which traces are recorded, not the caller's `traceparent`; this asks it to.
        headers={"traceparent": f"00-{trace_id}-{client_span}-01", "x-client-trace-id": trace_id},
    )
    assert answer.is_success, answer.text
    person.await_mail(lambda _: True)

    path = mail_path(receiver, trace_id)
    assert [service for service, _ in path if service] == ["gateway", "auth", "notification"], path
    # The gateway's call of the limiter is a span of its, too.
    parents = [span.parent_span_id.hex() for service, span in receiver.spans if service == "gateway"]
    assert client_span in parents
    assert {span.trace_id.hex() for _, span in receiver.spans} == {trace_id}


def mail_path(receiver: OtlpReceiver, trace_id: str) -> list[tuple[str, str]]:
    """Return the spans' path from the gateway to the sending of the mail, once all of them are exported."""
    until = time.monotonic() + EXPORT_TIMEOUT_S
    path: list[tuple[str, str]] = []
    while time.monotonic() < until:
        for span in receiver.named("send mail"):
            if span.trace_id.hex() == trace_id:
                path = receiver.path_to(span)
        if path and path[0][0] == "gateway":
            return path
        time.sleep(0.2)
    known = path or [(service, span.name) for service, span in receiver.spans]
    raise AssertionError(f"no whole path within {EXPORT_TIMEOUT_S} s; known: {known}")

"""A request of a stack that is observed: found as a trace, and as log lines of the same trace."""

from secrets import token_hex
from typing import Any

import httpx
import pytest

from devstack.log_store.processes import LOG_STORE_PROCESS
from devstack.observers import TRACES_PROCESS, observer_urls
from tests.stack import StackHandle
from tests.waiting import wait_until_blocking

pytestmark = pytest.mark.thorough


def _get(url: str, **parameters: str) -> Any:
    answer = httpx.get(url, params=parameters, trust_env=False, timeout=20.0)
    return answer.json() if answer.status_code == 200 else None


@pytest.fixture(scope="module")
def trace_id(stack: StackHandle) -> str:
    """Return the trace of a registration, whose mail is sent by another service."""
    trace = token_hex(16)
    name = token_hex(8)
    answer = httpx.post(
        f"{stack.gateway_url}/api/v1/auth/register",
        json={
            "email": f"{name}@example.com",
            "password": f"P-{name}-{name}",
            "kind": "ACCOUNT_KIND_STUDENT",
            "name": "Sam Okafor",
        },
        headers={"traceparent": f"00-{trace}-{token_hex(8)}-01"},
        timeout=30.0,
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return trace


def test_a_trace_leads_from_the_gateway_to_the_worker(stack: StackHandle, trace_id: str) -> None:
    url = observer_urls(stack.topology)[TRACES_PROCESS]

    def services() -> set[str]:
        answer = _get(f"{url}/api/traces/{trace_id}")
        processes = answer["data"][0]["processes"].values() if answer else ()
        return {process["serviceName"] for process in processes}

    wait_until_blocking(
        lambda: services() >= {"gateway", "auth", "notification"}, "the spans of all services", within_s=60.0
    )
    (trace,) = _get(f"{url}/api/traces/{trace_id}")["data"]
    by_id = {span["spanID"]: span for span in trace["spans"]}
    without_parent = [
        span
        for span in trace["spans"]
        if not span["references"] or span["references"][0]["spanID"] not in by_id
    ]
    assert len(without_parent) == 1, [span["operationName"] for span in without_parent]
    page = httpx.get(f"{url}/trace/{trace_id}", trust_env=False)
    assert page.status_code == 200
    assert page.text.count('class="bar"') == len(trace["spans"])
    found = _get(f"{url}/api/traces", service="auth", limit="100")["data"]
    assert trace_id in {each["traceID"] for each in found}


def test_the_lines_of_a_trace_are_found_in_the_log_store(stack: StackHandle, trace_id: str) -> None:
    url = observer_urls(stack.topology)[LOG_STORE_PROCESS]

    def processes() -> set[str]:
        answer = _get(f"{url}/logs/_search", q=f"trace_id:{trace_id}", size="100")
        return {hit["_source"]["process"] for hit in answer["hits"]["hits"]} if answer else set()

    wait_until_blocking(lambda: processes() >= {"envoy", "auth-serve"}, "the lines", within_s=60.0)
    hits = _get(f"{url}/logs/_search", q=f"trace_id:{trace_id}", size="100")["hits"]["hits"]
    calls = [hit["_source"] for hit in hits if hit["_source"]["event"] == "rpc"]
    assert "internshipconnect.auth.v1" in calls[0]["rpc"]
    assert all(call["code"] == "OK" for call in calls)

from typing import Any

import pytest
from prometheus_client import REGISTRY

from chassis.call_context import CallContext
from chassis.grpc.handlers import RpcContext
from chassis.grpc.interceptors.metrics import MetricsInterceptor
from tests.fakes.interceptor_calls import fail_with, respond_with, rpc, send_call

LABELS = {"grpc_service": "internshipconnect.auth.v1.AuthService", "grpc_method": "Logout"}


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def handled(code: str) -> float:
    return sample("grpc_server_handled_total", **LABELS, grpc_code=code)


async def test_an_answered_call_is_counted_as_ok_and_timed() -> None:
    before = handled("OK"), sample("grpc_server_handling_seconds_count", **LABELS)
    await send_call(MetricsInterceptor(), rpc("auth", "Logout"), respond_with())
    assert handled("OK") == before[0] + 1
    assert sample("grpc_server_handling_seconds_count", **LABELS) == before[1] + 1


async def test_a_failed_call_is_counted_by_its_status() -> None:
    before = handled("NOT_FOUND")
    with pytest.raises(KeyError):
        await send_call(
            MetricsInterceptor(),
            rpc("auth", "Logout"),
            fail_with(KeyError()),
            call=CallContext(outcome="NOT_FOUND"),
        )
    assert handled("NOT_FOUND") == before + 1


async def test_a_call_is_in_flight_until_it_is_answered() -> None:
    async def look(_request: Any, _context: RpcContext) -> bytes:
        return str(sample("grpc_server_in_flight")).encode()

    assert await send_call(MetricsInterceptor(), rpc("auth", "Logout"), look) == b"1.0"
    assert sample("grpc_server_in_flight") == 0

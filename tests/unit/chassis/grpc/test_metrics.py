from typing import Any

import pytest
from prometheus_client import REGISTRY

from chassis.caller import Call
from chassis.grpc.handlers import Context
from chassis.grpc.interceptors.metrics import Metrics
from tests.fakes.calls import answering, raising, rpc, send

LABELS = {"grpc_service": "internshipconnect.auth.v1.AuthService", "grpc_method": "Logout"}


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def handled(code: str) -> float:
    return sample("grpc_server_handled_total", **LABELS, grpc_code=code)


async def test_an_answered_call_is_counted_as_ok_and_timed() -> None:
    before = handled("OK"), sample("grpc_server_handling_seconds_count", **LABELS)
    await send(Metrics(), rpc("auth", "Logout"), answering())
    assert handled("OK") == before[0] + 1
    assert sample("grpc_server_handling_seconds_count", **LABELS) == before[1] + 1


async def test_a_failed_call_is_counted_by_its_status() -> None:
    before = handled("NOT_FOUND")
    with pytest.raises(KeyError):
        await send(Metrics(), rpc("auth", "Logout"), raising(KeyError()), call=Call(outcome="NOT_FOUND"))
    assert handled("NOT_FOUND") == before + 1


async def test_a_call_is_in_flight_until_it_is_answered() -> None:
    async def look(_request: Any, _context: Context) -> bytes:
        return str(sample("grpc_server_in_flight")).encode()

    assert await send(Metrics(), rpc("auth", "Logout"), look) == b"1.0"
    assert sample("grpc_server_in_flight") == 0

"""Our own gRPC load keeps its rate, counts refusals by reason, and makes a call once where it must."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from internshipconnect.application.v1 import application_pb2
from tests.virtual_time import in_virtual_time
from verify.load.ghz_config import GhzConfig, read_ghz_configs
from verify.load.grpc_calls import GrpcClassPlan, SteadyRate, run_grpc_classes
from verify.load.load_target import LoadTarget

VALUES = {
    "TOKEN": ["t1", "t2"],
    "OPEN_LISTING": ["int_1"],
    "TITLE": ["Data Intern"],
    "NEW_LISTING": ["int_8", "int_9"],
}


class RecordingService:
    """Answers each call with nothing, or refuses those of a method, and keeps what it was sent."""

    def __init__(self, refused: str = "") -> None:
        self.calls: Counter[str] = Counter()
        self.pairs: list[tuple[str, str]] = []
        self._refused = refused
        self._adding = threading.Lock()

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """Return the handler of any method."""
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._answer(details.method, request, context)
        )

    def _answer(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        name = method.rpartition("/")[2]
        metadata = dict(context.invocation_metadata())
        with self._adding:
            self.calls[name] += 1
            if name == "SubmitApplication":
                sent = application_pb2.SubmitApplicationRequest.FromString(request)
                self.pairs.append((sent.internship_id, str(metadata["authorization"])))
        if name == self._refused:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "later")
        return b""


class _AnyMethod(grpc.GenericRpcHandler):
    def __init__(self, recording: RecordingService) -> None:
        self._recording = recording

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._recording.service(handler_call_details)


@pytest.fixture
def recording(request: pytest.FixtureRequest) -> Iterator[tuple[RecordingService, LoadTarget]]:
    service = RecordingService(getattr(request, "param", ""))
    server = grpc.server(ThreadPoolExecutor(4), handlers=[_AnyMethod(service)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield service, LoadTarget("http", "127.0.0.1", port)
    server.stop(0).wait()


def plans(per_s: float, seconds: float) -> list[GrpcClassPlan]:
    return [GrpcClassPlan(config, per_s, seconds) for config in read_ghz_configs()]


def config_named(name: str) -> GhzConfig:
    return next(each for each in read_ghz_configs() if each.name == name)


def test_all_classes_are_called_and_counted(recording: tuple[RecordingService, LoadTarget]) -> None:
    service, target = recording
    result = run_grpc_classes(plans(20, 0.5), target, VALUES)
    assert set(service.calls) == {"GetInternship", "ListInternships", "GetMe", "SubmitApplication"}
    assert (result.attempted, result.failed) == (service.calls.total(), 0)
    assert [call.name for call in result.calls] == ["public-read", "search", "signed-in-read", "write"]


def test_no_pair_of_student_and_listing_is_sent_twice(recording: tuple[RecordingService, LoadTarget]) -> None:
    service, target = recording
    run_grpc_classes([GrpcClassPlan(config_named("write"), 100, 0.5)], target, VALUES)
    assert len(service.pairs) == len(set(service.pairs)) == 4


@pytest.mark.parametrize("recording", ["GetMe"], indirect=True)
def test_refusals_are_counted_by_reason(recording: tuple[RecordingService, LoadTarget]) -> None:
    service, target = recording
    result = run_grpc_classes(plans(20, 0.5), target, VALUES)
    assert result.failures == {"RESOURCE_EXHAUSTED: later": service.calls["GetMe"]}
    assert result.failed == service.calls["GetMe"] > 0


@in_virtual_time
async def test_callers_pass_at_the_rate() -> None:
    loop = asyncio.get_running_loop()
    rate, began = SteadyRate(10), loop.time()
    await asyncio.gather(*(rate.wait() for _ in range(31)))
    assert loop.time() - began == pytest.approx(3, abs=0.11)


@in_virtual_time
async def test_who_comes_late_does_not_catch_up() -> None:
    loop = asyncio.get_running_loop()
    rate = SteadyRate(10)
    await rate.wait()
    await asyncio.sleep(60)
    began = loop.time()
    await asyncio.gather(*(rate.wait() for _ in range(11)))
    assert loop.time() - began == pytest.approx(1, abs=0.11)

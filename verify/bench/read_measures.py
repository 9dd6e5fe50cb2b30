"""Measures of reads over gRPC, and the echoes that they are compared to."""

from typing import Final

from devstack.stack import Stack
from devstack.topology_parts import LOOPBACK
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.user.v1 import user_pb2
from verify.bench import grpc_load, http_load
from verify.bench.benchmark_users import sign_in_seeded_students
from verify.bench.child_process import run_in_child_process
from verify.bench.closed_loop import MeasurementTimes
from verify.bench.constant_read import GET_METHOD, GET_REQUEST, INTERNSHIP_SERVICE
from verify.bench.echo_server import ECHO_METHOD, running_echo_server
from verify.bench.grpc_load import GrpcLoadPlan, PreparedCall, bearer_metadata
from verify.bench.samples import LoadSample
from verify.bench.search_queries import build_search_requests
from verify.bench.server_process import running_beside, running_module
from verify.bench.target import BenchmarkTarget

CONCURRENT_READERS: Final = http_load.HTTP_CONNECTIONS * http_load.STREAMS_PER_CONNECTION
CONCURRENT_SEARCHERS: Final = 4
STUDENT_COUNT: Final = 250
SERVING_PROCESS: Final = "internship-serve"
SEARCH_METHOD: Final = f"{INTERNSHIP_SERVICE}/ListInternships"
GET_ME_METHOD: Final = "/internshipconnect.user.v1.UserService/GetMe"


def measure_echo(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure the echo on grpcio."""
    return _measure_constant(field.echo.target, ECHO_METHOD, field.echo.pid, pace)


def measure_native_echo(_field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure an echo on the native engine."""
    with running_echo_server("native") as echo:
        return _measure_constant(echo.target, ECHO_METHOD, echo.pid, pace)


def measure_chain(_field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure the chain of interceptors around a constant answer, in a process of its own."""
    with running_module("verify.bench.chain_server") as (port, pid):
        return _measure_constant(f"{LOOPBACK}:{port}", GET_METHOD, pid, pace)


def _measure_constant(target: str, method: str, pid: int, pace: MeasurementTimes) -> LoadSample:
    plan = GrpcLoadPlan([target], method, [PreparedCall(GET_REQUEST)], CONCURRENT_READERS, (pid,))
    return run_in_child_process(grpc_load.run_grpc_load, plan, pace)


def measure_get(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure public reads of listings that the process has copies of."""
    return _measure_listings(
        field, [field.grpc_address("internship")], field.process_ids(SERVING_PROCESS), pace
    )


def measure_two_processes(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure the same reads over the stack's process and a second one in turn."""
    process = Stack.assemble(field.topology).find_process(SERVING_PROCESS)
    with running_beside(field, process) as (port, pid):
        targets = [field.grpc_address("internship"), f"{LOOPBACK}:{port}"]
        return _measure_listings(field, targets, (*field.process_ids(SERVING_PROCESS), pid), pace)


def _measure_listings(
    field: BenchmarkTarget, targets: list[str], pids: tuple[int, ...], pace: MeasurementTimes
) -> LoadSample:
    requests = [pb.GetInternshipRequest(internship_id=each.id) for each in field.listings]
    calls = [PreparedCall(request.SerializeToString()) for request in requests]
    plan = GrpcLoadPlan(targets, GET_METHOD, calls, CONCURRENT_READERS, pids)
    return run_in_child_process(grpc_load.run_grpc_load, plan, pace)


def measure_signed_in(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure students who read their own profiles."""
    students = sign_in_seeded_students(field.topology, STUDENT_COUNT)
    request = user_pb2.GetMeRequest().SerializeToString()
    calls = [PreparedCall(request, bearer_metadata(each.token)) for each in students]
    pids = field.process_ids("user-serve", *field.mongods)
    plan = GrpcLoadPlan([field.grpc_address("user")], GET_ME_METHOD, calls, CONCURRENT_READERS, pids)
    return run_in_child_process(grpc_load.run_grpc_load, plan, pace)


def measure_search(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure searches; each is executed, as first pages are cached only for callers without a token."""
    [searcher] = sign_in_seeded_students(field.topology, 1)
    calls = [
        PreparedCall(each.SerializeToString(), bearer_metadata(searcher.token))
        for each in build_search_requests(field.listings)
    ]
    pids = field.process_ids(SERVING_PROCESS, *field.mongods)
    plan = GrpcLoadPlan([field.grpc_address("internship")], SEARCH_METHOD, calls, CONCURRENT_SEARCHERS, pids)
    return run_in_child_process(grpc_load.run_grpc_load, plan, pace)

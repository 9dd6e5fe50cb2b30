"""The rows of the table: the measured call, its baseline, and the processes whose CPU counts."""

import math
import os
import secrets
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Final

from devstack import mongo
from devstack.seed.seeding import SEED_PASSWORD
from internshipconnect.application.v1 import application_pb2 as apply
from internshipconnect.auth.v1 import auth_pb2 as auth
from internshipconnect.internship.v1 import internship_pb2 as pb
from ops.errors import OpsError
from ops.service_names import SERVICES
from verify.bench import baselines, grpc_load, http_load
from verify.bench.benchmark_users import seeded_student_email, sign_in_seeded_users, temporary_listings
from verify.bench.child_process import run_in_child_process
from verify.bench.closed_loop import MeasurementTimes
from verify.bench.direct_envoy import running_direct_envoy
from verify.bench.echo_server import ECHO_METHOD as ECHO
from verify.bench.echo_server import running_echo_server
from verify.bench.grpc_load import CallMetadata, GrpcLoadPlan, PreparedCall
from verify.bench.handled_submits import measure_until_handled
from verify.bench.http_load import GRPC_HEADERS, HttpLoadPlan, grpc_frame
from verify.bench.paused_processes import pause_processes
from verify.bench.samples import BenchmarkResult, LoadSample
from verify.bench.search_queries import build_search_requests
from verify.bench.target import BenchmarkTarget

CONCURRENT_READERS: Final = http_load.HTTP_CONNECTIONS * http_load.STREAMS_PER_CONNECTION
CONCURRENT_WRITERS: Final = 16
CONCURRENT_SEARCHERS: Final = 4
STUDENT_COUNT: Final = 250
CACHED_LISTINGS: Final = 20
SUBMISSIONS_PER_S: Final = 1_000
"""More than a machine of this kind accepts: this number of applications is prepared for each second."""

INTERNSHIP_SERVICE: Final = "/internshipconnect.internship.v1.InternshipService"
GET_METHOD: Final = f"{INTERNSHIP_SERVICE}/GetInternship"
SEARCH_METHOD: Final = f"{INTERNSHIP_SERVICE}/ListInternships"
SUBMIT_METHOD: Final = "/internshipconnect.application.v1.ApplicationService/SubmitApplication"
LOGIN_METHOD: Final = "/internshipconnect.auth.v1.AuthService/Login"
ECHO_REQUEST: Final = pb.GetInternshipRequest(
    internship_id="int_01JD0000000000000000000000"
).SerializeToString()


@dataclass(frozen=True)
class BenchmarkRow:
    """One row: its measurement, and the name of the row that it is compared to."""

    name: str
    title: str
    cpu_of: str
    measure: Callable[[BenchmarkTarget, MeasurementTimes], LoadSample]
    baseline: str | None = None
    uses_h2load: bool = False

    def result(self, field: BenchmarkTarget, pace: MeasurementTimes) -> BenchmarkResult:
        """Measure the row and return the result."""
        return BenchmarkResult(self.name, self.title, self.cpu_of, self.measure(field, pace), self.baseline)


def select_rows(only: Sequence[str]) -> list[BenchmarkRow]:
    """Return these rows with their baselines, in the table's order; all rows when none is named.

    Raises:
        OpsError: there is no row of that name.
    """
    by_name = {row.name: row for row in BENCHMARK_ROWS}
    unknown = [name for name in only if name not in by_name]
    if unknown:
        raise OpsError(f"there is no row '{unknown[0]}'; there are: {', '.join(by_name)}")
    wanted = set(only) | {by_name[name].baseline for name in only}
    return [row for row in BENCHMARK_ROWS if not only or row.name in wanted]


def _measure_echo(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    plan = GrpcLoadPlan(
        field.echo.target, ECHO, [PreparedCall(ECHO_REQUEST)], CONCURRENT_READERS, (field.echo.pid,)
    )
    return run_in_child_process(grpc_load.run_grpc_load, plan, pace)


def _measure_native_echo(_field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    with running_echo_server("native") as echo:
        plan = GrpcLoadPlan(echo.target, ECHO, [PreparedCall(ECHO_REQUEST)], CONCURRENT_READERS, (echo.pid,))
        return run_in_child_process(grpc_load.run_grpc_load, plan, pace)


def _measure_get(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    requests = [pb.GetInternshipRequest(internship_id=each.id) for each in field.listings]
    calls = [PreparedCall(request.SerializeToString()) for request in requests]
    plan = GrpcLoadPlan(
        field.grpc_address("internship"),
        GET_METHOD,
        calls,
        CONCURRENT_READERS,
        field.process_ids("internship-serve"),
    )
    return run_in_child_process(grpc_load.run_grpc_load, plan, pace)


def _measure_echo_by_h2load(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    url = f"http://{field.echo.target}{ECHO}"
    return http_load.run_http_load(
        HttpLoadPlan([url], (field.echo.pid,), grpc_frame(ECHO_REQUEST), GRPC_HEADERS), pace
    )


def _measure_gateway(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    # With a token, so that every call reaches the service; on a plan without a limit.
    [reader] = sign_in_seeded_users(field.topology, [seeded_student_email(1)], plan="ADMIN")
    headers = (f"authorization: Bearer {reader.token}",)
    plan = HttpLoadPlan(
        _listing_urls(field, len(field.listings)),
        field.process_ids("envoy", "internship-serve"),
        None,
        headers,
    )
    return http_load.run_http_load(plan, pace)


def _measure_direct_envoy(_field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    with running_direct_envoy() as envoy:
        return http_load.run_http_load(HttpLoadPlan([f"http://{envoy.target}/"], (envoy.pid,)), pace)


def _measure_cached(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    # Reads that miss the cache count against the limit of one address.
    return http_load.run_http_load(
        HttpLoadPlan(_listing_urls(field, CACHED_LISTINGS), field.process_ids("envoy")), pace
    )


def _listing_urls(field: BenchmarkTarget, count: int) -> list[str]:
    root = f"{field.topology.public_url}/api/v1/internships"
    return [f"{root}/{each.id}" for each in field.listings[:count]]


def _measure_search(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    # First pages are cached for callers without a token: with one, every search is executed.
    [searcher] = sign_in_seeded_users(field.topology, [seeded_student_email(1)])
    calls = [
        PreparedCall(each.SerializeToString(), _bearer(searcher.token))
        for each in build_search_requests(field.listings)
    ]
    pids = field.process_ids("internship-serve", *field.mongods)
    plan = GrpcLoadPlan(field.grpc_address("internship"), SEARCH_METHOD, calls, CONCURRENT_SEARCHERS, pids)
    return run_in_child_process(grpc_load.run_grpc_load, plan, pace)


def _measure_hashes(_field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    return run_in_child_process(baselines.run_hash_baseline, _core_count(), pace)


def _measure_login(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    emails = [seeded_student_email(number) for number in range(1, STUDENT_COUNT + 1)]
    found = sign_in_seeded_users(field.topology, emails)
    requests = [auth.LoginRequest(email=member.email, password=SEED_PASSWORD) for member in found]
    calls = [PreparedCall(request.SerializeToString()) for request in requests]
    plan = GrpcLoadPlan(
        field.grpc_address("auth"), LOGIN_METHOD, calls, 2 * _core_count(), field.process_ids("auth-serve")
    )
    return run_in_child_process(grpc_load.run_grpc_load, plan, pace)


def _measure_transactions(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    shard = field.topology.shards[0]
    names = [mongo.mongod_process_name(shard, member) for member in range(len(shard.ports))]
    uri = mongo.shard_admin_uri(shard, field.credentials)
    database = f"bench_{secrets.token_hex(4)}"
    plan = baselines.TransactionPlan(uri, database, CONCURRENT_WRITERS, field.process_ids(*names))
    return run_in_child_process(baselines.run_transaction_baseline, plan, pace)


def _measure_submit(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    students = sign_in_seeded_users(
        field.topology, [seeded_student_email(number) for number in range(1, STUDENT_COUNT + 1)]
    )
    needed = (pace.window_s + pace.warm_up_s) * SUBMISSIONS_PER_S
    with temporary_listings(field.topology, math.ceil(needed / len(students))) as listing_ids:
        calls = list(_prepare_submissions([student.token for student in students], listing_ids))
        pids = field.process_ids("application-serve", *field.mongods)
        plan = GrpcLoadPlan(
            field.grpc_address("application"), SUBMIT_METHOD, calls, CONCURRENT_WRITERS, pids, once=True
        )
        return run_in_child_process(grpc_load.run_grpc_load, plan, pace)


def _measure_submit_alone(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    with pause_processes(field.process_ids(*(f"{service}-work" for service in SERVICES))):
        return _measure_submit(field, pace)


def _measure_submit_until_handled(field: BenchmarkTarget, pace: MeasurementTimes, at_once: int) -> LoadSample:
    students = sign_in_seeded_users(
        field.topology, [seeded_student_email(number) for number in range(1, STUDENT_COUNT + 1)]
    )
    needed = pace.window_s * SUBMISSIONS_PER_S
    with temporary_listings(field.topology, math.ceil(needed / len(students))) as listing_ids:
        calls = list(_prepare_submissions([student.token for student in students], listing_ids))
        address = field.grpc_address("application")
        plan = GrpcLoadPlan(address, SUBMIT_METHOD, calls, at_once, (), once=True)
        return measure_until_handled(field, plan, listing_ids, pace)


def _prepare_submissions(tokens: Sequence[str], listing_ids: Sequence[str]) -> Iterator[PreparedCall]:
    """Yield every student for every listing, in an order in which neighbours share neither."""
    bodies = [apply.SubmitApplicationRequest(internship_id=each).SerializeToString() for each in listing_ids]
    for turn, number in product(range(len(bodies)), range(len(tokens))):
        key = ("idempotency-key", str(uuid.uuid4()))
        yield PreparedCall(bodies[(number + turn) % len(bodies)], (*_bearer(tokens[number]), key))


def _bearer(token: str) -> CallMetadata:
    return (("authorization", f"Bearer {token}"),)


def _core_count() -> int:
    return len(os.sched_getaffinity(0))


BENCHMARK_ROWS: Final = (
    BenchmarkRow("echo", "bare grpcio echo, 500 bytes", "echo", _measure_echo),
    BenchmarkRow("get", "GetInternship over gRPC, warm", "internship", _measure_get, "echo"),
    BenchmarkRow("echo-native", "bare native echo, 500 bytes", "echo", _measure_native_echo),
    BenchmarkRow("get-native", "GetInternship over gRPC again", "internship", _measure_get, "echo-native"),
    BenchmarkRow(
        "echo-h2load", "the same echo, by h2load", "echo", _measure_echo_by_h2load, uses_h2load=True
    ),
    BenchmarkRow(
        "gateway",
        "GetInternship over HTTP/JSON, uncached, by h2load",
        "envoy, internship",
        _measure_gateway,
        "echo-h2load",
        uses_h2load=True,
    ),
    BenchmarkRow(
        "direct", "Envoy answering by itself, by h2load", "envoy", _measure_direct_envoy, uses_h2load=True
    ),
    BenchmarkRow(
        "cached",
        "public GetInternship from the edge's cache, by h2load",
        "envoy",
        _measure_cached,
        "direct",
        uses_h2load=True,
    ),
    BenchmarkRow("search", "search, 4 kinds of query, no cache", "internship, mongod", _measure_search),
    BenchmarkRow("argon2", "bare Argon2id verify, all cores", "hashing", _measure_hashes),
    BenchmarkRow("login", "Login over gRPC", "auth", _measure_login, "argon2"),
    BenchmarkRow("transaction", "bare transaction of two inserts", "driver, mongod", _measure_transactions),
    BenchmarkRow(
        "submit-alone",
        "SubmitApplication, no workers",
        "application, mongod",
        _measure_submit_alone,
        "transaction",
    ),
    # Last, because its events keep the workers busy for a while.
    BenchmarkRow(
        "submit",
        "SubmitApplication over gRPC, workers at it",
        "application, mongod",
        _measure_submit,
        "transaction",
    ),
    BenchmarkRow(
        "submit-handled",
        "SubmitApplication until all is handled, 16 at once",
        "all services, mongod, broker, mailbox",
        partial(_measure_submit_until_handled, at_once=CONCURRENT_WRITERS),
        "transaction",
    ),
    BenchmarkRow(
        "submit-handled-64",
        "the same, 64 at once",
        "all services, mongod, broker, mailbox",
        partial(_measure_submit_until_handled, at_once=4 * CONCURRENT_WRITERS),
        "transaction",
    ),
)

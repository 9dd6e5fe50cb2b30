"""Measures of logins and submits, and the bare hashing and transactions that they are compared to."""

import math
import os
import secrets
import uuid
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

from devstack import mongo
from devstack.seed.seeding import SEED_PASSWORD
from internshipconnect.application.v1 import application_pb2 as apply
from internshipconnect.auth.v1 import auth_pb2 as auth
from ops.service_names import SERVICES
from verify.bench import baselines, grpc_load
from verify.bench.benchmark_users import sign_in_seeded_students, temporary_listings
from verify.bench.child_process import run_in_child_process
from verify.bench.closed_loop import MeasurementTimes
from verify.bench.grpc_load import GrpcLoadPlan, PreparedCall, bearer_metadata
from verify.bench.handled_submits import measure_until_handled
from verify.bench.paused_processes import pause_processes
from verify.bench.samples import LoadSample
from verify.bench.target import BenchmarkTarget

CONCURRENT_WRITERS: Final = 16
STUDENT_COUNT: Final = 250
SUBMISSIONS_PER_S: Final = 1_000
"""More than a machine of this kind accepts: this number of applications is prepared for each second."""
SUBMIT_METHOD: Final = "/internshipconnect.application.v1.ApplicationService/SubmitApplication"
LOGIN_METHOD: Final = "/internshipconnect.auth.v1.AuthService/Login"


def measure_hashes(_field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure bare hashing on all cores."""
    return run_in_child_process(baselines.run_hash_baseline, _core_count(), pace)


def measure_login(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure logins of seeded students."""
    found = sign_in_seeded_students(field.topology, STUDENT_COUNT)
    requests = [auth.LoginRequest(email=member.email, password=SEED_PASSWORD) for member in found]
    calls = [PreparedCall(request.SerializeToString()) for request in requests]
    plan = GrpcLoadPlan(
        [field.grpc_address("auth")], LOGIN_METHOD, calls, 2 * _core_count(), field.process_ids("auth-serve")
    )
    return run_in_child_process(grpc_load.run_grpc_load, plan, pace)


def measure_transactions(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure bare transactions on the first shard."""
    shard = field.topology.shards[0]
    names = [mongo.mongod_process_name(shard, member) for member in range(len(shard.ports))]
    uri = mongo.shard_admin_uri(shard, field.credentials)
    database = f"bench_{secrets.token_hex(4)}"
    plan = baselines.TransactionPlan(uri, database, CONCURRENT_WRITERS, field.process_ids(*names))
    return run_in_child_process(baselines.run_transaction_baseline, plan, pace)


def measure_submit(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure submits of applications, each of a student to a listing."""
    students = sign_in_seeded_students(field.topology, STUDENT_COUNT)
    needed = (pace.window_s + pace.warm_up_s) * SUBMISSIONS_PER_S
    with temporary_listings(field.topology, math.ceil(needed / len(students))) as listing_ids:
        calls = list(_prepare_submissions([student.token for student in students], listing_ids))
        pids = field.process_ids("application-serve", *field.mongods)
        plan = GrpcLoadPlan(
            [field.grpc_address("application")], SUBMIT_METHOD, calls, CONCURRENT_WRITERS, pids, once=True
        )
        return run_in_child_process(grpc_load.run_grpc_load, plan, pace)


def measure_submit_alone(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure the same while the workers are paused."""
    with pause_processes(field.process_ids(*(f"{service}-work" for service in SERVICES))):
        return measure_submit(field, pace)


def measure_submit_until_handled(field: BenchmarkTarget, pace: MeasurementTimes, at_once: int) -> LoadSample:
    """Measure submits until all that follows from them is done."""
    students = sign_in_seeded_students(field.topology, STUDENT_COUNT)
    needed = pace.window_s * SUBMISSIONS_PER_S
    with temporary_listings(field.topology, math.ceil(needed / len(students))) as listing_ids:
        calls = list(_prepare_submissions([student.token for student in students], listing_ids))
        address = field.grpc_address("application")
        plan = GrpcLoadPlan([address], SUBMIT_METHOD, calls, at_once, (), once=True)
        return measure_until_handled(field, plan, listing_ids, pace)


def _prepare_submissions(tokens: Sequence[str], listing_ids: Sequence[str]) -> Iterator[PreparedCall]:
    """Yield every student for every listing, in an order in which neighbours share neither."""
    bodies = [apply.SubmitApplicationRequest(internship_id=each).SerializeToString() for each in listing_ids]
    for turn, number in product(range(len(bodies)), range(len(tokens))):
        key = ("idempotency-key", str(uuid.uuid4()))
        yield PreparedCall(bodies[(number + turn) % len(bodies)], (*bearer_metadata(tokens[number]), key))


def _core_count() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))

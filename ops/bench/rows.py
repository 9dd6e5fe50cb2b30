"""The rows of the table: what is measured, beside what, and whose CPU counts."""

import math
import os
import secrets
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from internshipconnect.application.v1 import application_pb2 as apply
from internshipconnect.auth.v1 import auth_pb2 as auth
from internshipconnect.internship.v1 import internship_pb2 as pb
from ops.bench import baselines, grpc_load, http_load
from ops.bench.child import in_child
from ops.bench.direct import running_direct
from ops.bench.echo import METHOD as ECHO
from ops.bench.field import Field
from ops.bench.figures import Result, Sample
from ops.bench.grpc_load import Call, Metadata, Plan
from ops.bench.http_load import GRPC_HEADERS, HttpPlan, grpc_frame
from ops.bench.loop import Pace
from ops.bench.pausing import paused
from ops.bench.people import members, scratch_listings, student_email
from ops.bench.queries import queries
from ops.errors import OpsError
from ops.seed import PASSWORD
from ops.stack import mongo
from ops.stack.topology import SERVICES

READERS: Final = http_load.CONNECTIONS * http_load.STREAMS
WRITERS: Final = 16
SEARCHERS: Final = 4
STUDENTS: Final = 250
CACHED_READS: Final = 20
SUBMISSIONS_PER_S: Final = 1_000
"""More than a machine of this kind takes: so many applications are prepared for each second."""

INTERNSHIPS: Final = "/internshipconnect.internship.v1.InternshipService"
GET: Final = f"{INTERNSHIPS}/GetInternship"
SEARCH: Final = f"{INTERNSHIPS}/ListInternships"
SUBMIT: Final = "/internshipconnect.application.v1.ApplicationService/SubmitApplication"
LOGIN: Final = "/internshipconnect.auth.v1.AuthService/Login"
ECHOED: Final = pb.GetInternshipRequest(internship_id="int_01JD0000000000000000000000").SerializeToString()


@dataclass(frozen=True)
class Row:
    """One row: how it is measured, and the name of the row that it is compared to."""

    name: str
    title: str
    cpu_of: str
    measure: Callable[[Field, Pace], Sample]
    baseline: str | None = None
    by_h2load: bool = False

    def result(self, field: Field, pace: Pace) -> Result:
        """Measures it."""
        return Result(self.name, self.title, self.cpu_of, self.measure(field, pace), self.baseline)


def chosen(only: Sequence[str]) -> list[Row]:
    """These rows with their baselines, in the table's order; all rows when none is named.

    Raises:
        OpsError: there is no row of that name.
    """
    by_name = {row.name: row for row in ROWS}
    unknown = [name for name in only if name not in by_name]
    if unknown:
        raise OpsError(f"there is no row '{unknown[0]}'; there are: {', '.join(by_name)}")
    wanted = set(only) | {by_name[name].baseline for name in only}
    return [row for row in ROWS if not only or row.name in wanted]


def _echo(field: Field, pace: Pace) -> Sample:
    plan = Plan(field.echo.target, ECHO, [Call(ECHOED)], READERS, (field.echo.pid,))
    return in_child(grpc_load.drive, plan, pace)


def _get(field: Field, pace: Pace) -> Sample:
    requests = [pb.GetInternshipRequest(internship_id=each.id) for each in field.listings]
    calls = [Call(request.SerializeToString()) for request in requests]
    plan = Plan(field.target("internship"), GET, calls, READERS, field.pids("internship-serve"))
    return in_child(grpc_load.drive, plan, pace)


def _echo_by_h2load(field: Field, pace: Pace) -> Sample:
    url = f"http://{field.echo.target}{ECHO}"
    return http_load.drive(HttpPlan([url], (field.echo.pid,), grpc_frame(ECHOED), GRPC_HEADERS), pace)


def _gateway(field: Field, pace: Pace) -> Sample:
    # With a token, so that every call goes to the service; with the plan that no limit holds up.
    [reader] = members(field.topology, [student_email(1)], plan="ADMIN")
    headers = (f"authorization: Bearer {reader.token}",)
    plan = HttpPlan(_urls(field, len(field.listings)), field.pids("envoy", "internship-serve"), None, headers)
    return http_load.drive(plan, pace)


def _direct(_field: Field, pace: Pace) -> Sample:
    with running_direct() as envoy:
        return http_load.drive(HttpPlan([f"http://{envoy.target}/"], (envoy.pid,)), pace)


def _cached(field: Field, pace: Pace) -> Sample:
    # What has to be fetched anew counts against the limit of one address.
    return http_load.drive(HttpPlan(_urls(field, CACHED_READS), field.pids("envoy")), pace)


def _urls(field: Field, count: int) -> list[str]:
    root = f"{field.topology.public_url}/api/v1/internships"
    return [f"{root}/{each.id}" for each in field.listings[:count]]


def _search(field: Field, pace: Pace) -> Sample:
    # First pages are cached for callers without a token: with one, every search is carried out.
    [searcher] = members(field.topology, [student_email(1)])
    calls = [Call(each.SerializeToString(), _bearer(searcher.token)) for each in queries(field.listings)]
    pids = field.pids("internship-serve", *field.mongods)
    plan = Plan(field.target("internship"), SEARCH, calls, SEARCHERS, pids)
    return in_child(grpc_load.drive, plan, pace)


def _hashes(_field: Field, pace: Pace) -> Sample:
    return in_child(baselines.hashes, _cores(), pace)


def _login(field: Field, pace: Pace) -> Sample:
    emails = [student_email(number) for number in range(1, STUDENTS + 1)]
    found = members(field.topology, emails)
    requests = [auth.LoginRequest(email=member.email, password=PASSWORD) for member in found]
    calls = [Call(request.SerializeToString()) for request in requests]
    plan = Plan(field.target("auth"), LOGIN, calls, 2 * _cores(), field.pids("auth-serve"))
    return in_child(grpc_load.drive, plan, pace)


def _transactions(field: Field, pace: Pace) -> Sample:
    shard = field.topology.shards[0]
    names = [mongo.member_name(shard, member) for member in range(len(shard.ports))]
    uri = mongo.admin_uri(shard, field.credentials)
    database = f"bench_{secrets.token_hex(4)}"
    plan = baselines.TransactionPlan(uri, database, WRITERS, field.pids(*names))
    return in_child(baselines.transactions, plan, pace)


def _submit(field: Field, pace: Pace) -> Sample:
    students = members(field.topology, [student_email(number) for number in range(1, STUDENTS + 1)])
    needed = (pace.seconds + pace.warm_up_s) * SUBMISSIONS_PER_S
    with scratch_listings(field.topology, math.ceil(needed / len(students))) as listing_ids:
        calls = list(_submissions([student.token for student in students], listing_ids))
        pids = field.pids("application-serve", *field.mongods)
        plan = Plan(field.target("application"), SUBMIT, calls, WRITERS, pids, once=True)
        return in_child(grpc_load.drive, plan, pace)


def _submit_alone(field: Field, pace: Pace) -> Sample:
    with paused(field.pids(*(f"{service}-work" for service in SERVICES))):
        return _submit(field, pace)


def _submissions(tokens: Sequence[str], listing_ids: Sequence[str]) -> Iterator[Call]:
    """Every student for every listing, so ordered that calls in a row share neither."""
    bodies = [apply.SubmitApplicationRequest(internship_id=each).SerializeToString() for each in listing_ids]
    for turn, number in product(range(len(bodies)), range(len(tokens))):
        key = ("idempotency-key", str(uuid.uuid4()))
        yield Call(bodies[(number + turn) % len(bodies)], (*_bearer(tokens[number]), key))


def _bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


ROWS: Final = (
    Row("echo", "bare grpcio echo, 500 bytes", "echo", _echo),
    Row("get", "GetInternship over gRPC, warm", "internship", _get, "echo"),
    Row("echo-h2load", "the same echo, by h2load", "echo", _echo_by_h2load, by_h2load=True),
    Row(
        "gateway",
        "GetInternship over HTTP/JSON, uncached, by h2load",
        "envoy, internship",
        _gateway,
        "echo-h2load",
        by_h2load=True,
    ),
    Row("direct", "Envoy answering by itself, by h2load", "envoy", _direct, by_h2load=True),
    Row(
        "cached",
        "public GetInternship from the edge's cache, by h2load",
        "envoy",
        _cached,
        "direct",
        by_h2load=True,
    ),
    Row("search", "search, 4 kinds of query, no cache", "internship, mongod", _search),
    Row("argon2", "bare Argon2id verify, all cores", "hashing", _hashes),
    Row("login", "Login over gRPC", "auth", _login, "argon2"),
    Row("transaction", "bare transaction of two inserts", "driver, mongod", _transactions),
    Row("submit-alone", "SubmitApplication, no workers", "application, mongod", _submit_alone, "transaction"),
    # Last, because its events keep the workers busy for a while.
    Row(
        "submit", "SubmitApplication over gRPC, workers at it", "application, mongod", _submit, "transaction"
    ),
)

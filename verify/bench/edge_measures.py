"""Measures of the gateway over HTTP/JSON, and the servers that it is compared to."""

from typing import Final

import httpx

from verify.bench.benchmark_users import sign_in_seeded_students
from verify.bench.closed_loop import MeasurementTimes
from verify.bench.constant_read import GET_REQUEST
from verify.bench.direct_envoy import running_direct_envoy
from verify.bench.echo_server import ECHO_METHOD
from verify.bench.http_load import GRPC_HEADERS, HttpLoadPlan, grpc_frame, run_http_load
from verify.bench.samples import LoadSample
from verify.bench.target import BenchmarkTarget

CACHED_LISTINGS: Final = 20
READ_TIMEOUT_S: Final = 5.0
READING_PROCESSES: Final = ("envoy", "internship-serve", "rate-limiter")
VIEW_PROCESSES: Final = ("internship-work", "analytics-work", "rabbit")
"""The processes that handle the views which the service and the limiter count."""


def measure_echo_by_h2load(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure the echo on grpcio with the load generator of the gateway's rows."""
    url = f"http://{field.echo.target}{ECHO_METHOD}"
    return run_http_load(
        HttpLoadPlan([url], {"echo": field.echo.pid}, grpc_frame(GET_REQUEST), GRPC_HEADERS), pace
    )


def measure_gateway(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure reads of listings that reach the service: with a token, on a plan without a limit."""
    [reader] = sign_in_seeded_students(field.topology, 1, plan="ADMIN")
    plan = HttpLoadPlan(
        listing_urls(field, len(field.listings)),
        field.processes(*READING_PROCESSES, *VIEW_PROCESSES),
        headers=(f"authorization: Bearer {reader.token}",),
    )
    return run_http_load(plan, pace)


def measure_direct_envoy(_field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure an Envoy that answers by itself."""
    with running_direct_envoy() as envoy:
        return run_http_load(HttpLoadPlan([f"http://{envoy.target}/"], {"envoy": envoy.pid}), pace)


def measure_cached(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure public reads from the edge's cache; those that miss it count against one address's limit."""
    urls = listing_urls(field, CACHED_LISTINGS)
    # One after the other: of a client's first calls some are refused when they come at once.
    for url in urls:
        httpx.get(url, timeout=READ_TIMEOUT_S, trust_env=False).raise_for_status()
    return run_http_load(HttpLoadPlan(urls, field.processes(*READING_PROCESSES, *VIEW_PROCESSES)), pace)


def listing_urls(field: BenchmarkTarget, count: int) -> list[str]:
    """Return the addresses of the newest listings at the gateway."""
    root = f"{field.topology.public_url}/api/v1/internships"
    return [f"{root}/{each.id}" for each in field.listings[:count]]

"""The measure of the gateway's filters: its configuration before an echo, whole and without one of them.

Each variant has an Envoy of its own; control plane, limiter and echo are common to all. Tokens and their keys
are the stack's. The variants are measured in turn, a second each, and just before each the whole, so that
what else the machine does affects both alike.
"""

import math
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from devstack.probes import probe_port
from devstack.rate_limiter import RATE_LIMITER_PROCESS
from devstack.stack import Stack
from devstack.topology_parts import LOOPBACK
from gateway.envoy.bootstrap import EnvoyNode
from ops.service_names import SERVICES
from verify.bench.benchmark_users import sign_in_seeded_students
from verify.bench.closed_loop import MeasurementTimes
from verify.bench.constant_read import INTERNSHIP_ID
from verify.bench.echo_server import running_echo_server
from verify.bench.filter_control_plane import FilterPlan
from verify.bench.filter_variants import ALL_FILTERS, VARIANTS
from verify.bench.http_load import HttpLoadPlan, measure_http_load
from verify.bench.samples import LoadSample, ratio
from verify.bench.server_process import find_free_ports, running_beside, running_envoy, running_process
from verify.bench.target import BenchmarkTarget

LISTING_PATH: Final = f"/api/v1/internships/{INTERNSHIP_ID}"
KEYS_SERVICE: Final = "auth"
ROUND_S: Final = 1
PROBE_TIMEOUT_S: Final = 2.0
LIMITS: Final = """
domain: internshipconnect
descriptors:
  - key: class
    value: PUBLIC_API
    descriptors:
      - {key: address, rate_limit: {unit: second, requests_per_unit: 1000000}}
      - key: plan
        descriptors:
          - {key: user, rate_limit: {unit: second, requests_per_unit: 1000000}}
"""
"""So high that no call is refused, whether or not the variant knows the caller."""


class RunPair(NamedTuple):
    """A run with the whole configuration, and the one of a variant just after it."""

    whole: LoadSample
    variant: LoadSample


def measure_filters(field: BenchmarkTarget, pace: MeasurementTimes) -> dict[str, LoadSample]:
    """Return a sample for each variant; its CPU is that of Envoy for reads of a listing with a token."""
    [reader] = sign_in_seeded_students(field.topology, 1)
    headers = {"authorization": f"Bearer {reader.token}"}
    with _running_variants(field, headers) as plans:
        for plan in plans.values():
            measure_http_load(plan, ROUND_S)
        pairs: dict[str, list[RunPair]] = {variant: [] for variant in VARIANTS if variant != ALL_FILTERS}
        for _ in range(max(1, round(pace.window_s / ROUND_S))):
            for variant, measured in pairs.items():
                whole = measure_http_load(plans[ALL_FILTERS], ROUND_S)
                measured.append(RunPair(whole, measure_http_load(plans[variant], ROUND_S)))
    whole = combine_runs([pair.whole for measured in pairs.values() for pair in measured])
    variants = {variant: combine_pairs(measured, whole) for variant, measured in pairs.items()}
    return {ALL_FILTERS: whole, **variants}


def combine_runs(runs: Sequence[LoadSample]) -> LoadSample:
    """Return one sample of several runs; the CPU of a call is that of the median run."""
    latencies_s = tuple(chain.from_iterable(each.latencies_s for each in runs))
    of_a_call_us = [each.cpu_us for each in runs if each.successes]
    cpu_us = statistics.median(of_a_call_us) if of_a_call_us else 0.0
    failures = sum((Counter(each.failures) for each in runs), Counter[str]())
    window_s = sum(each.window_s for each in runs)
    return LoadSample(window_s, cpu_us * len(latencies_s) / 1e6, latencies_s, dict(failures))


def combine_pairs(pairs: Sequence[RunPair], whole: LoadSample) -> LoadSample:
    """Return one sample of a variant's runs.

    The CPU of a call is the median of the ratios to the run just before, times that of `whole`: a machine
    that others use as well is slower now than a minute later.
    """
    found = combine_runs([pair.variant for pair in pairs])
    ratios = [ratio(pair.variant.cpu_us, pair.whole.cpu_us) for pair in pairs]
    known = [each for each in ratios if math.isfinite(each)]
    cpu_us = statistics.median(known) * whole.cpu_us if known else 0.0
    return replace(found, cpu_s=cpu_us * found.successes / 1e6)


@contextmanager
def _running_variants(
    field: BenchmarkTarget, headers: Mapping[str, str]
) -> Iterator[dict[str, HttpLoadPlan]]:
    """Run an Envoy for each variant and what they need, and yield the load of each."""
    listen = dict(zip(VARIANTS, find_free_ports(len(VARIANTS)), strict=True))
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="ic-bench-")))
        echo = closing.enter_context(running_echo_server("native"))
        services = dict.fromkeys(SERVICES, echo.port)
        services[KEYS_SERVICE] = field.topology.services[KEYS_SERVICE].grpc
        [xds_port] = find_free_ports(1)
        limiter = _start_limiter(field, folder, closing)
        plan = FilterPlan(str(field.topology.mesh_file), xds_port, limiter, services, listen)
        closing.enter_context(running_process(plan.command, {}, lambda: probe_port(xds_port).ready))
        yield {variant: _start_envoy(variant, plan, headers, folder, closing) for variant in VARIANTS}


def _start_limiter(field: BenchmarkTarget, folder: Path, closing: ExitStack) -> int:
    (folder / "limits.yaml").write_text(LIMITS)
    process = Stack.assemble(field.topology).find_process(RATE_LIMITER_PROCESS)
    port, _ = closing.enter_context(running_beside(field, process, IC_LIMITS_DIR=str(folder)))
    return port


def _start_envoy(
    variant: str, plan: FilterPlan, headers: Mapping[str, str], folder: Path, closing: ExitStack
) -> HttpLoadPlan:
    [admin_port] = find_free_ports(1)
    node = EnvoyNode(f"filters-{variant}", variant, (LOOPBACK, admin_port), (LOOPBACK, plan.port))
    url = f"http://{LOOPBACK}:{plan.listen[variant]}{LISTING_PATH}"
    pid = closing.enter_context(running_envoy(node, folder, lambda: _answers(url, headers)))
    return HttpLoadPlan([url], {"envoy": pid}, headers=tuple(f"{k}: {v}" for k, v in headers.items()))


def _answers(url: str, headers: Mapping[str, str]) -> bool:
    try:
        answer = httpx.get(url, headers=dict(headers), timeout=PROBE_TIMEOUT_S, trust_env=False)
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK

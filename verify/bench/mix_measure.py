"""The measure of the mix: its load, the CPU of the whole stack, and the layers that answered."""

import math
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final

from pymongo import MongoClient

from devstack import mongo
from verify.bench.benchmark_users import sign_in_seeded_students, temporary_listings
from verify.bench.cache_counts import CacheCounts
from verify.bench.child_process import run_in_child_process
from verify.bench.closed_loop import MeasurementTimes
from verify.bench.mix_calls import HttpCall, build_mix_calls
from verify.bench.mix_load import MixPlan, run_mix_load
from verify.bench.process_cpu import cpu_shares, read_cpu_by_process
from verify.bench.samples import LoadSample
from verify.bench.stack_counters import commands_per_call, count_commands, read_metrics
from verify.bench.target import BenchmarkTarget

CONCURRENT_CALLERS: Final = 16
STUDENT_COUNT: Final = 1_000
"""Enough that none of them exceeds the limit of the plan FREE."""
MIN_LISTINGS: Final = 20
CALLS_PER_S: Final = 1_000
"""More than a machine of this kind answers: this number of calls is prepared for each second."""
APPLY_SHARE: Final = 0.3
WARM_UP_FACTOR: Final = 2
"""The mix warms up longer than single calls: its first seconds fill the caches."""


def measure_mix(field: BenchmarkTarget, pace: MeasurementTimes) -> LoadSample:
    """Measure the mix after a warm-up of the same calls; the CPU is that of all processes of the stack.

    What applications set off and is not handled by the end of the window is not counted.
    """
    warm_up_s = WARM_UP_FACTOR * pace.warm_up_s
    number = math.ceil((pace.window_s + warm_up_s) * CALLS_PER_S)
    students = sign_in_seeded_students(field.topology, STUDENT_COUNT)
    listing_count = max(MIN_LISTINGS, math.ceil(number * APPLY_SHARE / len(students)))
    with temporary_listings(field.topology, listing_count) as listing_ids:
        tokens = [student.token for student in students]
        calls = build_mix_calls(field.listings, tokens, listing_ids, number)
        first = math.ceil(warm_up_s * CALLS_PER_S)
        _run_load(field, calls[:first], warm_up_s)
        return _measure_window(field, calls[first:], pace.window_s)


def _measure_window(field: BenchmarkTarget, calls: list[HttpCall], window_s: float) -> LoadSample:
    with closing(_StackReader(field)) as reader:
        before = reader.read()
        sample = _run_load(field, calls, window_s)
        after = reader.read()
    shares = cpu_shares(before.cpu_s, after.cpu_s)
    return replace(
        sample,
        cpu_s=sum(share.cpu_s for share in shares),
        shares=shares,
        commands=commands_per_call(before.commands, after.commands, sample.successes),
        hit_rates={**sample.hit_rates, **after.caches.since(before.caches).hit_rates()},
    )


def _run_load(field: BenchmarkTarget, calls: list[HttpCall], window_s: float) -> LoadSample:
    plan = MixPlan(field.topology.public_url, calls, CONCURRENT_CALLERS)
    return run_in_child_process(run_mix_load, plan, window_s)


@dataclass(frozen=True)
class _StackReading:
    cpu_s: Mapping[str, float]
    commands: Mapping[str, int]
    caches: CacheCounts


class _StackReader:
    """Reads what the stack's processes have used and counted so far."""

    def __init__(self, field: BenchmarkTarget) -> None:
        self._field = field
        uris = [mongo.shard_admin_uri(shard, field.credentials) for shard in field.topology.shards]
        self._clients = [MongoClient[dict[str, Any]](uri, timeoutMS=5_000) for uri in uris]

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def read(self) -> _StackReading:
        texts = [read_metrics(ports.serve_ops) for ports in self._field.topology.services.values()]
        return _StackReading(
            read_cpu_by_process(self._field.pids_by_process),
            count_commands(self._clients),
            CacheCounts.parse(texts),
        )

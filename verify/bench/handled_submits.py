"""Submits with all that follows: lists of applicants, figures, inboxes and mails."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from pymongo import MongoClient

from devstack import mongo
from ops.errors import OpsError
from ops.service_names import SERVICES, service_database
from ops.waiting import wait_until
from verify.bench import grpc_load
from verify.bench.child_process import run_in_child_process
from verify.bench.closed_loop import MeasurementTimes
from verify.bench.grpc_load import GrpcLoadPlan
from verify.bench.process_cpu import cpu_shares, read_cpu_by_process
from verify.bench.samples import LoadSample, ProcessShare
from verify.bench.stack_counters import commands_per_call, count_commands, read_metrics, sum_metric
from verify.bench.target import BenchmarkTarget

HANDLED_TIMEOUT_S: Final = 300.0
POLL_INTERVAL_S: Final = 0.25
QUIET_S: Final = 2.0
"""Longer than a handled batch takes: without one in this time the workers are idle."""
MAILS_PER_SUBMIT: Final = 2
"""One to the student, one to the only member of the seeded company."""
HANDLED_METRIC: Final = "events_handled_total"
_UNSENT_STATES: Final = ("QUEUED", "SENDING")


def measure_until_handled(
    field: BenchmarkTarget, plan: GrpcLoadPlan, listing_ids: Sequence[str], pace: MeasurementTimes
) -> LoadSample:
    """Send the calls of a plan for the window, and count the CPU of the stack until all is handled.

    The sample's rate is that of all handled submits within the whole time. What the stack does while it rests
    is part of the CPU.

    Raises:
        OpsError: the events, or those of earlier submits, are not handled within five minutes.
    """
    _wait_for_earlier_events(field)
    with closing(_StoredEffects(field, listing_ids)) as stored:
        began, before, commands_before = (
            time.perf_counter(),
            _StackCounts.read(field),
            stored.count_commands(),
        )
        times = MeasurementTimes(pace.window_s, warm_up_s=0.0)
        sent = run_in_child_process(grpc_load.run_grpc_load, plan, times)
        submitted = stored.wait_until_complete()
        elapsed_s, after, commands = (
            time.perf_counter() - began,
            _StackCounts.read(field),
            stored.count_commands(),
        )
    # Submits that were on their way when the window ended are handled, too.
    part = len(sent.latencies_s) / submitted
    shares = [share.scaled(part) for share in after.shares_since(before)]
    return LoadSample(
        elapsed_s * part,
        sum(share.cpu_s for share in shares),
        sent.latencies_s,
        sent.failures,
        shares,
        commands_per_call(commands_before, commands, submitted),
    )


def _wait_for_earlier_events(field: BenchmarkTarget) -> None:
    """Wait until the workers handle no more events, which would count as this row's."""
    counts = [-1]

    def is_quiet() -> bool:
        counts.append(sum(_read_handled_events(ports.work_ops) for ports in field.topology.services.values()))
        return counts[-1] == counts[-2]

    if not wait_until(is_quiet, timeout_s=HANDLED_TIMEOUT_S, interval_s=QUIET_S):
        raise OpsError(f"the events of earlier submits were not handled within {HANDLED_TIMEOUT_S:.0f} s")


@dataclass(frozen=True)
class _StackCounts:
    """What the processes have used and done so far."""

    cpu_s: Mapping[str, float]
    events: Mapping[str, int]

    @classmethod
    def read(cls, field: BenchmarkTarget) -> Self:
        services = [f"{service}-{role}" for service in SERVICES for role in ("serve", "work")]
        names = [*services, *field.mongods, "rabbit", "mailbox"]
        return cls(
            read_cpu_by_process(field.processes(*names)),
            {
                f"{service}-work": _read_handled_events(field.topology.services[service].work_ops)
                for service in SERVICES
            },
        )

    def shares_since(self, before: Self) -> list[ProcessShare]:
        """Return what each process used and did since, the largest first."""
        return [
            replace(share, events=self.events.get(share.name, 0) - before.events.get(share.name, 0))
            for share in cpu_shares(before.cpu_s, self.cpu_s)
        ]


def _read_handled_events(ops_port: int) -> int:
    return round(sum_metric(read_metrics(ops_port), HANDLED_METRIC))


class _StoredEffects:
    """The documents by which a submit's effects are seen: counted before, and waited for."""

    def __init__(self, field: BenchmarkTarget, listing_ids: Sequence[str]) -> None:
        uris = [mongo.shard_admin_uri(shard, field.credentials) for shard in field.topology.shards]
        self._clients = [MongoClient[dict[str, Any]](uri, timeoutMS=20_000) for uri in uris]
        self._of_listings = {"internship_id": {"$in": list(listing_ids)}}
        self._mails_before = self._count("notification", "deliveries", {})

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def wait_until_complete(self) -> int:
        """Return the number of submitted applications once each has all its effects.

        Raises:
            OpsError: that took more than five minutes.
        """
        ends_at = time.monotonic() + HANDLED_TIMEOUT_S
        while time.monotonic() < ends_at:
            submitted = self._count("application", "applications", self._of_listings)
            if submitted and self._are_complete(submitted):
                return submitted
            time.sleep(POLL_INTERVAL_S)
        raise OpsError(f"the events of the submits were not handled within {HANDLED_TIMEOUT_S:.0f} s")

    def count_commands(self) -> dict[str, int]:
        """Return how many commands of each counted kind the shards have carried out so far."""
        return count_commands(self._clients)

    def _are_complete(self, submitted: int) -> bool:
        mails = self._count("notification", "deliveries", {}) - self._mails_before
        unsent = {"state": {"$in": list(_UNSENT_STATES)}}
        return (
            self._count("application", "applicants", self._of_listings) == submitted
            and self._count("analytics", "application_tracks", self._of_listings) == submitted
            and mails >= MAILS_PER_SUBMIT * submitted
            and self._count("notification", "deliveries", unsent) == 0
        )

    def _count(self, service: str, collection: str, query: dict[str, Any]) -> int:
        databases = (client[service_database(service)] for client in self._clients)
        return sum(database[collection].count_documents(query) for database in databases)

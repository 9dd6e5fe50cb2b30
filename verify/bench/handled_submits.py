"""Submits with all that follows: lists of applicants, figures, inboxes and mails."""

import time
from collections.abc import Sequence
from typing import Any, Final

from pymongo import MongoClient

from devstack import mongo
from ops.errors import OpsError
from ops.service_names import SERVICES, service_database
from verify.bench import grpc_load
from verify.bench.child_process import run_in_child_process
from verify.bench.closed_loop import MeasurementTimes, used_cpu_s
from verify.bench.grpc_load import GrpcLoadPlan
from verify.bench.samples import LoadSample
from verify.bench.target import BenchmarkTarget

HANDLED_TIMEOUT_S: Final = 300.0
POLL_INTERVAL_S: Final = 0.25
MAILS_PER_SUBMIT: Final = 2
"""One to the student, one to the only member of the seeded company."""
_UNSENT_STATES: Final = ("QUEUED", "SENDING")


def measure_until_handled(
    field: BenchmarkTarget, plan: GrpcLoadPlan, listing_ids: Sequence[str], pace: MeasurementTimes
) -> LoadSample:
    """Send the calls of a plan for the window, and count the CPU of the stack until all is handled.

    The sample's rate is that of all handled submits within the whole time. What the stack does while it rests
    is part of the CPU.

    Raises:
        OpsError: the events are not handled within five minutes.
    """
    pids = field.process_ids(*_counted_processes(field))
    stored = _StoredEffects(field, listing_ids)
    began, cpu_before_s = time.perf_counter(), used_cpu_s(pids)
    sent = run_in_child_process(grpc_load.run_grpc_load, plan, MeasurementTimes(pace.window_s, warm_up_s=0.0))
    submitted = stored.wait_until_complete()
    used_s, elapsed_s = used_cpu_s(pids) - cpu_before_s, time.perf_counter() - began
    # Submits that were on their way when the window ended are handled, too.
    share = len(sent.latencies_s) / submitted
    return LoadSample(elapsed_s * share, used_s * share, sent.latencies_s, sent.failures)


def _counted_processes(field: BenchmarkTarget) -> list[str]:
    services = [f"{service}-{role}" for service in SERVICES for role in ("serve", "work")]
    return [*services, *field.mongods, "rabbit", "mailbox"]


class _StoredEffects:
    """The documents by which a submit's effects are seen: counted before, and waited for."""

    def __init__(self, field: BenchmarkTarget, listing_ids: Sequence[str]) -> None:
        uris = [mongo.shard_admin_uri(shard, field.credentials) for shard in field.topology.shards]
        self._clients = [MongoClient[dict[str, Any]](uri, timeoutMS=20_000) for uri in uris]
        self._of_listings = {"internship_id": {"$in": list(listing_ids)}}
        self._mails_before = self._count("notification", "deliveries", {})

    def wait_until_complete(self) -> int:
        """Return the number of submitted applications once each has all its effects.

        Raises:
            OpsError: that took more than five minutes.
        """
        ends_at = time.monotonic() + HANDLED_TIMEOUT_S
        try:
            while time.monotonic() < ends_at:
                submitted = self._count("application", "applications", self._of_listings)
                if submitted and self._are_complete(submitted):
                    return submitted
                time.sleep(POLL_INTERVAL_S)
        finally:
            for client in self._clients:
                client.close()
        raise OpsError(f"the events of the submits were not handled within {HANDLED_TIMEOUT_S:.0f} s")

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

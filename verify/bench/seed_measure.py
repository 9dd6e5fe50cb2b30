"""The measure of the bulk seeding: documents a second, on stores of its own that are removed afterwards."""

import resource
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from pymongo import MongoClient

from devstack import lifecycle, mongo, topology
from devstack.credentials import Credentials
from devstack.local_cluster import LocalCluster
from devstack.seed.seed_plan import SeedPlan, SeedRequest
from devstack.seed.seeder import seed_population
from devstack.seed.seeding import SEED_PASSWORD
from devstack.supervisor import SupervisorClient
from devstack.topology import Topology
from ops import provision
from ops.progress import StepProgress
from ops.service_names import SERVICES, service_database
from verify.bench.child_process import run_in_child_process
from verify.bench.closed_loop import MeasurementTimes
from verify.bench.process_cpu import cpu_shares, read_cpu_by_process
from verify.bench.samples import LoadSample, ProcessShare
from verify.bench.target import BenchmarkTarget

STACK_SUFFIX: Final = "-seed"
READ_TIMEOUT_MS: Final = 20_000


@dataclass(frozen=True)
class SeedingTimes:
    """What one run of seeding took: time, and CPU of the process with its children."""

    elapsed_s: float
    cpu_s: float


def measure_seeding(field: BenchmarkTarget, _pace: MeasurementTimes) -> LoadSample:
    """Measure the seeding of the usual amount of data; the window is as long as that takes."""
    with _running_stores(field.topology) as stores:
        pids = {name: state.pid for name, state in SupervisorClient(stores).states().items()}
        mongods = {process.name: pids[process.name] for process in mongo.mongod_processes(stores)}
        documents_before, before = _count_documents(stores), read_cpu_by_process(mongods)
        times = run_in_child_process(seed_stores, stores)
        shares = [
            ProcessShare("seeding", times.cpu_s),
            *cpu_shares(before, read_cpu_by_process(mongods)),
        ]
        written = _count_documents(stores) - documents_before
    return LoadSample(
        times.elapsed_s, sum(share.cpu_s for share in shares), (), shares=shares, counted=written
    )


def seed_stores(stores: Topology) -> SeedingTimes:
    """Seed the stores, in this process and children of it."""
    plan = SeedPlan.prepare(stores, SeedRequest(), SEED_PASSWORD)
    began, cpu_before_s = time.perf_counter(), _own_cpu_s()
    seed_population(plan, lambda _what, _done: None)
    return SeedingTimes(time.perf_counter() - began, _own_cpu_s() - cpu_before_s)


@contextmanager
def _running_stores(beside: Topology) -> Iterator[Topology]:
    """Run empty stores of the same shape, with all collections and indexes."""
    name = f"{beside.name}{STACK_SUFFIX}"
    if name in topology.stack_names():
        lifecycle.stop_stack(topology.find_stack(name), wipe=True)
    shape = beside.shape
    stores = topology.find_or_create_stack(name, shards=shape.shards, members=shape.members)
    try:
        lifecycle.start_stack(stores, StepProgress(), stores_only=True)
        provision.provision_collections(LocalCluster.load(stores))
        yield stores
    finally:
        lifecycle.stop_stack(stores, wipe=True)


def _count_documents(stores: Topology) -> int:
    credentials = Credentials.load_or_create(stores)
    return sum(_count_documents_at(mongo.shard_admin_uri(shard, credentials)) for shard in stores.shards)


def _count_documents_at(uri: str) -> int:
    with closing(MongoClient[dict[str, Any]](uri, timeoutMS=READ_TIMEOUT_MS)) as client:
        databases = [client[service_database(service)] for service in SERVICES]
        return sum(
            database[collection].estimated_document_count()
            for database in databases
            for collection in database.list_collection_names()
        )


def _own_cpu_s() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)

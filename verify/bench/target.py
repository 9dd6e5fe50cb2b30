"""The target of the rows: a running, seeded stack, its processes and its content."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import grpc
from pymongo import MongoClient

from devstack import mongo, redis_cluster
from devstack.credentials import Credentials
from devstack.supervisor import SupervisorClient
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from ops.errors import OpsError
from ops.options import DEFAULT_STACK
from ops.service_names import service_database
from verify.bench.echo_server import EchoServer

MAX_LISTINGS: Final = 200
LISTINGS_PAGE_SIZE: Final = 50
LIST_TIMEOUT_S: Final = 5.0
COUNTED_COLLECTIONS: Final = {
    "accounts": ("auth", "accounts"),
    "companies": ("user", "companies"),
    "listings": ("internship", "listings"),
    "applications": ("application", "applications"),
}
"""The collections whose sizes a run's report shows: by name, service and collection."""


@dataclass(frozen=True)
class BenchmarkTarget:
    """One stack under measurement, and the echo server beside it."""

    topology: Topology
    credentials: Credentials
    echo: EchoServer
    pids_by_process: dict[str, int]

    @classmethod
    def connect(cls, topology: Topology, echo: EchoServer) -> Self:
        """Return the target. Raises OpsError when the stack is not running."""
        return cls(topology, Credentials.load_or_create(topology), echo, read_running_pids(topology))

    def process_ids(self, *processes: str) -> tuple[int, ...]:
        """Return the process IDs of some of the stack's processes."""
        return tuple(self.processes(*processes).values())

    def processes(self, *names: str) -> dict[str, int]:
        """Return some of the stack's processes: their IDs by name."""
        return {name: self.pids_by_process[name] for name in names}

    @property
    def mongods(self) -> list[str]:
        """Return the names of all MongoDB processes."""
        return [process.name for process in mongo.mongod_processes(self.topology)]

    @property
    def redis_nodes(self) -> list[str]:
        """Return the names of all Redis processes."""
        return [process.name for process in redis_cluster.redis_processes(self.topology, self.credentials)]

    def grpc_address(self, service: str) -> str:
        """Return `host:port` of a service's gRPC server."""
        return f"{LOOPBACK}:{self.topology.services[service].grpc}"

    @cached_property
    def listings(self) -> tuple[pb.Internship, ...]:
        """Return up to 200 open listings, the newest first.

        Raises:
            OpsError: there are none, or the service does not answer.
        """
        with grpc.insecure_channel(self.grpc_address("internship")) as channel:
            found = tuple(_read_open_listings(InternshipServiceStub(channel)))
        if not found:
            raise OpsError(f"the stack has no open listings; {_seed_hint(self.topology)}")
        return found

    def count_documents(self) -> dict[str, int]:
        """Return the number of documents by kind."""
        return {
            what: sum(
                _count_documents(uri, service_database(service), collection) for uri in self._admin_uris()
            )
            for what, (service, collection) in COUNTED_COLLECTIONS.items()
        }

    def _admin_uris(self) -> Iterable[str]:
        return [mongo.shard_admin_uri(shard, self.credentials) for shard in self.topology.shards]


def require_seeded_stack(topology: Topology) -> None:
    """Raise OpsError when the stack was never seeded, or is not running."""
    read_running_pids(topology)
    if not topology.seeded_marker.exists():
        raise OpsError(f"the stack '{topology.name}' holds no seed data; {_seed_hint(topology)}")


def read_running_pids(topology: Topology) -> dict[str, int]:
    """Return the process IDs of the stack's processes, by name. Raises OpsError if one is not running."""
    states = SupervisorClient(topology).states()
    down = sorted(name for name, state in states.items() if not state.is_running)
    if down or not states:
        what = f"{', '.join(down)} of the stack" if down else "the stack"
        raise OpsError(f"{what} '{topology.name}' not running; start it: ic up{_stack_option(topology)}")
    return {name: state.pid for name, state in states.items()}


def _read_open_listings(stub: Any) -> Iterable[pb.Internship]:
    request = pb.ListInternshipsRequest(sort=pb.INTERNSHIP_SORT_NEWEST, page_size=LISTINGS_PAGE_SIZE)
    for _ in range(MAX_LISTINGS // LISTINGS_PAGE_SIZE):
        try:
            page = stub.ListInternships(request, timeout=LIST_TIMEOUT_S)
        except grpc.RpcError as error:
            raise OpsError(f"listing the internships failed: {error}") from error
        yield from page.data
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def _count_documents(uri: str, database: str, collection: str) -> int:
    with MongoClient[dict[str, Any]](uri, timeoutMS=5_000) as client:
        return client[database][collection].estimated_document_count()


def _seed_hint(topology: Topology) -> str:
    return f"seed it: ic seed{_stack_option(topology)}"


def _stack_option(topology: Topology) -> str:
    return "" if topology.name == DEFAULT_STACK else f" --stack {topology.name}"

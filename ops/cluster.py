"""The port between the operator's tools and an installation: its addresses and secrets.

`open_cluster` finds the local stack, which `devstack` implements, or reads a file of endpoints.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self, cast

from chassis.ids import SLOT_COUNT
from chassis.sharding.slot_map import SlotMap
from ops.errors import OpsError
from ops.progress import StepProgress

if TYPE_CHECKING:
    from chassis.store_tls import StoreTls

LOCAL: Final = "local"
_LOCAL_PREFIX: Final = f"{LOCAL}:"
_LOCAL_MODULE: Final = "devstack.local_cluster"


@dataclass(frozen=True)
class AdminLogin:
    """The administrator's user of the database `admin` on every shard; it has the role `root`."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class ClusterShard:
    """One shard; `uri` is `mongodb://hosts/?options` without a login.

    `is_managed` says that the cluster itself starts the servers and makes the shard of them.
    """

    name: str
    uri: str
    is_managed: bool = False


class Cluster(Protocol):
    """One installation: the addresses of its stores and services, and the operator's secrets for them.

    `str()` of it is the subject of error messages, such as "the stack 'dev'".
    """

    @property
    def name(self) -> str:
        """The name in tables and JSON."""

    @property
    def reference(self) -> str:
        """The reference by which `open_cluster` finds the same cluster in another process."""

    @property
    def status_hint(self) -> str:
        """The command that shows the processes, as the end of an error message; empty when there is none."""

    @property
    def shards(self) -> tuple[ClusterShard, ...]:
        """The shards in the order of the slot map; the first one holds the authoritative copy."""

    @property
    def admin_login(self) -> AdminLogin:
        """The administrator's user of every shard."""

    @property
    def amqp_url(self) -> str:
        """`amqp(s)://user:password@host:port/vhost`; a secret."""

    @property
    def tls_folder(self) -> Path | None:
        """The folder with the operator's files of mutual TLS; None where calls are plain."""

    @property
    def store_tls(self) -> "StoreTls | None":
        """The certificates for connections to stores whose addresses say TLS; None: the system's."""

    @property
    def control_plane(self) -> str:
        """`host:port` of the control plane's gRPC port."""

    @property
    def prometheus_url(self) -> str:
        """The address of the Prometheus that scrapes the cluster. Raises OpsError when none is known."""

    @property
    def services(self) -> tuple[str, ...]:
        """The services with databases and queues in the cluster."""

    def service_address(self, service: str) -> str:
        """Return `host:port` of a service's gRPC port. Raises OpsError when the cluster does not run it."""

    def service_mongo_password(self, service: str) -> str:
        """Return the password of a service's own MongoDB user."""

    def service_environment(self, service: str) -> Mapping[str, str]:
        """Return the environment variables that the settings of a service outside the mesh need."""

    def operator_key(self) -> Path:
        """Return the PEM file of the key with which the operator's tools sign their calls.

        Raises OpsError.
        """

    def first_slot_map(self) -> SlotMap:
        """Return the slot map for shards that hold none yet."""

    def require_running(self) -> None:
        """Raise OpsError when the cluster is known to be down."""

    def prepare_stores(self) -> None:
        """Make replica sets with their administrator, and the Redis Cluster, if the cluster manages them.

        Idempotent. Raises OpsError when a store does not answer.
        """

    def holder_name(self, holder: str) -> str:
        """Return the name of the process that holds a lease, `host:pid:...`; or `holder` itself."""

    def watchdog_log(self) -> Path | None:
        """Return the file that a fence watchdog writes to; None for stderr."""

    def with_shard(self, name: str, uri: str = "") -> Self:
        """Return the cluster with one more shard: the servers at `uri`, or without one its own servers.

        Raises OpsError when it cannot start servers.
        """

    def with_shard_uri(self, name: str, uri: str) -> Self:
        """Return the cluster with a shard that clients reach at another address."""

    def save(self) -> None:
        """Store the list of shards for later commands."""

    def start_shard(self, name: str, progress: StepProgress) -> None:
        """Start and initiate the servers of a shard that the cluster manages; leave any other alone."""

    def save_slot_map(self, slot_map: SlotMap) -> None:
        """Write the file from which processes read the slot map when they start."""


def open_cluster(reference: str) -> Cluster:
    """Return the cluster that `reference` names: `local`, `local:NAME` or the path of a cluster file.

    Raises:
        OpsError: there is no such stack or file, or the file is invalid.
    """
    if reference == LOCAL or reference.startswith(_LOCAL_PREFIX):
        return _open_local_cluster(reference.removeprefix(LOCAL).removeprefix(":"))
    # Imported here, as the local stack needs neither pydantic nor YAML for this.
    return cast("Cluster", importlib.import_module("ops.file_cluster").open_file_cluster(Path(reference)))


def even_slot_map(shards: Sequence[ClusterShard]) -> SlotMap:
    """Return version 1 of a slot map that gives each shard one range of equally many slots."""
    edges = [SLOT_COUNT * i // len(shards) for i in range(len(shards) + 1)]
    owners = tuple(shard.name for i, shard in enumerate(shards) for _ in range(edges[i], edges[i + 1]))
    return SlotMap(1, {shard.name: shard.uri for shard in shards}, owners)


def _open_local_cluster(stack: str) -> Cluster:
    try:
        module = importlib.import_module(_LOCAL_MODULE)
    except ModuleNotFoundError as error:
        if error.name not in (_LOCAL_MODULE, _LOCAL_MODULE.partition(".")[0]):
            raise
        raise OpsError("there is no local stack in this image; name a cluster: ic --cluster FILE") from None
    return cast("Cluster", module.open_local_cluster(stack))

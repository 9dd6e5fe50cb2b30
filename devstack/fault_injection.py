"""Injected faults: of stores by the proxy before them, of services by Envoy and gRPC themselves.

A fault is in force when `set_fault` returns, and ended when `clear_faults` does.
"""

import fcntl
import importlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from chassis.settings import MisconfiguredError
from devstack import control_plane, fault_proxy_process
from devstack.fault_proxy import model
from devstack.fault_proxy.model import StoreFault, StoreFaults
from devstack.local_cluster import LocalCluster
from devstack.topology import Topology
from devstack.topology_parts import LOOPBACK
from gateway.control_plane.watched_file import hash_file_content
from gateway.xds.mesh import Mesh, ServiceFault
from ops.errors import OpsError
from ops.service_names import SERVICES
from ops.waiting import wait_until

APPLY_TIMEOUT_S: Final = 15.0
POLL_INTERVAL_S: Final = 0.05

ActiveFaults = Mapping[str, StoreFault | ServiceFault]
"""By target: a store's process, or a service."""


def list_fault_targets(topology: Topology) -> dict[str, tuple[str, ...]]:
    """Return the targets of faults: names of services, stores' processes, and groups of these processes."""
    return list_store_targets(topology) | {service: (service,) for service in SERVICES}


def list_store_targets(topology: Topology) -> dict[str, tuple[str, ...]]:
    """Return the targets behind the proxy; none on a stack without one."""
    if not topology.faults:
        return {}
    stores = [store for store, _ in fault_proxy_process.list_stores(topology)]
    shards = [f"mongo-{shard.name}" for shard in topology.shards if shard.ports]
    groups = {name: _group_members(name, stores) for name in ("mongo", *shards, "redis")}
    return groups | {store: (store,) for store in stores}


def read_active_faults(topology: Topology) -> ActiveFaults:
    """Return every fault that is in force."""
    now = time.time()
    found: dict[str, StoreFault | ServiceFault] = {
        **_read_store_faults(topology),
        **_read_mesh(topology).faults,
    }
    return {target: fault for target, fault in found.items() if not fault.is_expired(now)}


def set_fault(topology: Topology, target: str, fault: StoreFault | ServiceFault) -> None:
    """Set the fault of a target, replacing its present one.

    Raises:
        OpsError: there is no such target, or it cannot have this fault, or a process does not apply it.
    """
    names = resolve_fault_target(topology, target)
    if isinstance(fault, ServiceFault):
        if target not in SERVICES:
            raise OpsError(f"'{target}' is a store: it can be slow, down or hang, but abort no calls")
        services = dict.fromkeys(names, fault)
        _change_service_faults(topology, lambda found: {**found, **services})
    else:
        if target in SERVICES:
            raise OpsError(f"'{target}' is a service: its calls can be delayed or aborted")
        stores = dict.fromkeys(names, fault)
        _change_store_faults(topology, lambda found: {**found, **stores})


def clear_faults(topology: Topology, target: str | None = None) -> None:
    """End the fault of a target, or all of them. Raises OpsError as `set_fault`."""
    ended = (
        set(read_active_faults(topology)) if target is None else set(resolve_fault_target(topology, target))
    )

    def without_ended(found: Mapping[str, Any]) -> dict[str, Any]:
        return {name: fault for name, fault in found.items() if name not in ended}

    if ended - set(SERVICES):
        _change_store_faults(topology, without_ended)
    if ended & set(SERVICES):
        _change_service_faults(topology, without_ended)


def resolve_fault_target(topology: Topology, target: str) -> tuple[str, ...]:
    """Return the stores that a name stands for, or the service of that name.

    Raises:
        OpsError: there is none; the message lists the names.
    """
    known = list_fault_targets(topology)
    if target in known:
        return known[target]
    if target in list_store_targets(topology.model_copy(update={"faults": True})):
        raise OpsError(
            f"the stack '{topology.name}' has no proxy before its stores; "
            "start one that has: ic up --stack NAME --faults"
        )
    raise OpsError(f"there is no '{target}' that could have a fault; there are: {', '.join(known)}")


def _group_members(group: str, stores: list[str]) -> tuple[str, ...]:
    return tuple(store for store in stores if store == group or store.startswith(f"{group}-"))


def _change_store_faults(topology: Topology, change: Callable[[StoreFaults], StoreFaults]) -> None:
    with _lock_fault_files(topology):
        content = model.render_store_faults(change(_without_expired(_read_store_faults(topology))))
        _replace_file(topology.store_faults_file, content)
    _wait_until_applied(
        topology.fault_proxy_ops,
        "fault_proxy_file_info",
        topology.store_faults_file,
        fault_proxy_process.FAULT_PROXY_PROCESS,
    )


def _change_service_faults(
    topology: Topology, change: Callable[[Mapping[str, ServiceFault]], Mapping[str, ServiceFault]]
) -> None:
    with _lock_fault_files(topology):
        mesh = yaml.safe_load(topology.mesh_file.read_bytes())
        faults = change(_without_expired(_read_mesh(topology).faults))
        mesh["faults"] = {name: fault.model_dump(exclude_none=True) for name, fault in faults.items()}
        content = control_plane.render_mesh_file(
            {name: part for name, part in mesh.items() if part != {}}
        ).encode()
        _replace_file(topology.mesh_file, content)
    _wait_until_applied(
        topology.control_plane.ops, "xds_mesh_info", topology.mesh_file, control_plane.CONTROL_PLANE_PROCESS
    )
    _wait_until_confirmed(topology)


def _without_expired(found: Mapping[str, Any]) -> dict[str, Any]:
    now = time.time()
    return {name: fault for name, fault in found.items() if not fault.is_expired(now)}


def _read_store_faults(topology: Topology) -> StoreFaults:
    path = topology.store_faults_file
    return model.parse_store_faults(path.read_bytes()) if topology.faults and path.exists() else {}


def _read_mesh(topology: Topology) -> Mesh:
    try:
        return Mesh.parse(topology.mesh_file.read_bytes())
    except (OSError, MisconfiguredError) as error:
        raise OpsError(f"{topology.mesh_file} cannot be read: {error}; write it again: ic up") from error


@contextmanager
def _lock_fault_files(topology: Topology) -> Iterator[None]:
    """Lock the files of faults, as concurrent changes of a file would undo each other."""
    with (topology.run_folder / "faults.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace_file(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _wait_until_applied(ops_port: int, metric: str, file: Path, process: str) -> None:
    """Wait until the process reports in a metric that it uses the present version of its file.

    The present version counts: others may change the file at the same time, and keep the rest of it.
    """
    url = f"http://{LOOPBACK}:{ops_port}/metrics"

    def is_obeyed() -> bool:
        wanted = f'{metric}{{digest="{hash_file_content(file.read_bytes())}"}} 1.0'
        try:
            return wanted in httpx.get(url, timeout=2.0, trust_env=False).text
        except httpx.TransportError:
            return False

    _require_in_time(is_obeyed, lambda: f"{process} does not take the fault over; see: ic logs {process}")


def _wait_until_confirmed(topology: Topology) -> None:
    """Wait until every node of the mesh has confirmed the control plane's configuration."""
    mesh_status = importlib.import_module("ops.mesh_status")  # Envoy's API takes a while to load.

    def behind() -> list[str]:
        nodes = mesh_status.fetch_mesh_status(LocalCluster.load(topology))
        return [node.node for node in nodes if any(kind.state != "SYNCED" for kind in node.kinds)]

    _require_in_time(
        lambda: not behind(), lambda: f"the fault has not reached {', '.join(behind())}; see: ic mesh"
    )


def _require_in_time(look: Callable[[], bool], complaint: Callable[[], str]) -> None:
    if not wait_until(look, timeout_s=APPLY_TIMEOUT_S, interval_s=POLL_INTERVAL_S):
        raise OpsError(complaint())

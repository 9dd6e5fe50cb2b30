"""The configuration of the processes of each region."""

import json
from pathlib import Path

import pytest
import yaml

from devstack import control_plane, edge_config, topology
from devstack.control_plane import SERVICE_ROLES
from devstack.process import StackProcess
from devstack.stack import Stack
from devstack.topology import Topology
from gateway.xds.mesh import Mesh
from ops.service_names import SERVICES


@pytest.fixture
def wide(state_dir: Path) -> Topology:
    found = topology.find_or_create_stack("wide", regions=2, tls=True)
    found.etc_folder.mkdir(parents=True)
    return found


def _region_told(process: StackProcess) -> str:
    bootstrap = json.loads(Path(process.environment["IC_XDS_BOOTSTRAP"]).read_text())
    assert bootstrap["node"]["id"] == process.name
    region: str = bootstrap["node"]["locality"]["region"]
    assert process.environment["IC_REGION"] == region
    return region


def test_each_service_runs_in_both_roles_in_each_region_and_knows_which_it_is(wide: Topology) -> None:
    control_plane.write_mesh_files(wide)
    stack = Stack.assemble(wide)
    for region, suffix in zip(wide.regions, ("", "-2"), strict=True):
        processes = stack.services_of(region)
        expected = [f"{service}-{role}{suffix}" for service in SERVICES for role in SERVICE_ROLES]
        assert [process.name for process in processes] == expected
        assert {_region_told(process) for process in processes} == {region.name}


def test_a_process_listens_and_finds_its_peers_in_its_own_region(wide: Topology) -> None:
    second = wide.regions[1]
    process = Stack.assemble(wide).find_process("user-serve-2")
    assert process.ports == {"grpc": second.services["user"].grpc, "ops": second.services["user"].serve_ops}
    peers = json.loads(process.environment["IC_PEERS"])
    assert peers["auth"] == f"127.0.0.1:{second.services['auth'].grpc}"


def test_no_two_processes_have_a_name_or_a_port_in_common(wide: Topology) -> None:
    processes = Stack.assemble(wide).processes
    names = [process.name for process in processes]
    ports = [port for process in processes for port in process.ports.values()]
    assert len(set(names)) == len(names)
    assert len(set(ports)) == len(ports)


def test_the_mesh_file_lists_the_regions_and_where_the_second_ones_gateway_listens(wide: Topology) -> None:
    control_plane.write_mesh_files(wide)
    mesh = Mesh.parse(wide.mesh_file.read_bytes())
    assert mesh.regions == ("region-1", "region-2")
    assert mesh.gateway.listen == {"region-2": f"127.0.0.1:{wide.regions[1].gateway}"}
    assert mesh.gateway.tls is not None
    assert mesh.gateway.tls.key.exists()


def test_each_envoy_is_a_node_of_its_region(wide: Topology) -> None:
    edge_config.write_gateway_files(wide)
    nodes = [
        json.loads((wide.etc_folder / name).read_text())["node"] for name in ("envoy.json", "envoy-2.json")
    ]
    assert [(node["id"], node["locality"]["region"]) for node in nodes] == [
        ("gateway", "region-1"),
        ("gateway-2", "region-2"),
    ]


def test_a_stack_of_one_region_is_called_local_and_says_nothing_of_others(stack: Topology) -> None:
    stack.etc_folder.mkdir(parents=True)
    control_plane.write_mesh_files(stack)
    written = yaml.safe_load(stack.mesh_file.read_text())
    assert written["regions"] == ["local"]
    assert "tls" not in written["gateway"]
    assert Stack.assemble(stack).find_process("user-serve").environment["IC_REGION"] == "local"

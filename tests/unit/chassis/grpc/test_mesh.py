"""A process as a member of the mesh."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import orjson
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from chassis.grpc.client import DEFAULT_CLIENT_POLICY, PeerChannel, Peers
from chassis.grpc.mesh import MeshMembership, mesh_checks

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class EmptyIdentity:
    def token(self) -> str:
        return ""


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRPC_XDS_BOOTSTRAP", "")
    return _write(tmp_path / "xds.json", 1)


def _write(path: Path, port: int) -> Path:
    content = {"xds_servers": [{"server_uri": f"127.0.0.1:{port}"}], "node": {"id": "x"}}
    path.write_bytes(orjson.dumps(content))
    return path


@pytest.fixture
async def plane() -> AsyncIterator[tuple[health_aio.HealthServicer, int]]:
    health, server = health_aio.HealthServicer(), grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield health, port
    await server.stop(0)


def test_grpc_gets_the_bootstrap_to_use(bootstrap: Path) -> None:
    MeshMembership(bootstrap)
    assert os.environ["GRPC_XDS_BOOTSTRAP"] == str(bootstrap)


def test_processes_that_share_a_bootstrap_have_names_of_their_own(
    bootstrap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRPC_XDS_BOOTSTRAP_CONFIG", "")
    MeshMembership(bootstrap, "user-serve-7d9f-x2x4z")
    assert "GRPC_XDS_BOOTSTRAP" not in os.environ
    given = orjson.loads(os.environ["GRPC_XDS_BOOTSTRAP_CONFIG"])
    assert given == orjson.loads(bootstrap.read_bytes()) | {"node": {"id": "user-serve-7d9f-x2x4z"}}


def test_a_file_that_is_no_bootstrap_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text("{}")
    with pytest.raises(ValueError, match=r"odd\.json is no xDS bootstrap"):
        MeshMembership(tmp_path / "odd.json")


async def test_a_process_waits_for_the_control_plane_and_says_so(bootstrap: Path) -> None:
    with pytest.raises(ConnectionError, match=r"waits for the control plane at 127\.0\.0\.1:1"):
        await MeshMembership(bootstrap).check()


async def test_a_control_plane_without_snapshots_is_waited_for(
    bootstrap: Path, plane: tuple[health_aio.HealthServicer, int]
) -> None:
    health, port = plane
    await health.set("", NOT_SERVING)
    membership = MeshMembership(_write(bootstrap, port))
    with pytest.raises(ConnectionError, match="knows nothing yet"):
        await membership.check()
    await health.set("", SERVING)
    await membership.check()


async def test_after_its_first_answer_a_process_is_ready_without_the_control_plane(
    bootstrap: Path, plane: tuple[health_aio.HealthServicer, int]
) -> None:
    health, port = plane
    await health.set("", SERVING)
    membership = MeshMembership(_write(bootstrap, port))
    await membership.check()
    await health.set("", NOT_SERVING)
    await membership.check()


async def test_in_a_mesh_grpc_repeats_calls_and_the_chassis_does_not(bootstrap: Path) -> None:
    within, without = (
        Peers({}, EmptyIdentity(), MeshMembership(bootstrap)),
        Peers({"user": "127.0.0.1:1"}, EmptyIdentity()),
    )
    assert _attempts(within) == 1
    assert _attempts(without) == DEFAULT_CLIENT_POLICY.max_attempts
    assert [check.name for check in mesh_checks(within)] == ["control plane"]
    assert mesh_checks(without) == []
    await within.close()
    await without.close()


def _attempts(peers: Peers) -> int:
    channel: object = peers.channel("user")
    assert isinstance(channel, PeerChannel)
    return channel.policy.max_attempts

"""Membership in the mesh: the process's channels get their endpoints from a control plane over xDS."""

import os
from pathlib import Path
from typing import Any, Final, Protocol

import grpc
import orjson
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.readiness import ReadinessCheck
from chassis.security.mutual_tls import NAME_OVERRIDE_OPTION, MutualTls

_HEALTH_CHECK_TIMEOUT_S: Final = 0.8
CONTROL_PLANE_NAME: Final = "control-plane"
"""The name in the certificate of the control plane."""


class MeshMembership:
    """The membership of a process, by a bootstrap file in gRPC's format.

    Every xDS channel of the process uses that file, since gRPC reads it from the environment. `node_id` is
    who the process is, in place of the node in a file that several processes share.
    """

    def __init__(self, bootstrap: Path, node_id: str = "", tls: MutualTls | None = None) -> None:
        """Raise ValueError when the file is not a bootstrap."""
        self._tls = tls
        self._server = _read_control_plane_address(bootstrap)
        if node_id:
            os.environ.pop("GRPC_XDS_BOOTSTRAP", None)
            os.environ["GRPC_XDS_BOOTSTRAP_CONFIG"] = _name_node(bootstrap, node_id)
        else:
            os.environ["GRPC_XDS_BOOTSTRAP"] = str(bootstrap)
        self._has_answered = False

    def target_of(self, service: str) -> str:
        """Return the gRPC target of a service."""
        return f"xds:///{service}"

    def _control_plane_channel(self) -> grpc.aio.Channel:
        if self._tls is None:
            return grpc.aio.insecure_channel(self._server)
        return grpc.aio.secure_channel(
            self._server,
            self._tls.channel_credentials(),
            options=((NAME_OVERRIDE_OPTION, CONTROL_PLANE_NAME),),
        )

    async def check(self) -> None:
        """Raise ConnectionError until the control plane has sent its first resources.

        After that the process continues with the resources of its channels, with or without the control
        plane.
        """
        if self._has_answered:
            return
        async with self._control_plane_channel() as channel:
            await _check_control_plane(channel, self._server)
        self._has_answered = True


class _MeshMember(Protocol):
    mesh: MeshMembership | None


def mesh_checks(peers: _MeshMember) -> list[ReadinessCheck]:
    """Return the check of a process that is in a mesh; none for one that is not."""
    return [ReadinessCheck("control plane", peers.mesh.check, "control plane")] if peers.mesh else []


async def _check_control_plane(channel: grpc.aio.Channel, server: str) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_CHECK_TIMEOUT_S)
    except grpc.aio.AioRpcError as error:
        raise ConnectionError(f"waits for the control plane at {server}: {error.code().name}") from None
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise ConnectionError(f"waits for the control plane at {server}: it knows nothing yet")


def _name_node(bootstrap: Path, node_id: str) -> str:
    content: Any = orjson.loads(bootstrap.read_bytes())
    return orjson.dumps({**content, "node": {**content.get("node", {}), "id": node_id}}).decode()


def _read_control_plane_address(bootstrap: Path) -> str:
    try:
        found: Any = orjson.loads(bootstrap.read_bytes())
        return str(found["xds_servers"][0]["server_uri"])
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{bootstrap} is no xDS bootstrap: {error!r}") from None

"""The gRPC server of the control plane."""

from typing import Final

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc
from envoy.service.status.v3 import csds_pb2_grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from gateway.control_plane.ads import AggregatedDiscoveryServicer
from gateway.control_plane.csds import ClientStatusServicer
from gateway.control_plane.snapshot_cache import SnapshotCache

_SERVER_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 2 * 1024 * 1024),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_concurrent_streams", 1_000),
    ("grpc.so_reuseport", 0),
    # A node that vanished without a word is noticed, and nodes may look whether we are there.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)


def build_xds_server(hub: SnapshotCache, health: health_aio.HealthServicer | None = None) -> grpc.aio.Server:
    """A server, not started and without a port, that serves the snapshots of a hub."""
    server = grpc.aio.server(options=_SERVER_OPTIONS)
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(AggregatedDiscoveryServicer(hub), server)
    csds_pb2_grpc.add_ClientStatusDiscoveryServiceServicer_to_server(ClientStatusServicer(hub), server)
    if health is not None:
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
    return server

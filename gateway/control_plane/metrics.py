"""Every metric of the control plane. Labels come from the mesh file and from code, never from a node."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from chassis.observability.metrics import LazyCounter, LazyGauge

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_TYPE: Final = ("node_group", "type")

streams_open = Gauge("xds_streams", "Streams of connected nodes.", ("node_group",))
responses_sent = Counter("xds_pushes_total", "Responses sent.", _TYPE)
acks = Counter("xds_acks_total", "Responses acknowledged (ACK).", _TYPE)
nacks = Counter("xds_nacks_total", "Responses rejected (NACK).", _TYPE)
pushes_merged = Counter(
    "xds_pushes_merged_total", "Changes that waited, because the node just had some.", ("node_group",)
)
change_to_ack_seconds = Histogram(
    "xds_change_to_ack_seconds", "From a change to its acknowledgement by a node.", _TYPE, buckets=_SECONDS
)
snapshot_info = Gauge(
    "xds_snapshot_info",
    "1 for the version that is served now.",
    ("node_group", "region", "type", "version"),
)
mesh_info = Gauge("xds_mesh_info", "1 for the version of the mesh file that is served now.", ("digest",))
build_errors = LazyCounter(
    "xds_build_errors_total", "Snapshots that could not be built or were inconsistent."
)
build_seconds = Histogram("xds_build_seconds", "Building all snapshots after a change.", buckets=_SECONDS)
reload_errors = Counter("xds_reload_errors_total", "Changed files that were rejected.", ("file",))
source_errors = Counter("xds_source_errors_total", "Look-ups of endpoints that failed.", ("source",))
kubernetes_lists = LazyCounter(
    "xds_kubernetes_lists_total", "Lists of all EndpointSlices; more than a few a day are a sign of trouble."
)
kubernetes_watch_connected = LazyGauge(
    "xds_kubernetes_watch_connected", "1 while the Kubernetes API sends changes of EndpointSlices."
)
endpoints = Gauge("xds_endpoints", "Endpoints that calls are sent to.", ("service", "region"))

"""Type URLs of the Envoy extensions that the gateway uses, named once."""

from typing import Any, Final

_PREFIX: Final = "type.googleapis.com/envoy.extensions."

HTTP_CONNECTION_MANAGER: Final = _PREFIX + "filters.network.http_connection_manager.v3.HttpConnectionManager"
HEALTH_CHECK: Final = _PREFIX + "filters.http.health_check.v3.HealthCheck"
BUFFER: Final = _PREFIX + "filters.http.buffer.v3.Buffer"
LUA: Final = _PREFIX + "filters.http.lua.v3.Lua"
TRANSCODER: Final = _PREFIX + "filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"
ROUTER: Final = _PREFIX + "filters.http.router.v3.Router"
UPSTREAM_HTTP: Final = _PREFIX + "upstreams.http.v3.HttpProtocolOptions"
STDOUT_LOG: Final = _PREFIX + "access_loggers.stream.v3.StdoutAccessLog"
DOWNSTREAM_CONNECTIONS: Final = (
    _PREFIX + "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
)
OPENTELEMETRY: Final = "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig"


def extension(name: str, type_url: str, **fields: Any) -> dict[str, Any]:
    """An extension's entry in a configuration: its name and its typed settings."""
    return {"name": name, "typed_config": {"@type": type_url, **fields}}


def address(host: str, port: int) -> dict[str, Any]:
    """A socket address."""
    return {"socket_address": {"address": host, "port_value": port}}

"""The Envoy extensions that the gateway uses, named once, and dictionaries made into checked messages.

Importing a type makes it known: messages packed inside a message are checked as well.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import FilterConfig
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.config.trace.v3.opentelemetry_pb2 import OpenTelemetryConfig
from envoy.extensions.access_loggers.grpc.v3.als_pb2 import HttpGrpcAccessLogConfig
from envoy.extensions.access_loggers.stats.v3.stats_pb2 import Config as StatsAccessLog
from envoy.extensions.access_loggers.stream.v3.stream_pb2 import StdoutAccessLog
from envoy.extensions.bootstrap.internal_listener.v3.internal_listener_pb2 import InternalListener
from envoy.extensions.compression.brotli.compressor.v3.brotli_pb2 import Brotli
from envoy.extensions.compression.gzip.compressor.v3.gzip_pb2 import Gzip
from envoy.extensions.filters.http.buffer.v3.buffer_pb2 import Buffer, BufferPerRoute
from envoy.extensions.filters.http.cache_v2.v3.cache_pb2 import CacheV2Config
from envoy.extensions.filters.http.compressor.v3.compressor_pb2 import Compressor
from envoy.extensions.filters.http.cors.v3.cors_pb2 import Cors, CorsPolicy
from envoy.extensions.filters.http.ext_authz.v3.ext_authz_pb2 import ExtAuthz
from envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from envoy.extensions.filters.http.grpc_json_transcoder.v3.transcoder_pb2 import GrpcJsonTranscoder
from envoy.extensions.filters.http.grpc_web.v3.grpc_web_pb2 import GrpcWeb
from envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import (
    HeaderMutation,
    HeaderMutationPerRoute,
)
from envoy.extensions.filters.http.health_check.v3.health_check_pb2 import HealthCheck
from envoy.extensions.filters.http.jwt_authn.v3.config_pb2 import JwtAuthentication
from envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua, LuaPerRoute
from envoy.extensions.filters.http.ratelimit.v3.rate_limit_pb2 import RateLimit
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from envoy.extensions.http.cache_v2.simple_http_cache.v3.config_pb2 import SimpleHttpCacheV2Config
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import (
    header_mutation_pb2 as early_header_mutation_pb2,
)
from envoy.extensions.resource_monitors.downstream_connections.v3.downstream_connections_pb2 import (
    DownstreamConnectionsConfig,
)
from envoy.extensions.resource_monitors.fixed_heap.v3.fixed_heap_pb2 import FixedHeapConfig
from envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config_pb2 import (
    PreviousPrioritiesConfig,
)
from envoy.extensions.transport_sockets.internal_upstream.v3.internal_upstream_pb2 import (
    InternalUpstreamTransport,
)
from envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2 import RawBuffer
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext, UpstreamTlsContext
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

__all__ = [
    "Bootstrap",
    "Cluster",
    "ClusterLoadAssignment",
    "Listener",
    "RouteConfiguration",
    "Secret",
    "parse_message",
]

M = TypeVar("M", bound=Message)


def _type_url(message: Any) -> str:
    return f"type.googleapis.com/{message.DESCRIPTOR.full_name}"


HTTP_CONNECTION_MANAGER: Final = _type_url(HttpConnectionManager)
HEADER_MUTATION: Final = _type_url(HeaderMutation)
HEADER_MUTATION_PER_ROUTE: Final = _type_url(HeaderMutationPerRoute)
HEALTH_CHECK: Final = _type_url(HealthCheck)
BUFFER: Final = _type_url(Buffer)
BUFFER_PER_ROUTE: Final = _type_url(BufferPerRoute)
FAULT: Final = _type_url(HTTPFault)
LUA: Final = _type_url(Lua)
LUA_PER_ROUTE: Final = _type_url(LuaPerRoute)
EARLY_HEADER_MUTATION: Final = _type_url(early_header_mutation_pb2.HeaderMutation)
TRANSCODER: Final = _type_url(GrpcJsonTranscoder)
ROUTER: Final = _type_url(Router)
UPSTREAM_HTTP: Final = _type_url(HttpProtocolOptions)
STDOUT_LOG: Final = _type_url(StdoutAccessLog)
STATS_LOG: Final = _type_url(StatsAccessLog)
GRPC_LOG: Final = _type_url(HttpGrpcAccessLogConfig)
DOWNSTREAM_CONNECTIONS: Final = _type_url(DownstreamConnectionsConfig)
OPENTELEMETRY: Final = _type_url(OpenTelemetryConfig)
JWT: Final = _type_url(JwtAuthentication)
EXTERNAL_AUTHORIZATION: Final = _type_url(ExtAuthz)
CORS: Final = _type_url(Cors)
CORS_POLICY: Final = _type_url(CorsPolicy)
COMPRESSOR: Final = _type_url(Compressor)
GZIP: Final = _type_url(Gzip)
BROTLI: Final = _type_url(Brotli)
GRPC_WEB: Final = _type_url(GrpcWeb)
RATE_LIMIT: Final = _type_url(RateLimit)
CACHE: Final = _type_url(CacheV2Config)
MEMORY_CACHE: Final = _type_url(SimpleHttpCacheV2Config)
FILTER_CONFIG: Final = _type_url(FilterConfig)
FIXED_HEAP: Final = _type_url(FixedHeapConfig)
INTERNAL_LISTENERS: Final = _type_url(InternalListener)
INTERNAL_UPSTREAM: Final = _type_url(InternalUpstreamTransport)
PREVIOUS_PRIORITIES: Final = _type_url(PreviousPrioritiesConfig)
RAW_BUFFER: Final = _type_url(RawBuffer)
DOWNSTREAM_TLS: Final = _type_url(DownstreamTlsContext)
UPSTREAM_TLS: Final = _type_url(UpstreamTlsContext)
SECRET: Final = _type_url(Secret)


def typed_extension(name: str, type_url: str, **fields: Any) -> dict[str, Any]:
    """Return an extension's entry in a configuration: its name and its typed settings."""
    return {"name": name, "typed_config": {"@type": type_url, **fields}}


def socket_address(host: str, port: int) -> dict[str, Any]:
    """Return a socket address."""
    return {"socket_address": {"address": host, "port_value": port}}


def parse_message(fields: Mapping[str, Any], kind: type[M]) -> M:
    """Return the message that a dictionary stands for. Raises json_format.ParseError for an unknown field."""
    return ParseDict(dict(fields), kind())

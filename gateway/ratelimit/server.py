"""The process's work: the gRPC server and its background tasks."""

import contextlib
from typing import Any, Final

import grpc
from envoy.service.ratelimit.v3 import rls_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection
from redis.asyncio.cluster import RedisCluster

from chassis.readiness import ReadinessCheck
from chassis.redis.nodes import StoreUnavailableError
from chassis.roles.background_tasks import BackgroundTasks
from gateway.ratelimit.api import RateLimitServicer
from gateway.ratelimit.redis_counter_store import RedisCounterStore
from gateway.ratelimit.settings import RateLimitSettings
from gateway.ratelimit.view_log import ACCESS_LOG_SERVICE, ViewLogServicer
from gateway.ratelimit.watched_rules import WatchedRules

RATE_LIMIT_SERVICE: Final = rls_pb2.DESCRIPTOR.services_by_name["RateLimitService"].full_name
HEALTH_SERVICE: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
MAX_CONCURRENT_CALLS: Final = 2_000
MAX_REQUEST_BYTES: Final = 1024 * 1024
_SERVER_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    ("grpc.max_metadata_size", 16 * 1024),
    # A port that is taken is an error; otherwise two processes would share it unnoticed.
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)


class RateLimitProcess:
    """Answers Envoy, and follows the folder of limits."""

    def __init__(
        self,
        api: RateLimitServicer,
        rules: WatchedRules,
        counters: RedisCounterStore,
        redis: RedisCluster,
        settings: RateLimitSettings,
        *,
        views: ViewLogServicer,
    ) -> None:
        self._rules = rules
        self._counters = counters
        self._redis = redis
        self._address = f"{settings.listen_host}:{settings.grpc_port}"
        self._tasks = BackgroundTasks()
        self._health = health_aio.HealthServicer()
        self._server = build_rate_limit_server(api, self._health, views)

    def checks(self) -> list[ReadinessCheck]:
        """Return no check: without Redis, or with invalid new limits, the service is only degraded."""
        return [ReadinessCheck("redis", self._check_redis), ReadinessCheck("limits", self._rules.check_valid)]

    async def start(self) -> None:
        with contextlib.suppress(StoreUnavailableError):
            await self._counters.connect()
        try:
            self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._address}: {error}") from error
        self._tasks.keep_running("limits", self._rules.watch_forever)
        await self._server.start()
        for name in ("", RATE_LIMIT_SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_s: float) -> None:
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)
        await self._tasks.cancel()

    async def _check_redis(self) -> None:
        await self._redis.ping(target_nodes=RedisCluster.PRIMARIES)


def build_rate_limit_server(
    api: RateLimitServicer, health: health_aio.HealthServicer, views: ViewLogServicer | None = None
) -> grpc.aio.Server:
    """Return a server, without a port yet, for rate limits, the log of views, health and reflection.

    The rate limit service gets requests as bytes, since gRPC would answer unreadable ones with INTERNAL.
    """
    server = grpc.aio.server(options=_SERVER_OPTIONS, maximum_concurrent_rpcs=MAX_CONCURRENT_CALLS)
    method: Any = grpc.unary_unary_rpc_method_handler(api.ShouldRateLimit)
    handler = grpc.method_handlers_generic_handler(RATE_LIMIT_SERVICE, {"ShouldRateLimit": method})
    server.add_generic_rpc_handlers((handler,))
    if views is not None:
        stream: Any = grpc.stream_unary_rpc_method_handler(views.StreamAccessLogs)
        logs = grpc.method_handlers_generic_handler(ACCESS_LOG_SERVICE, {"StreamAccessLogs": stream})
        server.add_generic_rpc_handlers((logs,))
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection((RATE_LIMIT_SERVICE, HEALTH_SERVICE, reflection.SERVICE_NAME), server)
    return server

"""The process's work: the gRPC server, with what it needs in the background."""

import contextlib
from typing import Any, Final

import grpc
from envoy.service.ratelimit.v3 import rls_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection
from redis.asyncio.cluster import RedisCluster

from chassis.readiness import Check
from chassis.roles.role import Tasks
from gateway.ratelimit.api import RateLimitApi
from gateway.ratelimit.settings import Settings
from gateway.ratelimit.store import RedisCounters, StoreDownError
from gateway.ratelimit.views import SERVICE as VIEWS_SERVICE
from gateway.ratelimit.views import ViewsLog
from gateway.ratelimit.watch import Watched

SERVICE: Final = rls_pb2.DESCRIPTOR.services_by_name["RateLimitService"].full_name
HEALTH: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
MOST_AT_ONCE: Final = 2_000
LARGEST_REQUEST_BYTES: Final = 1024 * 1024
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", LARGEST_REQUEST_BYTES),
    ("grpc.max_metadata_size", 16 * 1024),
    # A port that is taken is an error; without this two processes would share it unnoticed.
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)


class RateLimitWork:
    """Answers Envoy, and follows the folder of limits."""

    def __init__(
        self,
        api: RateLimitApi,
        watched: Watched,
        counters: RedisCounters,
        redis: RedisCluster,
        settings: Settings,
        *,
        views: ViewsLog,
    ) -> None:
        self._watched = watched
        self._counters = counters
        self._redis = redis
        self._address = f"{settings.listen_host}:{settings.grpc_port}"
        self._tasks = Tasks()
        self._health = health_aio.HealthServicer()
        self._server = build_server(api, self._health, views)

    def checks(self) -> list[Check]:
        """Nothing has to answer: without Redis, or with wrong new limits, the service is degraded only."""
        return [Check("redis", self._ask_redis), Check("limits", self._watched.check)]

    async def start(self) -> None:
        with contextlib.suppress(StoreDownError):
            await self._counters.contact()
        try:
            self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._address}: {error}") from error
        self._tasks.keep("limits", self._watched.run)
        await self._server.start()
        for name in ("", SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_s: float) -> None:
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)
        await self._tasks.cancel()

    async def _ask_redis(self) -> None:
        await self._redis.ping(target_nodes=RedisCluster.PRIMARIES)


def build_server(
    api: RateLimitApi, health: health_aio.HealthServicer, views: ViewsLog | None = None
) -> grpc.aio.Server:
    """A server for the rate limit service, the log of views, health and reflection, that listens nowhere yet.

    The rate limit service gets messages unread, since gRPC would answer unreadable ones with INTERNAL.
    """
    server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=MOST_AT_ONCE)
    method: Any = grpc.unary_unary_rpc_method_handler(api.ShouldRateLimit)
    handler = grpc.method_handlers_generic_handler(SERVICE, {"ShouldRateLimit": method})
    server.add_generic_rpc_handlers((handler,))
    if views is not None:
        stream: Any = grpc.stream_unary_rpc_method_handler(views.StreamAccessLogs)
        logs = grpc.method_handlers_generic_handler(VIEWS_SERVICE, {"StreamAccessLogs": stream})
        server.add_generic_rpc_handlers((logs,))
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection((SERVICE, HEALTH, reflection.SERVICE_NAME), server)
    return server

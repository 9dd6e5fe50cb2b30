"""The process's work: the gRPC server and its background tasks."""

import contextlib
from typing import Any, Final

import grpc
from envoy.service.ratelimit.v3 import rls_pb2
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from chassis.grpc.engine.engines import DEFAULT_ENGINE, EngineName, build_engine
from chassis.grpc.engine.health import HEALTH_SERVICE_NAME, health_methods
from chassis.grpc.engine.server_engine import EngineMethod, EnginePolicy, ServerEngine, StatusAnswer
from chassis.readiness import ReadinessCheck
from chassis.redis import RedisCluster
from chassis.redis.nodes import StoreUnavailableError
from chassis.roles.background_tasks import BackgroundTasks
from chassis.security.mutual_tls import MutualTls
from gateway.ratelimit.api import QuotaServicer, RateLimitServicer
from gateway.ratelimit.quota_messages import QUOTA_METHOD
from gateway.ratelimit.redis_counter_store import RedisCounterStore
from gateway.ratelimit.settings import RateLimitSettings
from gateway.ratelimit.view_log import ACCESS_LOG_SERVICE, ViewLogServicer
from gateway.ratelimit.watched_rules import WatchedRules

RATE_LIMIT_SERVICE: Final = rls_pb2.DESCRIPTOR.services_by_name["RateLimitService"].full_name

MAX_CONCURRENT_CALLS: Final = 2_000
MAX_REQUEST_BYTES: Final = 1024 * 1024
_ENGINE_POLICY: Final = EnginePolicy(
    max_message_bytes=MAX_REQUEST_BYTES,
    max_metadata_bytes=16 * 1024,
    refuse_pending_call=lambda: StatusAnswer(grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many calls."),
    max_pending_calls=MAX_CONCURRENT_CALLS,
    max_concurrent_calls=MAX_CONCURRENT_CALLS,
    max_calls_per_connection=MAX_CONCURRENT_CALLS,
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
        quotas: QuotaServicer,
        views: ViewLogServicer,
    ) -> None:
        self._rules = rules
        self._counters = counters
        self._redis = redis
        self._address = f"{settings.listen_host}:{settings.grpc_port}"
        self._tls = MutualTls.open(settings.tls_folder)
        self._tasks = BackgroundTasks()
        self._health = health_aio.HealthServicer()
        self._engine = build_rate_limit_engine(api, quotas, self._health, views, settings.server_engine)

    def checks(self) -> list[ReadinessCheck]:
        """Return no check: without Redis, or with invalid new limits, the service is only degraded."""
        return [ReadinessCheck("redis", self._check_redis), ReadinessCheck("limits", self._rules.check_valid)]

    async def start(self) -> None:
        with contextlib.suppress(StoreUnavailableError):
            await self._counters.connect()
        self._engine.listen(self._address, self._tls)
        self._tasks.keep_running("limits", self._rules.watch_forever)
        await self._engine.start()
        for name in ("", RATE_LIMIT_SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_s: float) -> None:
        await self._health.enter_graceful_shutdown()
        await self._engine.stop(grace_s)
        await self._tasks.cancel()

    async def _check_redis(self) -> None:
        await self._redis.ping(target_nodes=RedisCluster.PRIMARIES)


def build_rate_limit_engine(
    api: RateLimitServicer,
    quotas: QuotaServicer,
    health: health_aio.HealthServicer,
    views: ViewLogServicer,
    engine_name: EngineName = DEFAULT_ENGINE,
) -> ServerEngine:
    """Return an engine that does not listen yet, for limits, quotas, the log of views, health and reflection.

    The rate limit service gets requests as bytes, since gRPC would answer unreadable ones with INTERNAL.
    """
    engine = build_engine(engine_name, _ENGINE_POLICY)
    limit = EngineMethod(
        f"/{RATE_LIMIT_SERVICE}/ShouldRateLimit", is_streaming=False, handler=api.ShouldRateLimit
    )
    assign = EngineMethod(QUOTA_METHOD, is_streaming=False, handler=quotas.AssignQuotas)
    engine.add_methods((limit, assign, *health_methods(health)))
    stream: Any = grpc.stream_unary_rpc_method_handler(views.StreamAccessLogs)
    logs = grpc.method_handlers_generic_handler(ACCESS_LOG_SERVICE, {"StreamAccessLogs": stream})
    engine.grpcio_server.add_generic_rpc_handlers((logs,))
    reflection.enable_server_reflection(
        (RATE_LIMIT_SERVICE, HEALTH_SERVICE_NAME, reflection.SERVICE_NAME), engine.grpcio_server
    )
    return engine

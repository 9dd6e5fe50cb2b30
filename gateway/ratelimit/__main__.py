"""Starts the rate limit service: `python -m gateway.ratelimit`."""

from contextlib import AsyncExitStack

from chassis.clock import SystemClock
from chassis.process import close_on_exit, run_process
from chassis.redis.client import open_redis
from chassis.redis.unique_readers import UniqueReaderCounter
from chassis.store_tls import StoreTls
from gateway.ratelimit.api import QuotaServicer, RateLimitServicer
from gateway.ratelimit.limiter import RateLimiter
from gateway.ratelimit.local_cache import LocalRefusalCache
from gateway.ratelimit.quotas import QuotaAssigner
from gateway.ratelimit.redis_counter_store import RedisCounterStore
from gateway.ratelimit.rules import RATE_LIMIT_DOMAIN
from gateway.ratelimit.server import RateLimitProcess
from gateway.ratelimit.settings import RateLimitSettings
from gateway.ratelimit.view_log import ViewLogServicer
from gateway.ratelimit.watched_rules import WatchedRules


async def _prepare(settings: RateLimitSettings, closing: AsyncExitStack) -> RateLimitProcess:
    """Return the process's work. Raises ConfigError for invalid limits."""
    watched = WatchedRules(settings.limits_dir, settings.limits_poll_s)
    redis = open_redis(settings, StoreTls(settings.stores_tls_folder))
    close_on_exit(closing, redis.aclose)
    counters = RedisCounterStore(redis, settings.redis_answer_within_s)
    close_on_exit(closing, counters.aclose)
    timeout_s = 2 * settings.redis_answer_within_s
    refusals = LocalRefusalCache(settings.remembered_refusals)
    limiter = RateLimiter(watched.rules, counters, refusals, timeout_s=timeout_s)
    assigner = QuotaAssigner(watched.rules, counters, RATE_LIMIT_DOMAIN, timeout_s=timeout_s)
    views = ViewLogServicer(UniqueReaderCounter(redis, SystemClock()))
    quotas = QuotaServicer(assigner)
    return RateLimitProcess(
        RateLimitServicer(limiter), watched, counters, redis, settings, quotas=quotas, views=views
    )


if __name__ == "__main__":
    run_process("ratelimit", "serve", RateLimitSettings, _prepare)

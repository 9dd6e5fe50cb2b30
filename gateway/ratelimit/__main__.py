"""Starts the rate limit service: `python -m gateway.ratelimit`."""

from contextlib import AsyncExitStack

from chassis.clock import SystemClock
from chassis.process import close_with, live
from chassis.readers import Readers
from chassis.redis import connect
from gateway.ratelimit.api import RateLimitApi
from gateway.ratelimit.limiter import Limiter
from gateway.ratelimit.remembered import Refusals
from gateway.ratelimit.server import RateLimitWork
from gateway.ratelimit.settings import Settings
from gateway.ratelimit.store import RedisCounters
from gateway.ratelimit.views import ViewsLog
from gateway.ratelimit.watch import Watched


async def prepare(settings: Settings, closing: AsyncExitStack) -> RateLimitWork:
    """What the process does. Raises ConfigError for wrong limits."""
    watched = Watched(settings.limits_dir, settings.limits_poll_s)
    redis = connect(settings.redis_nodes, settings.redis_password.get_secret_value())
    close_with(closing, redis.aclose)
    counters = RedisCounters(redis, settings.redis_answer_within_s)
    close_with(closing, counters.aclose)
    limiter = Limiter(
        watched.rules,
        counters,
        Refusals(settings.remembered_refusals),
        answer_within_s=2 * settings.redis_answer_within_s,
    )
    views = ViewsLog(Readers(redis, SystemClock()))
    return RateLimitWork(RateLimitApi(limiter), watched, counters, redis, settings, views=views)


if __name__ == "__main__":
    live("ratelimit", "serve", Settings, prepare)

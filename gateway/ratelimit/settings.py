"""The environment's settings of the rate limit service."""

from pathlib import Path

from pydantic import DirectoryPath, Field

from chassis.settings import RedisSettings
from gateway.ratelimit.redis_counter_store import REDIS_TIMEOUT_S


class RateLimitSettings(RedisSettings):
    """Settings of the rate limit service, each from the variable `IC_<NAME>`."""

    limits_dir: DirectoryPath = Field(
        default=Path(__file__).with_name("config"),
        description="the folder whose *.yaml files hold the limits",
    )
    limits_poll_s: float = Field(
        default=1.0, gt=0, le=3600, description="how often to look for new limits, in seconds"
    )
    redis_answer_within_s: float = Field(
        default=REDIS_TIMEOUT_S, gt=0, le=5, description="after which a request passes uncounted, in seconds"
    )
    remembered_refusals: int = Field(
        default=50_000, ge=1, le=10_000_000, description="refusals that are kept in memory, 300 bytes each"
    )

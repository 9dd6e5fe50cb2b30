"""The environment's settings of the user service."""

from pydantic import Field

from chassis.settings import ChassisSettings


class UserSettings(ChassisSettings):
    """Settings of the user service, each from the variable `IC_<NAME>`."""

    company_cache_s: float = Field(
        default=60.0, gt=0, le=3600, description="how long a company's page is kept in the cache, in seconds"
    )

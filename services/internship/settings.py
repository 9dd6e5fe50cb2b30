"""The environment's settings of the internship service."""

from pydantic import Field

from chassis.settings import ChassisSettings


class InternshipSettings(ChassisSettings):
    """Settings of the internship service, beyond those of every service."""

    views_every_s: float = Field(
        default=5.0, gt=0, le=60, description="how often counted views are published"
    )
    suspension_grace_days: int = Field(
        default=30,
        ge=1,
        le=365,
        description="how long a suspended listing may be reinstated before it is archived",
    )
    expiry_every_s: float = Field(
        default=15.0, gt=0, le=3600, description="how often passed deadlines are looked for"
    )

"""The environment's settings of the application service."""

from datetime import timedelta

from pydantic import Field

from chassis.settings import ChassisSettings
from services.application.domain.model import ApplicationPolicy


class ApplicationSettings(ChassisSettings):
    """The time spans in an application's life; each from the variable `IC_<NAME>`."""

    rejection_delay_s: int = Field(
        default=1800, ge=0, le=7 * 86_400, description="until a rejection reaches the student, in seconds"
    )
    offer_stands_days: int = Field(
        default=14, ge=1, le=365, description="how long an offer stands unless it says otherwise"
    )
    response_promise_days: int = Field(
        default=30, ge=1, le=365, description="within which companies answer if the listing does not say"
    )
    response_grace_days: int = Field(
        default=14,
        ge=0,
        le=365,
        description="after a broken promise to answer until the application is closed",
    )
    acceptance_patience_s: float = Field(
        default=5.0, ge=0.5, le=15.0, description="how long an accept may take before the worker completes it"
    )
    upkeep_every_s: float = Field(
        default=15.0, ge=0.5, le=3600.0, description="between two looks for what has become due, in seconds"
    )

    def policy(self) -> ApplicationPolicy:
        """Return the time spans as the rules take them."""
        return ApplicationPolicy(
            rejection_delay=timedelta(seconds=self.rejection_delay_s),
            offer_lifetime=timedelta(days=self.offer_stands_days),
            response_time=timedelta(days=self.response_promise_days),
            response_grace=timedelta(days=self.response_grace_days),
            acceptance_timeout=timedelta(seconds=self.acceptance_patience_s),
        )

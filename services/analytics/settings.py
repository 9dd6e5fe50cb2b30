"""What the environment may set for this service: what every service takes, and nothing more."""

from chassis.settings import ChassisSettings


class AnalyticsSettings(ChassisSettings):
    """Settings of the analytics service."""

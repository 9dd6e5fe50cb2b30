"""The environment's settings of the analytics service: those of every service, and nothing more."""

from chassis.settings import ChassisSettings


class AnalyticsSettings(ChassisSettings):
    """Settings of the analytics service."""

"""What holds for every test."""

from hypothesis import HealthCheck, settings

# A made-up example may take its time on a machine that does other work as well.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

"""What holds for every test."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

# A made-up example may take its time on a machine that does other work as well.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Restore the log level after each test: a command may set its own."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)

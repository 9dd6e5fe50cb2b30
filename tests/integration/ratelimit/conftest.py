"""A rate limit service on the Redis Cluster of the stack under test."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.ratelimit.process import (
    SLOW_REDIS_SETTINGS,
    LaunchedRateLimiter,
    RateLimitClient,
    RateLimiterLauncher,
)
from tests.stack import StackHandle


@pytest.fixture(scope="session")
def stack() -> StackHandle:
    return StackHandle.under_test()


@pytest.fixture(scope="session")
def service(stack: StackHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LaunchedRateLimiter]:
    """Yield one service with the default limits, for all tests that do not change it."""
    launcher = RateLimiterLauncher(stack, tmp_path_factory.mktemp("service"))
    service = launcher(**SLOW_REDIS_SETTINGS)
    service.await_ready()
    yield service
    launcher.end_all()


@pytest.fixture
def launch(stack: StackHandle, tmp_path: Path) -> Iterator[RateLimiterLauncher]:
    """Start services of the test's own."""
    launcher = RateLimiterLauncher(stack, tmp_path)
    yield launcher
    launcher.end_all()


@pytest.fixture
async def client(service: LaunchedRateLimiter) -> AsyncIterator[RateLimitClient]:
    client = RateLimitClient(service.address)
    yield client
    await client.close()


@pytest.fixture
def somebody() -> str:
    """Return a user, address or account that no other test uses."""
    return f"usr_{secrets.token_hex(13)}"


@pytest.fixture
def stopped(stack: StackHandle) -> Iterator[Callable[[str], None]]:
    with stack.outages() as stop:
        yield stop

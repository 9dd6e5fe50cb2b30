"""A rate limit service on the Redis Cluster of the stack under test."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.ratelimit.process import PATIENT, Client, Launcher, Service
from tests.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Stack:
    return Stack.under_test()


@pytest.fixture(scope="session")
def service(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service with the default limits, for all tests that leave it as it is."""
    launcher = Launcher(stack, tmp_path_factory.mktemp("service"))
    service = launcher(**PATIENT)
    service.await_ready()
    yield service
    launcher.end_all()


@pytest.fixture
def launch(stack: Stack, tmp_path: Path) -> Iterator[Launcher]:
    """Starts services of the test's own."""
    launcher = Launcher(stack, tmp_path)
    yield launcher
    launcher.end_all()


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    client = Client(service.address)
    yield client
    await client.close()


@pytest.fixture
def somebody() -> str:
    """A user, address or account that no other test knows."""
    return f"usr_{secrets.token_hex(13)}"


@pytest.fixture
def stopped(stack: Stack) -> Iterator[Callable[[str], None]]:
    with stack.outages() as stop:
        yield stop

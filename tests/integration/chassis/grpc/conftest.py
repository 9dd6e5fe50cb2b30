from collections.abc import AsyncIterator

import pytest

from tests.integration.chassis.grpc.grpc_harness import GrpcHarness, running_grpc_harness


@pytest.fixture
async def house() -> AsyncIterator[GrpcHarness]:
    async with running_grpc_harness() as house:
        yield house

from collections.abc import AsyncIterator

import pytest

from tests.integration.chassis.grpc.house import House, running_house


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with running_house() as house:
        yield house

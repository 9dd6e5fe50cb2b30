from collections.abc import AsyncIterator
from typing import get_args

import pytest

from chassis.grpc.engine.engines import EngineName
from tests.integration.chassis.grpc.engine_harness import EngineHarness, running_engine
from tests.integration.chassis.grpc.grpc_harness import GrpcHarness, running_grpc_harness


@pytest.fixture(params=get_args(EngineName))
def engine_name(request: pytest.FixtureRequest) -> EngineName:
    name: EngineName = request.param
    return name


@pytest.fixture
async def house(engine_name: EngineName) -> AsyncIterator[GrpcHarness]:
    async with running_grpc_harness(engine_name) as house:
        yield house


@pytest.fixture
async def harness(engine_name: EngineName) -> AsyncIterator[EngineHarness]:
    async with running_engine(engine_name) as harness:
        yield harness

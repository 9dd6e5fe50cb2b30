"""The fake source keeps the contract that the real ones keep."""

import pytest

from gateway.xds.endpoints import Endpoint
from tests.contracts.endpoint_source import PORT, REGION, SERVICE, EndpointSourceContract
from tests.fakes.endpoint_source import FakeEndpointSource
from tests.waiting import run_ready_tasks


class FakeSourceFixture:
    def __init__(self) -> None:
        self.source = FakeEndpointSource()

    async def set_hosts(self, *hosts: str) -> None:
        self.source.set_endpoints({SERVICE: tuple(Endpoint(host, PORT, REGION) for host in sorted(hosts))})

    async def poll(self) -> None:
        await run_ready_tasks()


class TestFakeSource(EndpointSourceContract):
    @pytest.fixture
    def source_fixture(self) -> FakeSourceFixture:
        return FakeSourceFixture()

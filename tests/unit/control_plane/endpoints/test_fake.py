"""The fake source keeps the contract that the real ones keep."""

import pytest

from gateway.control_plane.endpoints import Endpoint
from tests.contracts.endpoint_source import PORT, REGION, SERVICE, EndpointSourceContract
from tests.fakes.endpoint_source import FakeSource
from tests.waiting import turns


class FakePlace:
    def __init__(self) -> None:
        self.source = FakeSource()

    async def put(self, *hosts: str) -> None:
        self.source.tell({SERVICE: tuple(Endpoint(host, PORT, REGION) for host in sorted(hosts))})

    async def look(self) -> None:
        await turns()


class TestFakeSource(EndpointSourceContract):
    @pytest.fixture
    def place(self) -> FakePlace:
        return FakePlace()

"""What every source of endpoints does; the fake and the real ones are held to it by the same tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, Protocol, cast

from gateway.xds.endpoints import Endpoint, EndpointSource
from tests.waiting import WAIT_TIMEOUT_S

SERVICE, PORT, REGION = "user", 5002, "local"
SILENT_POLLS: Final = 5


class EndpointSourceFixture(Protocol):
    """A place for the endpoints of one service, where the source finds them."""

    @property
    def source(self) -> EndpointSource: ...

    async def set_hosts(self, *hosts: str) -> None:
        """Set the complete list of hosts."""
        ...

    async def poll(self) -> None:
        """Poll the source once; its listeners have the result when this returns."""
        ...


def endpoints_at(*hosts: str) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(host, PORT, REGION) for host in sorted(hosts))


class EndpointListener:
    """Receives results from a source, which polls when the test says so and at no other time."""

    def __init__(self, source_fixture: EndpointSourceFixture) -> None:
        self._source_fixture = source_fixture
        self._answers: asyncio.Queue[tuple[Endpoint, ...]] = asyncio.Queue()

    async def listen(self) -> None:
        """Listen until cancelled."""
        async with aclosing(cast(Any, self._source_fixture.source.watch())) as answers:
            async for answer in answers:
                self._answers.put_nowait(answer.get(SERVICE, ()))

    async def next(self) -> tuple[Endpoint, ...]:
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            while self._answers.empty():
                await self._source_fixture.poll()
        return self._answers.get_nowait()

    async def is_silent(self) -> bool:
        """Return whether the source polls several times without a result."""
        for _ in range(SILENT_POLLS):
            await self._source_fixture.poll()
        return self._answers.empty()


@asynccontextmanager
async def listening_to(source_fixture: EndpointSourceFixture) -> AsyncIterator[EndpointListener]:
    """Yield a listener to the fixture's source."""
    listener = EndpointListener(source_fixture)
    task = asyncio.create_task(listener.listen())
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class EndpointSourceContract:
    """Subclasses provide the fixture `source_fixture`."""

    async def test_the_first_answer_holds_everything(self, source_fixture: EndpointSourceFixture) -> None:
        await source_fixture.set_hosts("127.0.0.1", "127.0.0.2", "127.0.0.3")
        async with listening_to(source_fixture) as listener:
            assert await listener.next() == endpoints_at("127.0.0.1", "127.0.0.2", "127.0.0.3")

    async def test_a_service_without_endpoints_has_none(self, source_fixture: EndpointSourceFixture) -> None:
        await source_fixture.set_hosts()
        async with listening_to(source_fixture) as listener:
            assert await listener.next() == ()

    async def test_added_and_removed_endpoints_are_sent(self, source_fixture: EndpointSourceFixture) -> None:
        await source_fixture.set_hosts("127.0.0.1")
        async with listening_to(source_fixture) as listener:
            assert await listener.next() == endpoints_at("127.0.0.1")
            await source_fixture.set_hosts("127.0.0.1", "127.0.0.2")
            assert await listener.next() == endpoints_at("127.0.0.1", "127.0.0.2")
            await source_fixture.set_hosts("127.0.0.2")
            assert await listener.next() == endpoints_at("127.0.0.2")

    async def test_nothing_is_sent_while_nothing_changes(self, source_fixture: EndpointSourceFixture) -> None:
        await source_fixture.set_hosts("127.0.0.1")
        async with listening_to(source_fixture) as listener:
            await listener.next()
            assert await listener.is_silent()

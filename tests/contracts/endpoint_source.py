"""What every source of endpoints does; the fake and the real ones are held to it by the same tests."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from gateway.control_plane.endpoints import Endpoint, Endpoints, EndpointSource

SERVICE, PORT, REGION = "user", 5002, "local"


class Place(Protocol):
    """Where endpoints of one service can be put for the source to find them."""

    source: EndpointSource

    async def put(self, *hosts: str) -> None:
        """From now on these are all."""
        ...


def at(*hosts: str) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(host, PORT, REGION) for host in sorted(hosts))


class Listener:
    """Takes answers from a source, one after the other."""

    def __init__(self, source: EndpointSource) -> None:
        self._answers: AsyncIterator[Endpoints] = source.watch()

    async def next(self, within_s: float = 5) -> tuple[Endpoint, ...]:
        async with asyncio.timeout(within_s):
            return (await anext(self._answers)).get(SERVICE, ())

    async def is_silent(self, for_s: float = 0.4) -> bool:
        try:
            await self.next(for_s)
        except TimeoutError:
            return True
        return False


class EndpointSourceContract:
    """Subclasses provide the fixture `place`."""

    async def test_the_first_answer_holds_everything(self, place: Place) -> None:
        await place.put("127.0.0.1", "127.0.0.2", "127.0.0.3")
        assert await Listener(place.source).next() == at("127.0.0.1", "127.0.0.2", "127.0.0.3")

    async def test_a_service_without_endpoints_has_none(self, place: Place) -> None:
        await place.put()
        assert await Listener(place.source).next() == ()

    async def test_what_comes_and_goes_is_told(self, place: Place) -> None:
        await place.put("127.0.0.1")
        listener = Listener(place.source)
        assert await listener.next() == at("127.0.0.1")
        await place.put("127.0.0.1", "127.0.0.2")
        assert await listener.next() == at("127.0.0.1", "127.0.0.2")
        await place.put("127.0.0.2")
        assert await listener.next() == at("127.0.0.2")

    async def test_nothing_is_told_while_nothing_changes(self, place: Place) -> None:
        await place.put("127.0.0.1")
        listener = Listener(place.source)
        await listener.next()
        assert await listener.is_silent()

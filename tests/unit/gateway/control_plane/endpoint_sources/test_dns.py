"""Headless names, asked of a small DNS server of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from dns.asyncresolver import Resolver

from gateway.control_plane.endpoint_sources.dns import DnsEndpointSource
from tests.contracts.endpoint_source import (
    PORT,
    REGION,
    SERVICE,
    EndpointSourceContract,
    endpoints_at,
    listening_to,
)
from tests.fakes.controlled_sleep import ControlledSleep

NAME = "user.internship.svc.cluster.local"


class DnsServer(asyncio.DatagramProtocol):
    """Answers with `addresses`, or with `error`."""

    def __init__(self) -> None:
        self.addresses: tuple[str, ...] = ()
        self.error: dns.rcode.Rcode | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        if self.error is not None:
            answer.set_rcode(self.error)
        else:
            self._add_addresses(answer)
        self.transport.sendto(answer.to_wire(), addr)

    def _add_addresses(self, answer: dns.message.Message) -> None:
        kind = answer.question[0].rdtype
        wanted = [one for one in self.addresses if (":" in one) == (kind == dns.rdatatype.AAAA)]
        if wanted:
            answer.answer.append(dns.rrset.from_text_list(answer.question[0].name, 1, "IN", kind, wanted))


class DnsSourceFixture:
    def __init__(self, server: DnsServer, port: int) -> None:
        self.server = server
        self._pauses = ControlledSleep()
        resolver = Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = port
        self.source = DnsEndpointSource(SERVICE, NAME, PORT, REGION, resolver=resolver, sleep=self._pauses)

    async def set_hosts(self, *hosts: str) -> None:
        self.server.addresses = hosts

    async def poll(self) -> None:
        await self._pauses.look()


@pytest.fixture
async def source_fixture() -> AsyncIterator[DnsSourceFixture]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(DnsServer, local_addr=("127.0.0.1", 0))
    yield DnsSourceFixture(server, transport.get_extra_info("sockname")[1])
    transport.close()


class TestDnsSource(EndpointSourceContract):
    @pytest.fixture
    def source_fixture(self, source_fixture: DnsSourceFixture) -> DnsSourceFixture:
        return source_fixture


async def test_both_families_of_addresses_are_found(source_fixture: DnsSourceFixture) -> None:
    await source_fixture.set_hosts("127.0.0.1", "fd00::1")
    async with listening_to(source_fixture) as listener:
        assert await listener.next() == endpoints_at("127.0.0.1", "fd00::1")


@pytest.mark.parametrize("error", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NXDOMAIN])
async def test_the_last_good_answer_stands_while_look_ups_fail(
    source_fixture: DnsSourceFixture, error: dns.rcode.Rcode
) -> None:
    await source_fixture.set_hosts("127.0.0.1")
    async with listening_to(source_fixture) as listener:
        await listener.next()
        source_fixture.server.error = error
        assert await listener.is_silent()


async def test_nothing_is_said_before_the_first_answer(source_fixture: DnsSourceFixture) -> None:
    source_fixture.server.error = dns.rcode.SERVFAIL
    async with listening_to(source_fixture) as listener:
        assert await listener.is_silent()


async def test_changed_endpoints_are_sent_when_dns_is_back(source_fixture: DnsSourceFixture) -> None:
    source_fixture.server.error = dns.rcode.SERVFAIL
    async with listening_to(source_fixture) as listener:
        await listener.is_silent()
        source_fixture.server.error = None
        await source_fixture.set_hosts("127.0.0.1")
        assert await listener.next() == endpoints_at("127.0.0.1")


async def test_a_name_that_never_was_has_no_endpoints(source_fixture: DnsSourceFixture) -> None:
    source_fixture.server.error = dns.rcode.NXDOMAIN
    async with listening_to(source_fixture) as listener:
        assert await listener.next() == ()

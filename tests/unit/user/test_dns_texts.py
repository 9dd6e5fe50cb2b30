"""TXT records, asked of a small DNS server of the test's own."""

import re
from collections.abc import AsyncIterator

import dns.rcode
import pytest

from chassis.errors import DomainError
from services.user import dns_texts
from services.user.dns_texts import DnsTextReader, make_resolver, open_dns_reader
from services.user.settings import UserSettings
from tests.dns_server import TextServer, serve_texts

NAME = "_internshipconnect.acme.example"


@pytest.fixture
async def server() -> AsyncIterator[TextServer]:
    async with serve_texts() as server:
        yield server


@pytest.fixture
def reader(server: TextServer) -> DnsTextReader:
    return open_dns_reader(f"127.0.0.1:{server.port}")


async def test_all_texts_of_a_name_are_read_and_parts_of_one_are_joined(
    server: TextServer, reader: DnsTextReader
) -> None:
    server.texts[NAME] = ["v=spf1 -all", 'one" "two']
    assert sorted(await reader.find_texts(NAME)) == ["onetwo", "v=spf1 -all"]


async def test_a_name_that_is_not_there_or_has_no_text_has_none(
    server: TextServer, reader: DnsTextReader
) -> None:
    assert await reader.find_texts(NAME) == ()
    server.texts[NAME] = []
    assert await reader.find_texts(NAME) == ()


@pytest.mark.parametrize("error", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
async def test_a_server_that_fails_says_nothing_about_the_domain(
    server: TextServer, reader: DnsTextReader, error: dns.rcode.Rcode
) -> None:
    server.error = error
    with pytest.raises(DomainError) as failure:
        await reader.find_texts(NAME)
    assert failure.value.reason == "UNAVAILABLE"


async def test_a_silent_server_is_not_waited_for(
    server: TextServer, reader: DnsTextReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_texts, "LOOKUP_TIMEOUT_S", 0.2)
    server.is_silent = True
    with pytest.raises(DomainError) as failure:
        await reader.find_texts(NAME)
    assert failure.value.reason == "UNAVAILABLE"


async def test_a_name_is_not_completed_by_the_machines_own_domain(
    server: TextServer, reader: DnsTextReader
) -> None:
    await reader.find_texts(NAME)
    assert server.asked == [NAME]


def test_servers_are_read_with_and_without_a_port() -> None:
    resolver = make_resolver("192.0.2.1, [2001:db8::1]:5353")
    assert [str(server) for server in resolver.nameservers] == ["Do53:192.0.2.1@53", "Do53:2001:db8::1@5353"]


def is_accepted(servers: str) -> bool:
    [pattern] = [each.pattern for each in UserSettings.model_fields["dns_servers"].metadata]
    return re.match(pattern, servers) is not None


@pytest.mark.parametrize(
    "servers", ["", "192.0.2.1", "192.0.2.1:53,[2001:db8::1]", "192.0.2.1, 192.0.2.2:5353"]
)
def test_the_setting_takes_lists_of_addresses(servers: str) -> None:
    assert is_accepted(servers)


@pytest.mark.parametrize("servers", ["dns.example", "192.0.2.1:", "192.0.2.1,,192.0.2.2", "192.0.2.1,"])
def test_the_setting_takes_nothing_else(servers: str) -> None:
    assert not is_accepted(servers)

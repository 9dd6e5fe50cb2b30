"""Reads TXT records by DNS."""

from typing import Final
from urllib.parse import urlsplit

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.nameserver import Do53Nameserver
from dns.rdtypes.txtbase import TXTBase
from dns.resolver import NXDOMAIN, NoAnswer

from chassis.concurrency.bulkhead import Bulkhead
from chassis.errors import unavailable
from chassis.observability.logging import get_logger

LOOKUP_TIMEOUT_S: Final = 3.0
MAX_CONCURRENT_LOOKUPS: Final = 32
MAX_TEXTS: Final = 50
_DNS_PORT: Final = 53
_RESOURCE: Final = "the domain name system"

_log = get_logger()


class DnsTextReader:
    """The `TextRecords` of real domains; the machine's resolvers answer, or those of the settings."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._bulkhead = Bulkhead(_RESOURCE, MAX_CONCURRENT_LOOKUPS, label="dns_texts")

    async def find_texts(self, name: str) -> tuple[str, ...]:
        """Return the texts at a name, at most `MAX_TEXTS`. Raises UNAVAILABLE when nobody answers in time."""
        with self._bulkhead.acquire():
            try:
                answer = await self._resolver.resolve(f"{name}.", "TXT", lifetime=LOOKUP_TIMEOUT_S)
            except (NXDOMAIN, NoAnswer):
                return ()
            except (DNSException, OSError) as error:
                _log.warning("texts cannot be looked up", name=name, error=str(error))
                raise unavailable(_RESOURCE) from error
        records = [record for record in answer if isinstance(record, TXTBase)]
        return tuple(b"".join(record.strings).decode("ascii", "replace") for record in records[:MAX_TEXTS])


def make_resolver(servers: str) -> Resolver:
    """Return a resolver that asks these servers, `address` or `address:port` each, or the machine's if none.

    Raises ValueError for a port that is no number.
    """
    if not servers:
        return Resolver()
    places = [urlsplit(f"//{server.strip()}") for server in servers.split(",")]
    resolver = Resolver(configure=False)
    resolver.nameservers = [Do53Nameserver(place.hostname or "", place.port or _DNS_PORT) for place in places]
    return resolver


def open_dns_reader(servers: str) -> DnsTextReader:
    """Return a reader that asks these servers; see `make_resolver`."""
    return DnsTextReader(make_resolver(servers))

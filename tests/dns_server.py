"""A small DNS server on the loopback address, for TXT records."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class TextServer(asyncio.DatagramProtocol):
    """Answers with `texts`, by name in lower case without the last dot; with `error`, or not at all."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.error: dns.rcode.Rcode | None = None
        self.is_silent = False
        self.asked: list[str] = []

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        asked = answer.question[0]
        name = asked.name.to_text(omit_final_dot=True).lower()
        self.asked.append(name)
        if self.is_silent:
            return
        if self.error is not None:
            answer.set_rcode(self.error)
        elif name not in self.texts:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif asked.rdtype == dns.rdatatype.TXT and self.texts[name]:
            quoted = [f'"{text}"' for text in self.texts[name]]
            answer.answer.append(dns.rrset.from_text_list(asked.name, 1, "IN", "TXT", quoted))
        self._transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def serve_texts() -> AsyncIterator[TextServer]:
    """Yield a server that runs until the end of the block."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(TextServer, local_addr=("127.0.0.1", 0))
    yield server
    transport.close()

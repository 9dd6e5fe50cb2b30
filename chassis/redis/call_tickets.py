"""Tickets, which replace access tokens for clients without headers, such as browsers' EventSource.

A ticket is for one RPC, has to be used within a minute, and belongs to the client that uses it first: the
same program at the same address may use it again, as EventSource does after a lost connection, until the
access token expires that it was made with. Redis holds its digest, not the ticket.
"""

import secrets
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Protocol

import msgspec

from chassis.call_context import Principal
from chassis.errors import DomainError, unavailable
from chassis.redis.client import REDIS_ERRORS

FIRST_USE_TIMEOUT_S: Final = 60
DEFAULT_TICKET_TTL_S: Final = 900
"""The lifetime of a ticket that was made with a token without an expiry."""
_STORE_NAME: Final = "The store of tickets"


class TicketRedis(Protocol):
    """The commands of Redis that this module uses."""

    def get(self, name: str, /) -> Awaitable[Any]: ...

    def set(self, name: str, value: bytes, /, *, ex: int, nx: bool = False) -> Awaitable[Any]: ...

    def expire(self, name: str, time: int, /) -> Awaitable[Any]: ...


@dataclass(frozen=True, slots=True)
class _TicketRecord:
    rpc: str
    principal: Principal


class CallTickets:
    """Issues and redeems tickets. Methods raise DomainError UNAVAILABLE while Redis does not answer."""

    def __init__(self, redis: TicketRedis) -> None:
        self._redis = redis

    async def issue(self, principal: Principal, rpc: str) -> str:
        """Return a ticket with which `principal` may call `rpc`, given by its full name."""
        text = secrets.token_urlsafe(24)
        record = msgspec.json.encode(_TicketRecord(rpc, principal))
        try:
            await self._redis.set(_ticket_key(text), record, ex=FIRST_USE_TIMEOUT_S)
        except REDIS_ERRORS:
            raise unavailable(_STORE_NAME) from None
        return text

    async def redeem(self, text: str, rpc: str, client: bytes) -> Principal:
        """Return the principal of a ticket.

        Raises TOKEN_INVALID unless it is for this RPC and this client.
        """
        try:
            found = await self._redis.get(_ticket_key(text))
            if found is None:
                raise _invalid_ticket("has expired, or is not one of ours")
            record = msgspec.json.decode(found, type=_TicketRecord)
            if record.rpc != rpc:
                raise _invalid_ticket("is for another call")
            await self._bind_to_client(text, client, _seconds_left(record.principal))
        except REDIS_ERRORS:
            raise unavailable(_STORE_NAME) from None
        return record.principal

    async def _bind_to_client(self, text: str, client: bytes, life_s: int) -> None:
        owner = f"{_ticket_key(text)}:client"
        if await self._redis.set(owner, client, ex=life_s, nx=True):
            await self._redis.expire(_ticket_key(text), life_s)
        elif await self._redis.get(owner) != client:
            raise _invalid_ticket("was used by another client")


def _ticket_key(text: str) -> str:
    # The part in braces puts both keys of a ticket on one node.
    return f"{{ticket:{blake2b(text.encode(), digest_size=16).hexdigest()}}}"


def _seconds_left(principal: Principal) -> int:
    if not principal.expires_at:
        return DEFAULT_TICKET_TTL_S
    return max(1, int(principal.expires_at - time.time()))


def _invalid_ticket(what: str) -> DomainError:
    return DomainError("TOKEN_INVALID", f"The ticket {what}; get another one.")

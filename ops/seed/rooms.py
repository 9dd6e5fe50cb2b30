"""The services' own rooms, opened in this process and able to live in the past.

What is seeded goes through the same servicers, use cases and stores as a call from outside; only the
clock and the caller are set here.
"""

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeVar

from chassis.caller import Principal, acting_as
from chassis.clock import Clock, to_milliseconds
from chassis.mongo.watching import Identity, following
from chassis.runtime import Resources, Room, open_resources
from chassis.settings import ChassisSettings, load
from ops.stack.credentials import Credentials
from ops.stack.services import environment
from ops.stack.topology import Topology
from services.auth.settings import Settings as AuthSettings
from services.auth.store import AccountStore

S = TypeVar("S", bound=ChassisSettings)

ROLE: Final = "ops"
"""As what this process is known to the shards while it writes to them."""

_moment: ContextVar[datetime | None] = ContextVar("moment", default=None)


class PastClock:
    """Shows the time at which a piece of history happens; each task has its own."""

    def now(self) -> datetime:
        """See `Clock`."""
        return to_milliseconds(_moment.get() or datetime.now(UTC))


@contextmanager
def scene(moment: datetime, principal: Principal) -> Iterator[None]:
    """Runs a block as if `principal` had acted at `moment`."""
    token = _moment.set(moment)
    try:
        with acting_as(principal):
            yield
    finally:
        _moment.reset(token)


@dataclass(frozen=True)
class Rooms:
    """The rooms that seeding needs: the accounts of auth, and the API of the others."""

    accounts: AccountStore
    users: Any
    internships: Any
    applications: Any

    @classmethod
    async def open(cls, topology: Topology, credentials: Credentials, closing: AsyncExitStack) -> Self:
        """Opens them for a running stack, whose services answer what the rooms ask of each other."""

        async def api(service: str) -> object:
            room = await build_room(service, topology, credentials, closing, clock=PastClock())
            for close in room.on_close:
                closing.push_async_callback(close)
            return room.servicers[0]

        auth = await open_auth(topology, credentials, closing, clock=PastClock())
        apis = [await api(service) for service in ("user", "internship", "application")]
        return cls(AccountStore(auth.shards), *apis)


async def open_auth(
    topology: Topology, credentials: Credentials, closing: AsyncExitStack, *, clock: Clock
) -> Resources[AuthSettings]:
    """What the auth service of a running stack is built from."""
    return await open_service("auth", AuthSettings, topology, credentials, closing, clock=clock)


async def open_service(
    service: str,
    settings: type[S],
    topology: Topology,
    credentials: Credentials,
    closing: AsyncExitStack,
    *,
    clock: Clock,
) -> Resources[S]:
    """What a service of a running stack is built from, in this process and with the service's own user."""
    with _environment(environment(topology, credentials, service, "serve")):
        loaded = load(settings)
    resources = open_resources(service, loaded, closing, clock=clock)
    await closing.enter_async_context(following(resources.shards, Identity(service, ROLE)))
    return resources


async def build_room(
    service: str, topology: Topology, credentials: Credentials, closing: AsyncExitStack, *, clock: Clock
) -> Room:
    """The room of a service of a running stack, opened in this process and living by another clock."""
    main = importlib.import_module(f"services.{service}.__main__")
    opened = await open_service(service, main.Settings, topology, credentials, closing, clock=clock)
    room: Room = main.build(opened)
    return room


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


NOBODY: Final = None
"""The servicers take gRPC's context last and leave it alone: who calls is known from `scene`."""

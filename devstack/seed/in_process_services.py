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

from chassis.call_context import Principal, acting_as
from chassis.clock import Clock, truncate_to_milliseconds
from chassis.runtime import ServiceDefinition, ServiceResources, open_resources
from chassis.settings import ChassisSettings, load_settings
from chassis.sharding.slot_map_watch import ProcessIdentity, follow_slot_map
from devstack.credentials import Credentials
from devstack.services import service_environment
from devstack.topology import Topology
from services.auth.repository import AccountRepository
from services.auth.settings import AuthSettings

S = TypeVar("S", bound=ChassisSettings)

PROCESS_ROLE: Final = "ops"
"""As what this process is known to the shards while it writes to them."""

_simulated_time: ContextVar[datetime | None] = ContextVar("moment", default=None)


class SimulatedClock:
    """Shows the time at which a piece of history happens; each task has its own."""

    def now(self) -> datetime:
        """See `Clock`."""
        return truncate_to_milliseconds(_simulated_time.get() or datetime.now(UTC))


@contextmanager
def acting_at(moment: datetime, principal: Principal) -> Iterator[None]:
    """Runs a block as if `principal` had acted at `moment`."""
    token = _simulated_time.set(moment)
    try:
        with acting_as(principal):
            yield
    finally:
        _simulated_time.reset(token)


@dataclass(frozen=True)
class InProcessServices:
    """The rooms that seeding needs: the accounts of auth, and the API of the others."""

    accounts: AccountRepository
    users: Any
    internships: Any
    applications: Any

    @classmethod
    async def open(cls, topology: Topology, credentials: Credentials, closing: AsyncExitStack) -> Self:
        """Opens them for a running stack, whose services answer what the rooms ask of each other."""

        async def api(service: str) -> object:
            room = await build_service(service, topology, credentials, closing, clock=SimulatedClock())
            for close in room.on_close:
                closing.push_async_callback(close)
            return room.servicers[0]

        auth = await open_auth_resources(topology, credentials, closing, clock=SimulatedClock())
        apis = [await api(service) for service in ("user", "internship", "application")]
        return cls(AccountRepository(auth.shards), *apis)


async def open_auth_resources(
    topology: Topology, credentials: Credentials, closing: AsyncExitStack, *, clock: Clock
) -> ServiceResources[AuthSettings]:
    """What the auth service of a running stack is built from."""
    return await open_service_resources("auth", AuthSettings, topology, credentials, closing, clock=clock)


async def open_service_resources(
    service: str,
    settings: type[S],
    topology: Topology,
    credentials: Credentials,
    closing: AsyncExitStack,
    *,
    clock: Clock,
) -> ServiceResources[S]:
    """What a service of a running stack is built from, in this process and with the service's own user."""
    with _environment_variables(service_environment(topology, credentials, service, "serve")):
        loaded = load_settings(settings)
    resources = open_resources(service, loaded, closing, clock=clock)
    await closing.enter_async_context(
        follow_slot_map(resources.shards, ProcessIdentity(service, PROCESS_ROLE))
    )
    return resources


async def build_service(
    service: str, topology: Topology, credentials: Credentials, closing: AsyncExitStack, *, clock: Clock
) -> ServiceDefinition:
    """The room of a service of a running stack, opened in this process and living by another clock."""
    main = importlib.import_module(f"services.{service}.__main__")
    opened = await open_service_resources(
        service, getattr(main, f"{service.capitalize()}Settings"), topology, credentials, closing, clock=clock
    )
    room: ServiceDefinition = main.build_service(opened)
    return room


@contextmanager
def _environment_variables(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


NO_CONTEXT: Final = None
"""The servicers take gRPC's context last and leave it alone: who calls is known from `scene`."""

"""The services, opened in this process with a clock that can be set to the past.

A call passes the same servicers, use cases and repositories as one from outside; only the clock and the
caller are set here. The tests compare seed data with what such calls write.
"""

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from chassis.call_context import Principal, acting_as
from chassis.clock import Clock, truncate_to_milliseconds
from chassis.idempotency import IdempotentOperation
from chassis.service_definition import ServiceResources
from ops.cluster import Cluster
from ops.in_process_services import build_service, open_service_resources
from services.auth.repository import AccountRepository
from services.auth.settings import AuthSettings

_simulated_time: ContextVar[datetime | None] = ContextVar("simulated_time", default=None)


class SimulatedClock:
    """A clock that shows the simulated time of the running task."""

    def now(self) -> datetime:
        """Return the task's simulated time; see `Clock`."""
        return truncate_to_milliseconds(_simulated_time.get() or datetime.now(UTC))


@contextmanager
def acting_at(
    moment: datetime, principal: Principal, operation: IdempotentOperation | None = None
) -> Iterator[None]:
    """Run a block as if `principal` had acted at `moment`, under the idempotency key of `operation`."""
    token = _simulated_time.set(moment)
    try:
        with acting_as(principal, operation=operation):
            yield
    finally:
        _simulated_time.reset(token)


@dataclass(frozen=True)
class InProcessServices:
    """The services that seeding needs: the accounts of auth, and the API of the others."""

    accounts: AccountRepository
    users: Any
    internships: Any
    applications: Any

    @classmethod
    async def open(cls, cluster: Cluster, closing: AsyncExitStack) -> Self:
        """Open the services on a running cluster, whose own services answer calls between them."""

        async def api(service: str) -> object:
            definition = await build_service(service, cluster, closing, clock=SimulatedClock())
            for close in definition.on_close:
                closing.push_async_callback(close)
            return definition.servicers[0]

        auth = await open_auth_resources(cluster, closing, clock=SimulatedClock())
        apis = [await api(service) for service in ("user", "internship", "application")]
        return cls(AccountRepository(auth.shards), *apis)


async def open_auth_resources(
    cluster: Cluster, closing: AsyncExitStack, *, clock: Clock
) -> ServiceResources[AuthSettings]:
    """Return the resources for building the auth service of a running cluster."""
    return await open_service_resources("auth", AuthSettings, cluster, closing, clock=clock)


NO_CONTEXT: Final = None
"""The servicers take gRPC's context as last argument and do not use it: the caller is set by `acting_at`."""

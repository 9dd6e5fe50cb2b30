"""The port to sources of endpoints."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """One address of a service; a draining one gets no new calls while there are others."""

    host: str
    port: int
    region: str
    draining: bool = False


EndpointsByService = Mapping[str, tuple[Endpoint, ...]]
"""By service, each sorted; a service without endpoints may be missing."""


class EndpointSource(Protocol):
    """A source of endpoints: a registry, DNS, a list."""

    def watch(self) -> AsyncIterator[EndpointsByService]:
        """Yield all endpoints, first when all are known and again whenever some have changed.

        A failed look-up leaves the last answer in force.
        """
        ...

"""The port to sources of endpoints."""

from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, Protocol


class Endpoint(NamedTuple):
    """One address of a service; a draining one gets no new calls while there are others.

    `zone` is the part of the region that fails as a whole; empty where the source does not know it.
    """

    host: str
    port: int
    region: str
    draining: bool = False
    zone: str = ""


EndpointsByService = Mapping[str, tuple[Endpoint, ...]]
"""By service, each sorted; a service without endpoints may be missing."""


class EndpointSource(Protocol):
    """A source of endpoints: a registry, DNS, the Kubernetes API, a list."""

    def watch(self) -> AsyncIterator[EndpointsByService]:
        """Yield all endpoints, first when all are known and again whenever some have changed.

        A failed look-up leaves the last answer in force.
        """
        ...

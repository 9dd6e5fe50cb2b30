"""The port to sources of endpoints."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """One address that answers calls; one that is draining gets no new ones while there are others."""

    host: str
    port: int
    region: str
    draining: bool = False


EndpointsByService = Mapping[str, tuple[Endpoint, ...]]
"""By service, each sorted; a service without endpoints may be missing."""


class EndpointSource(Protocol):
    """Tells the endpoints of services."""

    def watch(self) -> AsyncIterator[EndpointsByService]:
        """All endpoints as soon as they are known, and all again whenever some have changed.

        The first answer is whole: until the source knows everything it says nothing. A look-up that fails
        leaves the last answer standing.
        """
        ...

"""EndpointSlices of the Kubernetes API, and the endpoints of a service that several of them make together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.control_plane.kubernetes.api import KubernetesApiError
from gateway.xds.endpoints import Endpoint

SERVICE_LABEL: Final = "kubernetes.io/service-name"
ADDRESS_TYPES: Final = ("IPv4", "IPv6")
"""In order of preference: a service of both families has a slice of each for the same pods."""


@dataclass(frozen=True)
class SliceEndpoint:
    """One ready or draining endpoint of a slice."""

    address: str
    draining: bool
    zone: str


@dataclass(frozen=True)
class EndpointSlice:
    """What an EndpointSlice says: its service, its ports by name, and the endpoints that may get calls."""

    service: str
    address_type: str
    ports: Mapping[str, int]
    endpoints: tuple[SliceEndpoint, ...]

    @classmethod
    def parse(cls, found: Mapping[str, Any]) -> "EndpointSlice":
        """Read an object of the API. Raise KubernetesApiError where it is not an EndpointSlice."""
        try:
            return cls(
                service=(found["metadata"].get("labels") or {}).get(SERVICE_LABEL, ""),
                address_type=found["addressType"],
                ports={
                    str(port.get("name") or ""): int(port["port"])
                    for port in found.get("ports") or ()
                    if port.get("port") is not None and port.get("protocol", "TCP") == "TCP"
                },
                endpoints=tuple(_endpoints(found.get("endpoints") or ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise KubernetesApiError(f"the API sends no EndpointSlice: {error!r}") from None


def merge_slices(
    slices: Iterable[EndpointSlice], service: str, port: str, region: str
) -> tuple[Endpoint, ...]:
    """Return the endpoints of a service at the port of that name, sorted.

    An endpoint that moves from slice to slice is in both for a moment: it is draining where both say so.
    """
    own = [each for each in slices if each.service == service and port in each.ports]
    family = next((kind for kind in ADDRESS_TYPES if any(each.address_type == kind for each in own)), "")
    found: dict[tuple[str, int], SliceEndpoint] = {}
    for each in own:
        if each.address_type != family:
            continue
        number = each.ports[port]
        for one in each.endpoints:
            known = found.get((one.address, number))
            if known is None or known.draining:
                found[one.address, number] = one
    return tuple(
        sorted(
            Endpoint(address, number, region, one.draining, one.zone)
            for (address, number), one in found.items()
        )
    )


def _endpoints(found: Iterable[Mapping[str, Any]]) -> Iterable[SliceEndpoint]:
    for one in found:
        conditions = one.get("conditions") or {}
        # What a condition does not say counts as the API defines it: ready, and not terminating.
        is_ready = conditions.get("ready") is not False
        is_serving = conditions.get("serving") if conditions.get("serving") is not None else is_ready
        is_terminating = bool(conditions.get("terminating"))
        if is_ready or (is_serving and is_terminating):
            # All addresses of one endpoint lead to the same pod, and consumers take the first.
            yield SliceEndpoint(str(one["addresses"][0]), is_terminating, str(one.get("zone") or ""))

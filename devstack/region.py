"""The regions of a stack: each has its own gateway and service processes and shares everything else."""

from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

SINGLE_REGION: Final = "local"
REGION_CHOICES: Final = (1, 2)


class ServicePorts(BaseModel):
    """The ports of one service: gRPC, and an ops port for each role."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grpc: int
    serve_ops: int
    work_ops: int


class StackRegion(BaseModel):
    """One region, the `number`th of its stack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = SINGLE_REGION
    number: int = 1
    gateway: int
    gateway_admin: int
    services: dict[str, ServicePorts]

    def process_name(self, process: str) -> str:
        """Return a process's name in this region: the plain one in the first region, numbered in others."""
        return process if self.number == 1 else f"{process}-{self.number}"

    def ports(self) -> Iterator[int]:
        """Yield every port of the region."""
        yield from (self.gateway, self.gateway_admin)
        for service in self.services.values():
            yield from (service.grpc, service.serve_ops, service.work_ops)


def documented_regions(count: int, services: Sequence[str]) -> tuple[StackRegion, ...]:
    """Return the documented ports of the stack `dev`."""
    return tuple(
        StackRegion(
            name=_region_name(number, count),
            number=number,
            gateway=8079 + number,
            gateway_admin=9900 + number,
            services={
                service: ServicePorts(grpc=first + 5000, serve_ops=first + 6000, work_ops=first + 6100)
                for first, service in enumerate(services, start=20 * number - 19)
            },
        )
        for number in range(1, count + 1)
    )


def block_regions(base: int, count: int, services: Sequence[str]) -> tuple[StackRegion, ...]:
    """Return the ports of another stack: offsets from the start of its block."""
    first = StackRegion(
        name=_region_name(1, count),
        gateway=base,
        gateway_admin=base + 1,
        services=_service_ports(base + 10, base + 20, base + 30, services),
    )
    second = StackRegion(
        name=_region_name(2, count),
        number=2,
        gateway=base + 4,
        gateway_admin=base + 5,
        services=_service_ports(base + 80, base + 86, base + 92, services),
    )
    return (first, second)[:count]


def _service_ports(
    grpc: int, serve_ops: int, work_ops: int, services: Sequence[str]
) -> dict[str, ServicePorts]:
    return {
        service: ServicePorts(grpc=grpc + i, serve_ops=serve_ops + i, work_ops=work_ops + i)
        for i, service in enumerate(services)
    }


def _region_name(number: int, count: int) -> str:
    return SINGLE_REGION if count == 1 else f"region-{number}"

"""The mesh file: the services, where their endpoints come from, and the bounds of calls to them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from chassis.settings import MisconfiguredError, PortNumber

DnsLabel = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
HostPort = Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$")]
Percent = Annotated[float, Field(ge=0, le=100)]
PositiveSeconds = Annotated[float, Field(gt=0, le=3600)]
PositiveCount = Annotated[int, Field(ge=1, le=1_000_000)]
FaultPercent = Annotated[float, Field(gt=0, le=100)]
FaultStatus = Literal["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN"]
"""How a service fails that is not well; other answers are its own business."""


class MeshError(MisconfiguredError):
    """The file is not a mesh: each complaint names the place, what is wrong there and what it wants."""


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MeshEndpointSource(_FrozenModel):
    """Where some endpoints of a service come from: exactly one of `registry`, `dns` and `static`.

    `region` is that of all endpoints of a name or a list, by default the first one; registered endpoints
    tell their own.
    """

    registry: bool = False
    dns: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9._-]{1,253}$")] = None
    static: tuple[HostPort, ...] = ()
    region: DnsLabel | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(map(bool, (self.registry, self.dns, self.static))) != 1:
            raise ValueError("give one of `registry: true`, `dns: NAME` and `static: [HOST:PORT]`")
        return self


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, Mapping) else value


class MeshService(_FrozenModel):
    """One service: `port` is that of the endpoints which are found by name.

    `max_requests` is its own bound on what one caller may have open, if other than the mesh's: about what all
    its instances can answer within a deadline, so that a flood is refused rather than queued.
    """

    port: PortNumber
    max_requests: PositiveCount | None = None
    endpoints: Annotated[tuple[MeshEndpointSource, ...], BeforeValidator(_as_list), Field(min_length=1)]


class RetryBudgetSettings(_FrozenModel):
    """Retries may be this part of the calls in flight, or this many where calls are few."""

    percent: Percent = 20
    min_concurrency: PositiveCount = 5


class CircuitBreakerLimits(_FrozenModel):
    """The most that one caller may have open towards one service."""

    max_connections: PositiveCount = 100
    max_pending: PositiveCount = 1_000
    max_requests: PositiveCount = 2_000
    retry_budget: RetryBudgetSettings = RetryBudgetSettings()


class OutlierDetection(_FrozenModel):
    """When an endpoint that fails is left alone, and for how long.

    The gateway does so after `consecutive_errors` in a row; the services do among each other when, of at
    least `request_volume` calls in `interval_s`, more than `failure_percent` failed. That is high because
    gRPC counts every answer but OK, also those that are a caller's own fault.
    """

    interval_s: PositiveSeconds = 5
    base_ejection_s: PositiveSeconds = 10
    max_ejection_s: PositiveSeconds = 60
    max_ejection_percent: Percent = 50
    consecutive_errors: PositiveCount = 5
    failure_percent: Percent = 85
    request_volume: PositiveCount = 20
    minimum_hosts: PositiveCount = 2


class HealthCheck(_FrozenModel):
    """How the gateway asks endpoints whether they serve."""

    interval_s: PositiveSeconds = 2
    unhealthy_interval_s: PositiveSeconds = 0.5
    timeout_s: PositiveSeconds = 1
    healthy_threshold: PositiveCount = 1
    unhealthy_threshold: PositiveCount = 2


class TlsFiles(_FrozenModel):
    """PEM files of the gateway's certificate, with its chain, and key; Envoy reads them."""

    certificate: Path
    key: Path


class MeshGateway(_FrozenModel):
    """What the gateway is told beside the contracts.

    `trusted_hops` is how many proxies before the gateway (a CDN, a load balancer) are believed about the
    client's address: so many of the last addresses of `x-forwarded-for` are theirs. `rate_limits` is the
    address of the limiter; without one nothing is limited. `cors_origins` may call from a browser. `listen`
    is where the gateways of a region listen, if elsewhere than the control plane's settings say.
    """

    trusted_hops: Annotated[int, Field(ge=0, le=10)] = 0
    rate_limits: HostPort | None = None
    cors_origins: tuple[Annotated[str, Field(pattern=r"^(\*|https?://[^\s/]+)$")], ...] = ()
    tls: TlsFiles | None = None
    listen: dict[DnsLabel, HostPort] = Field(default_factory=dict)


class AbortFault(_FrozenModel):
    """Which part of the calls is answered with an error at once, by the caller's own proxy."""

    percent: FaultPercent = 100
    status: FaultStatus = "UNAVAILABLE"


class DelayFault(_FrozenModel):
    """Which part of the calls sets out so much later."""

    duration_s: PositiveSeconds
    percent: FaultPercent = 100


class ServiceFault(_FrozenModel):
    """What goes wrong with calls of a service, on purpose; `until`, in Unix seconds, is when it ends."""

    abort: AbortFault | None = None
    delay: DelayFault | None = None
    until: float | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.abort is None and self.delay is None:
            raise ValueError("give `abort` or `delay`, or both")
        return self

    def is_over(self, now: float) -> bool:
        """Whether it has ended by itself; `now` in Unix seconds."""
        return self.until is not None and self.until <= now


class Mesh(_FrozenModel):
    """The whole file. `regions` are in order of preference for a caller that has none of its own."""

    regions: tuple[DnsLabel, ...] = Field(default=("local",), min_length=1)
    services: dict[DnsLabel, MeshService] = Field(min_length=1)
    limits: CircuitBreakerLimits = CircuitBreakerLimits()
    outlier_detection: OutlierDetection = OutlierDetection()
    health_check: HealthCheck = HealthCheck()
    gateway: MeshGateway = MeshGateway()
    faults: dict[DnsLabel, ServiceFault] = {}

    @model_validator(mode="after")
    def _names_known_regions(self) -> Self:
        if len(set(self.regions)) != len(self.regions):
            raise ValueError("`regions` names one twice")
        for name, service in self.services.items():
            for source in service.endpoints:
                if source.region not in (None, *self.regions):
                    raise ValueError(f"services.{name}.endpoints: `regions` does not list {source.region!r}")
        for region in self.gateway.listen:
            if region not in self.regions:
                raise ValueError(f"gateway.listen: `regions` does not list {region!r}")
        return self

    @model_validator(mode="after")
    def _has_faults_of_known_services(self) -> Self:
        for name in self.faults.keys() - self.services.keys():
            raise ValueError(f"faults.{name}: `services` does not list it")
        return self

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Reads the file's content. Raises MeshError with everything that is wrong with it."""
        try:
            found = yaml.safe_load(content)
        except yaml.YAMLError as error:
            raise MeshError([f"not YAML: {' '.join(str(error).split())}"]) from None
        if not isinstance(found, Mapping):
            raise MeshError(["the file has to hold `regions` and `services`; see docs/operations.md"])
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            raise MeshError(
                _format_validation_error(details) for details in error.errors(include_url=False)
            ) from None

    def at(self, now: float) -> Self:
        """The mesh without the faults that have ended; `now` in Unix seconds."""
        going_on = {name: fault for name, fault in self.faults.items() if not fault.is_over(now)}
        return self.model_copy(update={"faults": going_on})

    def limits_of(self, service: str) -> CircuitBreakerLimits:
        """The bounds of calls to a service."""
        own = self.services[service].max_requests
        return self.limits.model_copy(update={"max_requests": own}) if own else self.limits

    def regions_from(self, own: str) -> tuple[str, ...]:
        """The regions as a caller of the region `own` prefers them."""
        return (own, *(region for region in self.regions if region != own))


def _format_validation_error(details: ErrorDetails) -> str:
    place = ".".join(str(part) for part in details["loc"] if part != "[key]")
    problem = details["msg"].removeprefix("Value error, ")
    if details["type"] == "extra_forbidden":
        problem = "there is no such setting; remove it or mend its name"
    elif details["type"] == "missing":
        problem = "is missing; add it"
    return f"{place}: {problem}" if place else problem

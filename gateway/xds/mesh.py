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
"""The statuses that an injected fault may have."""


class MeshError(MisconfiguredError):
    """The mesh file is invalid: each complaint names the setting, the problem and the remedy."""


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KubernetesService(_FrozenModel):
    """A Service whose EndpointSlices are followed; `namespace` is by default the control plane's own."""

    service: DnsLabel
    namespace: DnsLabel | None = None
    port: DnsLabel = "grpc"


class MeshEndpointSource(_FrozenModel):
    """Where some endpoints of a service come from: `registry`, `dns`, `kubernetes` or `static`.

    `region` applies to all endpoints of a name, a Service or a list, by default the first region; registered
    endpoints carry their own.
    """

    registry: bool = False
    kubernetes: KubernetesService | None = None
    dns: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9._-]{1,253}$")] = None
    static: tuple[HostPort, ...] = ()
    region: DnsLabel | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if sum(map(bool, (self.registry, self.dns, self.static, self.kubernetes))) != 1:
            raise ValueError(
                "give one of `registry: true`, `dns: NAME`, `kubernetes: {service: NAME}` and"
                " `static: [HOST:PORT]`"
            )
        return self


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, Mapping) else value


class MeshService(_FrozenModel):
    """One service: `port` is that of the endpoints that DNS finds.

    `max_requests` replaces the mesh's bound on the open requests of one caller. A good value is the number
    that all instances answer within a deadline: a flood is then rejected rather than queued.
    """

    port: PortNumber
    max_requests: PositiveCount | None = None
    endpoints: Annotated[tuple[MeshEndpointSource, ...], BeforeValidator(_as_list), Field(min_length=1)]


class RetryBudgetSettings(_FrozenModel):
    """The retries in flight: at most this share of the calls, and at least `min_concurrency`."""

    percent: Percent = 20
    min_concurrency: PositiveCount = 5


class CircuitBreakerLimits(_FrozenModel):
    """Bounds on what one caller has open towards one service."""

    max_connections: PositiveCount = 100
    max_pending: PositiveCount = 1_000
    max_requests: PositiveCount = 2_000
    retry_budget: RetryBudgetSettings = RetryBudgetSettings()


class OutlierDetection(_FrozenModel):
    """When an endpoint that fails is ejected, and for how long.

    The gateway ejects after `consecutive_errors` in a row; services eject one another when, of at least
    `request_volume` calls in `interval_s`, more than `failure_percent` failed. That is high because gRPC
    counts every answer but OK, also those that are a caller's own fault.
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
    """How the gateway checks the health of endpoints."""

    interval_s: PositiveSeconds = 2
    unhealthy_interval_s: PositiveSeconds = 0.5
    timeout_s: PositiveSeconds = 1
    healthy_threshold: PositiveCount = 1
    unhealthy_threshold: PositiveCount = 2


class SubsetSettings(_FrozenModel):
    """How many endpoints of a service, in one region, a node gets; it has connections to these only."""

    max_endpoints: Annotated[int, Field(ge=10, le=10_000)] = 100


class TlsFiles(_FrozenModel):
    """PEM files of the gateway's certificate, with its chain, and key; Envoy reads them."""

    certificate: Path
    key: Path


class MeshTls(_FrozenModel):
    """Mutual TLS among processes; without it calls are plain.

    `folder` is where gateways have their files, which are named as those of `IC_TLS_FOLDER`; services name
    theirs by that variable. A service's certificate is for its name here, as `auth`; those of the control
    plane and the limiter are for `control-plane` and `rate-limiter`.
    """

    folder: Path


class MeshGateway(_FrozenModel):
    """The gateway's settings beside the contracts.

    `trusted_hops` is the number of proxies before the gateway (a CDN, a load balancer) whose entries at
    the end of `x-forwarded-for` are trusted. `rate_limits` is the address of the limiter; without one
    nothing is limited. `view_log` is the address of the process that counts the readers whom the edge
    answers, by default the limiter's. `issuer` is the `iss` of people's tokens, `IC_PUBLIC_URL` of the
    services. `cors_origins` may call from a browser. `listen` is the address of a region's gateways, if
    other than that of the control plane's settings.
    """

    trusted_hops: Annotated[int, Field(ge=0, le=10)] = 0
    rate_limits: HostPort | None = None
    view_log: HostPort | None = None
    issuer: Annotated[str | None, Field(pattern=r"^https?://[^\s/]+$")] = None
    cors_origins: tuple[Annotated[str, Field(pattern=r"^(\*|https?://[^\s/]+)$")], ...] = ()
    tls: TlsFiles | None = None
    listen: dict[DnsLabel, HostPort] = Field(default_factory=dict)

    @property
    def view_log_address(self) -> str | None:
        """Where reads without a token are logged; None where nobody counts them."""
        return self.view_log or self.rate_limits


class AbortFault(_FrozenModel):
    """The share of calls that the caller's own proxy answers with an error at once."""

    percent: FaultPercent = 100
    status: FaultStatus = "UNAVAILABLE"


class DelayFault(_FrozenModel):
    """The share of calls that is delayed by `duration_s`."""

    duration_s: PositiveSeconds
    percent: FaultPercent = 100


class ServiceFault(_FrozenModel):
    """A fault injected into calls of a service; it expires at `until`, in Unix seconds."""

    abort: AbortFault | None = None
    delay: DelayFault | None = None
    until: float | None = None

    @model_validator(mode="after")
    def _has_a_fault(self) -> Self:
        if self.abort is None and self.delay is None:
            raise ValueError("give `abort` or `delay`, or both")
        return self

    def is_expired(self, now: float) -> bool:
        """Return whether it has expired at `now`, in Unix seconds."""
        return self.until is not None and self.until <= now


class Mesh(_FrozenModel):
    """The whole file. `regions` are in order of preference for a caller that has none of its own."""

    regions: tuple[DnsLabel, ...] = Field(default=("local",), min_length=1)
    services: dict[DnsLabel, MeshService] = Field(min_length=1)
    limits: CircuitBreakerLimits = CircuitBreakerLimits()
    outlier_detection: OutlierDetection = OutlierDetection()
    health_check: HealthCheck = HealthCheck()
    subsets: SubsetSettings = SubsetSettings()
    gateway: MeshGateway = MeshGateway()
    tls: MeshTls | None = None
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
        """Parse the file's content. Raise MeshError with all errors in it."""
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

    def without_expired_faults(self, now: float) -> Self:
        """Return the mesh without the faults that have expired at `now`, in Unix seconds."""
        active = {name: fault for name, fault in self.faults.items() if not fault.is_expired(now)}
        return self.model_copy(update={"faults": active})

    def limits_for(self, service: str) -> CircuitBreakerLimits:
        """Return the bounds of calls to a service."""
        own = self.services[service].max_requests
        return self.limits.model_copy(update={"max_requests": own}) if own else self.limits

    def regions_by_preference(self, own: str) -> tuple[str, ...]:
        """Return the regions in the order in which a caller of the region `own` prefers them."""
        return (own, *(region for region in self.regions if region != own))


def _format_validation_error(details: ErrorDetails) -> str:
    place = ".".join(str(part) for part in details["loc"] if part != "[key]")
    problem = details["msg"].removeprefix("Value error, ")
    if details["type"] == "extra_forbidden":
        problem = "there is no such setting; remove it or mend its name"
    elif details["type"] == "missing":
        problem = "is missing; add it"
    return f"{place}: {problem}" if place else problem

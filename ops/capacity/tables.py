"""The tables that a plan is made from: workload, records and prices, as their YAML files hold them."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ops.capacity.measured import MeasuredFigures

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Layer = Literal["edge", "redis", "database"]
LAYERS: Final[tuple[Layer, ...]] = ("edge", "redis", "database")


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RequestKind(_Table):
    """One kind of request; `share` is the percentage of its layer, `services` those of who answers it.

    `cpu` holds by component rows of the measured figures with their factors; `processes_of` adds the parts of
    all processes of a row, `workers_of` those of the workers and the broker.
    """

    layer: Layer
    share: float = Field(ge=0, le=100)
    services: dict[str, float] = {}
    request_bytes: Positive
    answer_bytes: Positive
    written_bytes: float = 0
    redis_commands: float = 0
    writes: float = 0
    applications: float = 0
    events: float = 0
    queues_per_event: float = 0
    mails: float = 0
    commands_per_shard: float = 0
    cpu: dict[str, dict[str, float]] = {}
    processes_of: dict[str, float] = {}
    workers_of: dict[str, float] = {}


class StoredRecords(_Table):
    """The records of a collection: `number` for each unit, those of a flow kept for some days."""

    per: str
    number: Positive = 1
    kept_days: Positive | None = None


class PopulationAssumptions(_Table):
    """Numbers of things for each user."""

    companies: float
    listings: float
    open_listings: float
    searchable_students: float
    daily_active: Share
    sessions: float


class TrafficAssumptions(_Table):
    """How requests are spread over a month and the regions, and how users grow."""

    mean_to_peak: Annotated[float, Field(gt=0, le=1)]
    header_overhead: Annotated[float, Field(ge=1)]
    away_share: Share
    growth_per_year: Annotated[float, Field(ge=0)]
    months: Annotated[float, Field(ge=0)]


class SizingRules(_Table):
    """Targets and limits of machines, pods and stores; units are in the names."""

    utilisation: Annotated[float, Field(gt=0, le=1)]
    headroom: Annotated[float, Field(ge=0)]
    members: Annotated[int, Field(ge=1, le=50)]
    members_elsewhere: Annotated[int, Field(ge=0)]
    min_pods: Annotated[int, Field(ge=1)]
    max_pods: Annotated[int, Field(ge=1)]
    node_packing: Annotated[float, Field(gt=0, le=1)]
    min_stored_share: Share
    disk_fill: Annotated[float, Field(gt=0, le=1)]
    apply_share: Share
    shard_disk_gb: Positive
    index_fragmentation: Annotated[float, Field(ge=1)]
    cache_share: Share
    hot_share: Share
    bench_shards: Positive
    confirm_interval_s: Positive
    connections_per_process: Positive
    max_connections_per_mongod: Positive
    max_connections_per_redis: Positive
    max_messages_per_queue: Positive
    redis_replicas: Annotated[int, Field(ge=0)]
    redis_listing_bytes: float
    redis_user_bytes: float
    hot_listings: Share
    control_planes_per_region: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.min_pods > self.max_pods:
            raise ValueError(f"min_pods ({self.min_pods}) is more than max_pods ({self.max_pods})")
        if self.members_elsewhere >= self.members:
            raise ValueError("members_elsewhere takes less than members: one member stays in the home region")
        return self


class PodRequest(_Table):
    """What a pod requests; `servers` is the number of calls that its processes execute at once."""

    cores: Positive
    memory_mib: Annotated[int, Field(gt=0)]
    servers: Annotated[int, Field(gt=0)]


class SimulationRules(_Table):
    """The figures of the simulation that are not of the autoscaler."""

    pod_start_s: Annotated[float, Field(ge=0)]
    metric_delay_s: Annotated[float, Field(ge=0)]
    max_wait_s: Positive
    deadline_s: Positive
    refusal_us: Annotated[float, Field(ge=0)]
    fixed_ms: dict[Layer, float]
    failover_s: Annotated[float, Field(ge=0)]
    election_s: Annotated[float, Field(ge=0)]


class WorkloadTable(_Table):
    """All assumptions; `figures` are rows that the benchmark does not measure, in µs by process."""

    layers: dict[Layer, float]
    kinds: dict[str, RequestKind] = Field(min_length=1)
    figures: dict[str, dict[str, float | str]]
    population: PopulationAssumptions
    records: dict[str, StoredRecords]
    traffic: TrafficAssumptions
    sizing: SizingRules
    pods: dict[str, PodRequest]
    simulation: SimulationRules

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        if abs(sum(self.layers.values()) - 100) > 1e-6:
            raise ValueError("the shares of layers make no 100")
        for layer in LAYERS:
            total = sum(kind.share for kind in self.kinds.values() if kind.layer == layer)
            if abs(total - 100) > 1e-6:
                raise ValueError(f"the shares of the kinds of layer {layer} make {total:g} instead of 100")
        for name, kind in self.kinds.items():
            if kind.services and abs(sum(kind.services.values()) - 100) > 1e-6:
                raise ValueError(f"the shares of services of the kind {name} make no 100")
        return self


class RecordBytes(_Table):
    """The mean size of a record, in bytes: before compression, on disk, of all its indexes."""

    records: int
    document_bytes: float
    stored_bytes: float
    index_bytes: float
    basis: str


class RecordTable(_Table):
    """Sizes of records by `service.collection`."""

    measured_on: date
    source: str
    collections: dict[str, RecordBytes]


class MachinePrice(_Table):
    """A machine, and its price on demand."""

    name: str
    cores: Positive
    memory_gib: Positive
    per_hour: Positive


class EgressTier(_Table):
    """The price of a GB up to an amount in a month; None: beyond all others."""

    up_to_gb: float | None
    price: float


class EarlierEstimate(_Table):
    """An estimate to compare with, in the currency a month."""

    low: float
    high: float
    text: str


class PriceTable(_Table):
    """Prices of machines, disks, traffic and mails; `reserved` are parts of the price on demand."""

    as_of: str
    source: str
    currency: str
    hours_per_month: Positive
    reserved: dict[str, Annotated[float, Field(gt=0, le=1)]]
    machines: dict[str, MachinePrice]
    disk_per_gb_month: float
    egress_per_gb: list[EgressTier] = Field(min_length=1)
    between_regions_per_gb: float
    mail_per_1000: float
    earlier_estimate: EarlierEstimate


@dataclass(frozen=True)
class PlanTables:
    """All that a plan is made from besides the question."""

    workload: WorkloadTable
    figures: MeasuredFigures
    records: RecordTable
    prices: PriceTable

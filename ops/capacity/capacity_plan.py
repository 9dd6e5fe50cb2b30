"""A capacity plan: the question, and the answer in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass


class PlanError(ValueError):
    """No cluster of this design carries the load; the message says why and what would change it."""


@dataclass(frozen=True)
class PlanRequest:
    """The question: users, requests a second at peak, regions; shares of the layers are 0 to 1.

    Searches go to `search_shards` shards of their own; if that is None, every shard executes each.
    """

    users: int
    rps: float
    regions: int
    layers: Mapping[str, float]
    search_shards: int | None = None


@dataclass(frozen=True)
class ComponentSize:
    """The pods of a component over all regions; `demand_cores` is what requests use at peak.

    `needed_pods` is what demand, headroom and target ask for, `pods` after the bounds, `mean_pods` the
    autoscaler's mean over a month; `overhead_cores` is what each pod uses without requests.
    """

    name: str
    pods: int
    needed_pods: int
    mean_pods: int
    pods_per_region: int
    cores_per_pod: float
    memory_mib: int
    demand_cores: float
    overhead_cores: float

    @property
    def cores(self) -> float:
        """The cores that the pods request."""
        return self.pods * self.cores_per_pod

    @property
    def utilisation(self) -> float:
        """The part of the requested cores that is used at peak, 0 to 1 and more."""
        return (self.demand_cores + self.overhead_cores * self.pods) / self.cores


@dataclass(frozen=True)
class StoreSize:
    """Nodes of a store over all regions; `groups` are shards, or clusters."""

    name: str
    groups: int
    nodes: int
    machine: str
    cores: float
    decided_by: str


@dataclass(frozen=True)
class CollectionStorage:
    """What one collection holds at the end of the plan, in bytes, before replication."""

    name: str
    records: float
    data_bytes: float
    index_bytes: float


@dataclass(frozen=True)
class Traffic:
    """Bytes a second at peak: from clients, to clients, between regions."""

    in_bytes: float
    out_bytes: float
    between_regions_bytes: float
    mean_to_peak: float

    def gb_per_month(self, peak_bytes: float, hours: float) -> float:
        """Return the GB of a month, from bytes a second at peak."""
        return peak_bytes * self.mean_to_peak * hours * 3600 / 1e9


@dataclass(frozen=True)
class CostLine:
    """The price of one part each month: on demand, and by the term of a reservation.

    `is_machine` says that it is for machines or their disks, not for traffic or mails.
    """

    name: str
    on_demand: float
    reserved: Mapping[str, float]
    is_machine: bool = False


@dataclass(frozen=True)
class SaturationLimit:
    """A part with its limit: traffic may grow to `factor` times the plan's until it is reached.

    `is_gradual` says that it fills as users and records grow, over months, and not with a surge of requests.
    """

    name: str
    demand: float
    limit: float
    unit: str
    remedy: str
    is_gradual: bool = False

    @property
    def factor(self) -> float:
        """The limit divided by the demand at peak; infinite without demand."""
        return self.limit / self.demand if self.demand > 0 else float("inf")


@dataclass(frozen=True)
class CapacityPlan:
    """The answer; `limits` is in the order in which parts saturate."""

    request: PlanRequest
    components: tuple[ComponentSize, ...]
    stores: tuple[StoreSize, ...]
    storage: tuple[CollectionStorage, ...]
    traffic: Traffic
    costs: tuple[CostLine, ...]
    limits: tuple[SaturationLimit, ...]
    rates: Mapping[str, float]
    notes: tuple[str, ...]

    def component(self, name: str) -> ComponentSize:
        """Return a component. Raises KeyError."""
        return {each.name: each for each in self.components}[name]

    def store(self, name: str) -> StoreSize:
        """Return a store. Raises KeyError."""
        return {each.name: each for each in self.stores}[name]

    @property
    def bottleneck(self) -> SaturationLimit | None:
        """The first part that a surge of requests saturates; None without any demand."""
        return next((limit for limit in self.limits if not limit.is_gradual), None)

    @property
    def storage_bytes(self) -> float:
        """Data and indexes at the end of the plan, before replication."""
        return sum(each.data_bytes + each.index_bytes for each in self.storage)

    @property
    def cost_on_demand(self) -> float:
        """The sum of all parts on demand, each month."""
        return sum(line.on_demand for line in self.costs)

    @property
    def machine_costs(self) -> list[CostLine]:
        """The lines for machines and disks."""
        return [line for line in self.costs if line.is_machine]

    def cost_reserved(self, term: str) -> float:
        """Return the sum with machines reserved for a term, each month."""
        return sum(line.reserved[term] for line in self.costs)
